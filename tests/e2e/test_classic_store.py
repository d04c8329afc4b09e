"""The buildx plugin on an engine that keeps images as `docker:24` does: it builds in a BuildKit container."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import docker
import pytest
from testbed import classic

from gocdnext_sdk import Credential, Credentials, Reference, Registry, RegistryClient, Secret
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.testing import PluginRunner

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins" / "buildx"

pytestmark = pytest.mark.soak


@pytest.fixture
def base(registry: LocalRegistry, tmp_path: Path) -> str:
    """A base image for both platforms, in the registry: the engine's own is not seen."""
    reference = f"{registry.address}/base/python:3.13"
    account = {"REGISTRY_USERNAME": registry.username, "REGISTRY_PASSWORD": registry.password}
    login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    environ = os.environ | account | {"DOCKER_CONFIG": str(tmp_path)}
    argv = [sys.executable, "-m", "testbed", "bases", "python", reference]
    subprocess.run(argv, cwd=ROOT, env=environ, check=True, capture_output=True)
    return reference


def test_several_platforms_are_pushed_one_of_them_emulated_and_nothing_is_left(
    run_plugin: PluginRunner,
    workspace: Path,
    registry: LocalRegistry,
    repository: str,
    base: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (workspace / "Dockerfile").write_text(f"FROM {base}\nCOPY content /\nRUN uname -m\n")
    (workspace / "content").write_text(secrets.token_hex())
    buildkit = os.environ.get("BUILDKIT_IMAGE", "")
    with classic.running() as host, contextlib.closing(docker.DockerClient(base_url=host)) as engine:
        if buildkit:
            saved = subprocess.run(["docker", "save", buildkit], check=True, capture_output=True).stdout
            engine.images.load(saved)
        monkeypatch.setenv("DOCKER_HOST", host)
        with_ = {
            "image": repository,
            "username": registry.username,
            "password": registry.password,
            "driver-opts": "network=host",
        } | ({"buildkit-image": buildkit} if buildkit else {})
        result = run_plugin(FOLDER, with_, docker=True).passed()
        assert engine.containers.list(all=True) == []
        assert engine.volumes.list() == []
    assert "the daemon's image store cannot hold images of several platforms" in result.log
    assert {"x86_64", "aarch64"} <= {line.split()[-1] for line in result.log.splitlines() if line.split()}
    login = Credential(Registry.parse(registry.address), registry.username, Secret(registry.password))
    there = RegistryClient(Credentials([login]))
    image = Reference.parse(repository).with_digest(result.outputs["DIGEST"])
    assert {each.platform for each in there.platforms(image)} == {"linux/amd64", "linux/arm64"}
    assert there.resolve(image.with_tag("latest")).digest == image.digest
