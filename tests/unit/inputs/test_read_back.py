"""What is pushed is read back: every tag, and the platforms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import Ci, ImageBuildInputs, Input, RegistryClient, RegistryError, Words
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.descriptor import OCI_MANIFEST


class Inputs(ImageBuildInputs):
    platforms: Words = Input("linux/amd64,linux/arm64", description="Platforms.")


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


def child(registry: FakeRegistry, architecture: str) -> Mapping[str, Any]:
    found = registry.push("team/app", {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "made": architecture})
    platform = {"os": "linux", "architecture": architecture}
    return {
        "mediaType": found.media_type,
        "digest": found.digest,
        "size": found.size,
        "platform": platform,
    }


def index(registry: FakeRegistry, name: str, *architectures: str) -> str:
    children = [child(registry, each) for each in architectures]
    return registry.push(name, {"schemaVersion": 2, "manifests": children}).digest


def pushed(registry: FakeRegistry, tmp_path: Path, digest: str, **with_: str) -> Mapping[str, str]:
    (tmp_path / "Dockerfile").touch()
    given = {"IMAGE": f"{registry.host}/team/app", "TAGS": "v1"} | with_
    variables = {f"PLUGIN_{key}": value for key, value in given.items()}
    job: Any = SimpleNamespace(
        ci=Ci(),
        environ={},
        workspace=tmp_path,
        say=lambda message: None,
        registry=lambda logins, insecure: RegistryClient(transport=registry),
    )
    build = Build(read_inputs(Inputs, variables, workspace=tmp_path), job)
    return build.pushed(digest, build.targets)


def test_all_of_it_is_there(registry: FakeRegistry, tmp_path: Path) -> None:
    digest = index(registry, "team/app:v1", "amd64", "arm64")
    assert pushed(registry, tmp_path, digest)["DIGEST"] == digest


def test_a_tag_that_is_not_there_or_points_elsewhere_is_a_failure(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    digest = index(registry, "team/app", "amd64", "arm64")
    with pytest.raises(RegistryError, match="v1 is"):
        pushed(registry, tmp_path, digest)
    other = index(registry, "team/app:v1", "amd64")
    with pytest.raises(RegistryError, match=f"v1 is {other}"):
        pushed(registry, tmp_path, digest)


def test_a_platform_that_is_lacking_is_a_failure(registry: FakeRegistry, tmp_path: Path) -> None:
    digest = index(registry, "team/app:v1", "amd64")
    with pytest.raises(RegistryError, match="has no image for linux/arm64"):
        pushed(registry, tmp_path, digest)
    assert pushed(registry, tmp_path, digest, PLATFORMS="linux/amd64")["DIGEST"] == digest
