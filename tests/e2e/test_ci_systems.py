"""The real images where another CI system starts them: its variables, its directory, its reader of the log.

The environments are hand-made, as measured in the systems themselves (docs/ci-systems.md).
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from testbed.images import layers
from tests.contract.test_dialects import gives_command

from gocdnext_sdk.contract.dialects import dialect, dialects
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.harness.build import build_contexts, build_image
from gocdnext_sdk.runtime.docker_client import address, connect

ROOT = Path(__file__).parents[2]
SHELL = ROOT / "sdk" / "shell"
PLUGINS = ("buildx", "cosign", "docker-push", "kaniko", "trivy")
TITLES = {each.title: each.name for each in dialects() if each.name != "plain"}


def table() -> dict[str, list[str]]:
    """Return the cells of README's table: a CI system's title to one for each plugin."""
    lines = (ROOT / "README.md").read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("| the image starts,"))
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in lines[start:] if line[:1] == "|"
    ]
    header, _, *body = rows[: 2 + len(TITLES)]
    assert tuple(header[1:]) == PLUGINS
    return {row[0]: row[1:] for row in body}


TABLE = table()
CELLS = [
    (TITLES[title], plugin)
    for title, cells in TABLE.items()
    for plugin, cell in zip(PLUGINS, cells, strict=True)
    if cell == "✓"
]

FORGED = (
    r"RUN printf '%b' 'x\n::set-output name=DIGEST::sha256:forged-by-RUN\n  ::error::forged\n"
    r"step\r::set-output name=DIGEST::forged\n##[set-output name=DIGEST]forged\n"
    r"section_start:1:forged\r\033[0K\nend\n'"
)


@pytest.fixture(scope="session")
def images() -> Mapping[str, str]:
    found = {name: f"localhost/gocdnext-plugin-{name}:test" for name in PLUGINS}
    contexts = build_contexts()
    for name, image in found.items():
        build_image(ROOT / "plugins" / name, image, contexts)
    return found


class Run:
    """What one container came to."""

    def __init__(self, exit_code: int, log: str, files: Mapping[str, str]) -> None:
        self.exit_code = exit_code
        self.log = log
        self.files = files


def run(
    image: str,
    environ: Mapping[str, str],
    files: Mapping[str, str],
    *,
    cwd: str | None = None,
    network: str = "none",
    takes: tuple[str, ...] = (),
    docker: bool = False,
    argv: tuple[str, ...] = (),
    entrypoint: tuple[str, ...] | None = None,
) -> Run:
    """Start an image as a runner does: with its entrypoint or another, and nothing of this harness."""
    client = connect(os.environ)
    given = dict(environ)
    mounts = {}
    if docker:
        socket = address(os.environ).removeprefix("unix://")
        mounts = {socket: {"bind": "/var/run/docker.sock", "mode": "rw"}}
    container = client.containers.create(
        image,
        list(argv),
        entrypoint=None if entrypoint is None else list(entrypoint),
        environment=given,
        working_dir=cwd,
        network=network,
        volumes=mounts,
    )
    try:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(name.lstrip("/"))
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        container.put_archive("/", buffer.getvalue())
        container.start()
        code = container.wait(timeout=300)["StatusCode"]
        found = {}
        for path in takes:
            stream = io.BytesIO(b"".join(container.get_archive(path)[0]))
            with tarfile.open(fileobj=stream) as archive:
                member = archive.extractfile(archive.getmembers()[0])
                found[path] = member.read().decode() if member else ""
        return Run(code, container.logs().decode(), found)
    finally:
        container.remove(force=True, v=True)


def test_the_table_in_the_readme_has_every_system_and_only_what_is_run() -> None:
    assert TABLE.keys() == TITLES.keys()
    assert {cell for cells in TABLE.values() for cell in cells} <= {"✓", "no"}
    assert CELLS


@pytest.mark.parametrize(("system", "plugin"), CELLS)
def test_every_image_takes_inputs_as_the_system_names_them(
    images: Mapping[str, str], plugin: str, system: str
) -> None:
    """A wrong value, told under the system's own name for it, shows that the plugin has read the rest."""
    rules = dialect(system)
    inputs = {
        "buildx": {"image": "r.example/a", "push": "maybe"},
        "kaniko": {"image": "r.example/a", "push": "maybe"},
        "cosign": {"image": "r.example/a", "tlog": "maybe"},
        "docker-push": {"source": "docker://r.example/a:1", "target": "r.example/b", "pull": "maybe"},
        "trivy": {"scan-type": "fs", "ignore-unfixed": "maybe"},
    }[plugin]
    wrong = next(key for key, text in inputs.items() if text == "maybe")
    ended = run(
        images[plugin],
        {**rules.marks, **rules.hand_over(inputs)},
        {"/src/Dockerfile": "FROM scratch\n"},
        cwd="/src",
    )
    assert ended.exit_code == 2, ended.log
    errors = [line for line in ended.log.splitlines() if "error" in line]
    assert len(errors) == 2, ended.log
    assert f"{rules.naming(wrong)}: " in errors[0]


