"""The shipped pytest plugin where it needs an engine: a plugin in its image, a registry, a whole pipeline."""

from __future__ import annotations

import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.host.testing.fixtures import PipelineRunner

PLUGIN = '''
from pathlib import Path
from gocdnext_sdk import Input, Plugin, PluginInputs, Secret


class Inputs(PluginInputs):
    into: str | None = Input(None, description="A file to put the token into.")
    token: Secret = Input(description="A token.")


class Sample(Plugin[Inputs]):
    """Calls its interpreter as a tool."""

    name = "gocdnext-plugin-sample"
    inputs = Inputs
    outputs = {"SEEN": "What was in the workspace."}

    def run(self, inputs, job):
        job.tool("tool", env={"TOKEN": inputs.token}).run("--version")
        if inputs.into:
            Path(inputs.into).write_text(inputs.token.reveal())
        return {"SEEN": ",".join(sorted(path.name for path in Path(".").glob("*.txt")))}


if __name__ == "__main__":
    Sample.main()
'''
TOKEN = "tok-4815162342"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin whose tool is the loader of its own image, so that nothing else has to be there."""
    folder = tmp_path_factory.mktemp("plugins") / "sample"
    folder.mkdir()
    (folder / "plugin.py").write_text(PLUGIN)
    (folder / "Dockerfile").write_text(
        "FROM ghcr.io/klinux/gocdnext-plugin-base:v1 AS base\n"
        "FROM base\n"
        "COPY --from=base /gocdnext/ld.so /usr/local/bin/tool\n"
        "COPY plugin.py /gocdnext/plugin/\n"
    )
    return folder


def test_in_its_image(run_plugin: PluginRunner, sample: Path, workspace: Path) -> None:
    (workspace / "a.txt").write_text("from the test")
    result = run_plugin(sample, {"token": TOKEN}, mode="image").passed()
    assert result.outputs == {"SEEN": "a.txt"}
    assert result.call("tool").argv == ("--version",)
    assert result.call("tool").environ >= {"PATH", "TOKEN"}
    assert "PLUGIN_TOKEN" not in result.call("tool").environ
    assert result.changed == frozenset()


def test_a_leak_from_the_image_is_found(run_plugin: PluginRunner, sample: Path, workspace: Path) -> None:
    result = run_plugin(sample, {"token": TOKEN, "into": "out.txt"}, mode="image")
    assert result.leaks == ("file out.txt in the workspace",)
    assert result.changed == {"out.txt"}
    assert (workspace / "out.txt").read_text() == TOKEN


def test_wrong_inputs_in_the_image(run_plugin: PluginRunner, sample: Path) -> None:
    result = run_plugin(sample, {"tokn": TOKEN}, mode="image").exited(2)
    assert [line.split(":")[0] for line in result.errors] == ["with.tokn", "with.token", "nothing was done"]


def test_the_registry_wants_its_login(registry: LocalRegistry, repository: str) -> None:
    def status(authorization: str) -> int:
        request = urllib.request.Request(f"http://{registry.address}/v2/")
        request.add_header("Authorization", authorization)
        try:
            with urllib.request.urlopen(request) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    login = b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    assert (status(f"Basic {login}"), status("Basic bm86bm8=")) == (200, 401)
    assert repository.startswith(f"{registry.address}/")


def test_a_whole_pipeline(run_pipeline: PipelineRunner, sample: Path, tmp_path: Path) -> None:
    file = tmp_path / "checkout" / "sample.yaml"
    file.parent.mkdir()
    file.write_text(
        """
stages: [work]
jobs:
  sample:
    stage: work
    uses: ghcr.io/org/gocdnext-plugin-sample@v1
    secrets: [TOKEN]
    with:
      token: ${{ TOKEN }}
    outputs:
      seen: SEEN
"""
    )
    report = run_pipeline(
        file, secrets={"TOKEN": TOKEN}, local={"gocdnext-plugin-sample": sample}, workspace=file.parent
    )
    assert report.passed, report["sample"].text
    assert report["sample"].outputs == {"seen": ""}
    assert TOKEN not in report["sample"].text
