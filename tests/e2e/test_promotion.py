"""What is promoted, and under which demands: docker-push with the real regctl, cosign and registries."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.olareg import olareg

from gocdnext_sdk.host.testing.result import Result
from gocdnext_sdk.host.testing.run import PluginRunner

FOLDER = Path(__file__).parents[2] / "plugins" / "docker-push"


@dataclass(frozen=True)
class Stage:
    """A registry without a login, with an index of two platforms in it, and a checkout."""

    address: str
    run_plugin: PluginRunner
    scratch: Path

    @property
    def source(self) -> str:
        return f"{self.address}/staging/app"

    @property
    def target(self) -> str:
        return f"{self.address}/public/app"

    def crane(self, *argv: str) -> str:
        done = subprocess.run(["crane", *argv], stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()

    def digest(self, reference: str) -> str:
        return self.crane("digest", reference)

    def push(self, secrets: dict[str, str] | None = None, **inputs: str) -> Result:
        with_ = {"source": f"{self.source}:v1", "target": self.target} | {
            key.replace("_", "-"): value for key, value in inputs.items()
        }
        return self.run_plugin(FOLDER, with_, secrets=secrets)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with olareg() as address:
        yield address


@pytest.fixture
def stage(address: str, run_plugin: PluginRunner, tmp_path: Path, request: pytest.FixtureRequest) -> Stage:
    stage = Stage(address, run_plugin, tmp_path)
    for architecture in ("amd64", "arm64"):
        image = f"{stage.source}:{architecture}"
        stage.crane("append", "-f", layer(f"{architecture} {request.node.name}", tmp_path), "-t", image)
        stage.crane("mutate", image, "--set-platform", f"linux/{architecture}", "-t", image)
    children = [word for each in ("amd64", "arm64") for word in ("-m", f"{stage.source}:{each}")]
    stage.crane("index", "append", *children, "-t", f"{stage.source}:v1")
    return stage


def layer(content: str, folder: Path) -> str:
    """Write a layer with a file of that content."""
    path = folder / "layer.tar"
    entry = tarfile.TarInfo("file")
    entry.size = len(content)
    with tarfile.open(path, "w") as archive:
        archive.addfile(entry, io.BytesIO(content.encode()))
    return str(path)


def test_some_platforms_are_published_as_an_index_of_them(stage: Stage) -> None:
    result = stage.push(platforms="linux/arm64", tags="slim").passed()
    index = json.loads(stage.crane("manifest", f"{stage.target}:slim"))
    assert [each["digest"] for each in index["manifests"]] == [stage.digest(f"{stage.source}:arm64")]
    assert result.outputs["DIGEST"] == stage.digest(f"{stage.target}:slim")
    stage.crane("validate", "--remote", f"{stage.target}:slim")
    assert "linux/amd64, linux/arm64" in stage.push(platforms="linux/s390x").exited(2).errors[0]
    stage.push(platforms="linux/arm64", source=f"{stage.source}:arm64").exited(2)


def test_all_tags_of_a_digest_go_along_and_no_other(stage: Stage) -> None:
    for tag in ("v1.2", "v1.2.3", "stable"):
        stage.crane("copy", f"{stage.source}:v1", f"{stage.source}:{tag}")
    result = stage.push(all_tags="v1*", target=f"{stage.address}/other/app").passed()
    assert set(stage.crane("ls", f"{stage.address}/other/app").split()) == {"v1", "v1.2", "v1.2.3"}
    assert set(result.outputs["TAGS"].split(",")) == {"v1", "v1.2", "v1.2.3"}
    assert stage.push(all_tags="w*", target=f"{stage.address}/none/app").exited(2)