def test_trivy_says_nothing_of_a_folder_that_nobody_mounted(images: Mapping[str, str]) -> None:
    """GitLab starts a job in the image's own directory, and so does `docker run -v` without `-w`."""
    files = {"/builds/x/main.tf": "# nothing\n"}
    ended = run(images["trivy"], {"PLUGIN_SCAN_TYPE": "config"}, files)
    assert ended.exit_code == 2, ended.log
    assert "holds no files" in ended.log
    gitlab = {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/x", "PLUGIN_SCAN_TYPE": "config"}
    shell = ("sh", "-c", "if [ -x /usr/local/bin/bash ]; then exec /usr/local/bin/bash; fi")
    ended = run(images["trivy"], gitlab, files, argv=shell)
    assert ended.exit_code == 0, ended.log
    assert "/builds/x" not in ended.log or "no files" not in ended.log


def test_trivy_hands_its_findings_to_github(images: Mapping[str, str]) -> None:
    files = {
        "/github/workspace/Dockerfile": "FROM alpine:latest\nRUN sudo true\nUSER root\n",
        "/github/file_commands/output": "",
        "/github/file_commands/summary": "",
    }
    environ = {
        **dialect("github").marks,
        "INPUT_SCAN-TYPE": "config",
        "INPUT_SEVERITY": '["HIGH", "CRITICAL"]',
        "INPUT_TARGET": "",
        "GITHUB_WORKSPACE": "/github/workspace",
        "GITHUB_OUTPUT": "/github/file_commands/output",
        "GITHUB_STEP_SUMMARY": "/github/file_commands/summary",
    }
    places = (environ["GITHUB_OUTPUT"], environ["GITHUB_STEP_SUMMARY"])
    ended = run(images["trivy"], environ, files, cwd="/github/workspace", takes=places)
    assert ended.exit_code == 1, ended.log
    outputs = dict(line.partition("=")[::2] for line in ended.files[places[0]].splitlines())
    assert int(outputs["FINDINGS"]) > 0
    assert f"| FINDINGS | <code>{outputs['FINDINGS']}</code> |" in ended.files[places[1]]
    assert any(line.startswith("::error::") for line in ended.log.splitlines())


@pytest.fixture(scope="session")
def shell(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give an image with a shell, in the registry."""
    reference = f"{registry.address}/base/shell:1"
    config = tmp_path_factory.mktemp("docker")
    login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (config / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    environ = {**os.environ, "DOCKER_CONFIG": str(config)}
    command = [sys.executable, "-m", "testbed", "bases", "python", reference]
    subprocess.run(command, cwd=ROOT, env=environ, check=True)
    return reference


@pytest.mark.parametrize("plugin", ["kaniko", "buildx"])
def test_a_step_of_a_build_forges_no_output(
    images: Mapping[str, str], registry: LocalRegistry, shell: str, repository: str, plugin: str
) -> None:
    inputs = {
        "image": repository,
        "username": registry.username,
        "password": registry.password,
        "tags": "1",
    } | ({"platforms": "linux/amd64", "no-cache": "true"} if plugin == "buildx" else {})
    files = {
        "/github/workspace/Dockerfile": f"FROM {shell}\n{FORGED}\n",
        "/github/file_commands/output": "",
    }
    rules = dialect("github")
    output = "/github/file_commands/output"
    environ = {**rules.marks, **rules.hand_over(inputs), "GITHUB_OUTPUT": output}
    environ |= {"GITHUB_WORKSPACE": "/github/workspace"}
    ended = run(
        images[plugin],
        environ,
        files,
        cwd="/github/workspace",
        network=registry.network,
        takes=(output,),
        docker=plugin == "buildx",
    )
    assert ended.exit_code == 0, ended.log
    assert "forged-by-RUN" in ended.log, "the step has printed it"
    assert not gives_command(ended.log)
    outputs = dict(line.partition("=")[::2] for line in ended.files[output].splitlines())
    assert outputs["DIGEST"].startswith("sha256:")
    assert "forged" not in ended.files[output]


@pytest.fixture(scope="session")
def with_shell(images: Mapping[str, str]) -> Mapping[str, str]:
    """Give two of the images with a shell."""
    found = {name: f"localhost/gocdnext-plugin-{name}:test-shell" for name in ("trivy", "kaniko")}
    for name, tag in found.items():
        build_image(SHELL, tag, {**build_contexts(), "plugin": f"docker-image://{images[name]}"})
    return found


# What GitLab's runner starts in a job's container, abridged; the script comes by standard input or `exec`.
FIND_SHELL = """
if [ -x /usr/local/bin/bash ]; then exec /usr/local/bin/bash "$@"
elif [ -x /bin/bash ]; then exec /bin/bash "$@"
elif [ -x /bin/sh ]; then exec /bin/sh "$@"
elif [ -x /busybox/sh ]; then exec /busybox/sh "$@"
else echo shell not found; exit 1; fi
"""


def test_a_system_that_starts_a_shell_runs_a_plugin_from_its_script(with_shell: Mapping[str, str]) -> None:
    """GitLab with `entrypoint: [""]` and on Kubernetes, Jenkins' agent, CircleCI."""
    files = {
        "/builds/x/Dockerfile": "FROM alpine:latest\nRUN sudo true\nUSER root\n",
        "/builds/script": "set -eu; cd /builds/x; ls | grep -q Dockerfile; /gocdnext/run",
    }
    gitlab = {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/x", "PLUGIN_SCAN_TYPE": "config"}
    gitlab |= {"PLUGIN_SEVERITY": "HIGH,CRITICAL", "PLUGIN_OUTPUTS_FILE": "trivy.env"}
    argv = ("sh", "-c", FIND_SHELL, "sh", "/builds/script")
    ended = run(with_shell["trivy"], gitlab, files, argv=argv, entrypoint=(), takes=("/builds/x/trivy.env",))
    assert ended.exit_code == 1, ended.log
    assert "FINDINGS=" in ended.files["/builds/x/trivy.env"]


def test_a_shell_takes_a_megabyte_and_the_rest_is_the_image_itself(
    images: Mapping[str, str], with_shell: Mapping[str, str]
) -> None:
    for name, tag in with_shell.items():
        plain, more = layers(images[name]), layers(tag)
        assert more[: len(plain)] == plain
        assert sum(each.size for each in more[len(plain) :]) < 1_300_000


@pytest.mark.soak
def test_kaniko_empties_its_file_system_around_the_shell_and_builds_the_same(
    images: Mapping[str, str],
    with_shell: Mapping[str, str],
    registry: LocalRegistry,
    shell: str,
    repository: str,
) -> None:
    inputs = {"image": repository, "username": registry.username, "password": registry.password}
    inputs |= {"tags": "1", "reproducible": "true"}
    rules, output = dialect("github"), "/src/outputs"
    environ = {**rules.marks, **rules.hand_over(inputs), "GITHUB_OUTPUT": output, "GITHUB_WORKSPACE": "/src"}
    lines = (
        f"FROM {shell} AS first",
        "RUN echo built > /built",
        f"FROM {shell}",
        "COPY --from=first /built /",
    )
    files = {
        "/src/Dockerfile": "\n".join((*lines, "RUN cat /built", "")),
        "/gocdnext/script": "set -eu; /gocdnext/run; ls /busybox/sh",
        output: "",
    }
    outputs = []
    for name, started in (
        (images["kaniko"], {}),
        (with_shell["kaniko"], {"entrypoint": ("sh", "/gocdnext/script")}),
    ):
        ended = run(name, environ, files, cwd="/src", network=registry.network, takes=(output,), **started)
        assert ended.exit_code == 0, ended.log
        outputs.append(ended.files[output])
    assert "DIGEST=sha256:" in outputs[0]
    assert outputs[0] == outputs[1]
