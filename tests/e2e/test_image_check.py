"""What the release pipeline finds before it signs: programs for another processor, or that do not start."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testbed import images
from testbed.rehearsal import CHECK, logged_in

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.harness.build import find_buildx
from gocdnext_sdk.host.testing import PluginRunner


def pushed(registry: LocalRegistry, folder: Path, name: str, *lines: str) -> str:
    """Push an image of one platform; return it with its digest."""
    image = f"{registry.address}/check/{name}"
    (folder / "Dockerfile").write_text("\n".join((f"FROM {images.BASE}", *lines)) + "\n")
    argv = [*find_buildx(), "build", "--provenance=false", "--push", "--tag", f"{image}:1", str(folder)]
    with logged_in(registry):
        subprocess.run(argv, check=True, capture_output=True)
        done = subprocess.run(["crane", "digest", f"{image}:1"], check=True, capture_output=True, text=True)
    return f"{image}@{done.stdout.strip()}"


def with_login(registry: LocalRegistry, **inputs: str) -> dict[str, str]:
    return {"username": registry.username, "password": registry.password, **inputs}


SOCKET = os.environ.get("DOCKER_HOST", "").removeprefix("unix://")
READER = "open(inputs.word).read(); job.daemon(); "


def plugin_of(folder: Path, work: str = "") -> str:
    (folder / "plugin.py").write_text(
        "from gocdnext_sdk import Input, Plugin, PluginInputs\n"
        "class Inputs(PluginInputs):\n    word: str = Input(description='A word.')\n"
        "class Nothing(Plugin[Inputs]):\n"
        "    name, inputs = 'nothing', Inputs\n"
        f"    def run(self, inputs, job):\n        {work}return {{}}\n"
        "Nothing.main()\n"
    )
    return "COPY --chmod=644 plugin.py /gocdnext/plugin/plugin.py"


def test_an_image_whose_programs_are_right_and_start_passes(
    run_plugin: PluginRunner, registry: LocalRegistry, tmp_path: Path
) -> None:
    shutil.copy(shutil.which("crane") or "", tmp_path / "crane")
    image = pushed(registry, tmp_path, "right", plugin_of(tmp_path), "COPY crane /usr/local/bin/crane")
    inputs = with_login(registry, images=image, programs="/usr/local/bin/crane version\n/none/such --help")
    result = run_plugin(CHECK, inputs, env=daemon()).passed()
    assert "ran the plugin, crane" in result.log


def test_a_planted_program_for_another_processor_is_found(
    run_plugin: PluginRunner, registry: LocalRegistry, tmp_path: Path
) -> None:
    program = bytearray(Path(shutil.which("crane") or "").read_bytes())
    program[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    (tmp_path / "tool").write_bytes(program)
    image = pushed(registry, tmp_path, "wrong", plugin_of(tmp_path), "COPY tool /opt/tool")
    result = run_plugin(CHECK, with_login(registry, images=image), env=daemon()).exited(1)
    assert "opt/tool is for arm64" in result.log


def test_a_plugin_that_does_not_start_is_found(
    run_plugin: PluginRunner, registry: LocalRegistry, tmp_path: Path
) -> None:
    (tmp_path / "plugin.py").write_text("import nothing_such\n")
    image = pushed(registry, tmp_path, "broken", "COPY plugin.py /gocdnext/plugin/plugin.py")
    result = run_plugin(CHECK, with_login(registry, images=image), env=daemon()).exited(1)
    assert "ends with 70" in result.log


def test_an_image_that_fails_at_a_job_is_found(
    run_plugin: PluginRunner, registry: LocalRegistry, tmp_path: Path
) -> None:
    """The job has a workspace with a file for the plugin to read, and the check's daemon."""
    image = pushed(registry, tmp_path, "reader", plugin_of(tmp_path, READER))
    (run_plugin.workspace / "there.txt").write_text("read")
    for word, code, said in (
        ("there.txt", 0, "ran the plugin, a job"),
        ("other.txt", 1, "its job ends with"),
    ):
        inputs = with_login(registry, images=image, trials=f"reader word={word}", socket=SOCKET)
        result = run_plugin(CHECK, inputs, mode="image", docker=True, network=registry.network)
        assert said in result.exited(code).log


def test_a_job_for_an_image_that_is_not_checked_is_an_error(
    run_plugin: PluginRunner, registry: LocalRegistry
) -> None:
    image = f"{registry.address}/check/reader@sha256:{'0' * 64}"
    inputs = with_login(registry, images=image, trials="writer word=any")
    result = run_plugin(CHECK, inputs, env=daemon()).exited(2)
    assert "no image is called writer" in result.log


def daemon() -> dict[str, str]:
    """The variables of a job that has this machine's engine."""
    return {"DOCKER_HOST": os.environ["DOCKER_HOST"]}
