"""A registry that speaks plain http under a name of its own: each tool uses it, by the user's word only."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gocdnext_sdk.host.harness.local_registry import DEFAULT_IMAGE, IMAGE_VARIABLE
from gocdnext_sdk.host.testing import Mode, PluginRunner, Result
from gocdnext_sdk.tools.sigstore import NOBODY

PLUGINS = Path(__file__).parents[2] / "plugins"
REGISTRY = "registry:5000"
ALLOWED = {"insecure-registries": REGISTRY}


def docker(*argv: str) -> str:
    done = subprocess.run(["docker", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    """A network in which `registry:5000` is a registry, as where it is a service of the job."""
    name = f"gocdnext-test-{uuid4().hex[:8]}"
    docker("network", "create", name)
    try:
        image = os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        variables = ("-e", "REGISTRY_HTTP_ADDR=:5000", "-e", "OTEL_TRACES_EXPORTER=none")
        docker(
            "run", "-d", "--name", name, "--network", name, "--network-alias", "registry", *variables, image
        )
        yield name
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
        docker("network", "rm", name)


@pytest.fixture
def image(network: str, run_plugin: PluginRunner, workspace: Path) -> str:
    """An image in that registry."""
    name = f"{REGISTRY}/team/app-{uuid4().hex[:8]}"
    result = push(run_plugin, workspace, network, {"target": name} | ALLOWED).passed()
    return result.outputs["REFERENCE"]


def push(run_plugin: PluginRunner, workspace: Path, network: str, with_: dict[str, str]) -> Result:
    subprocess.run(
        ["regctl", "image", "create", "ocidir://image:v1"], cwd=workspace, capture_output=True, check=True
    )
    return run_plugin(
        PLUGINS / "docker-push",
        {"source": "oci:image:v1", "tags": "v1"} | with_,
        mode=Mode.IMAGE,
        network=network,
    )


def test_without_the_input_the_error_names_it(
    network: str, run_plugin: PluginRunner, workspace: Path
) -> None:
    result = push(run_plugin, workspace, network, {"target": f"{REGISTRY}/team/app"}).exited(3)
    (line,) = result.errors
    assert REGISTRY in line
    assert "insecure-registries" in line


def test_docker_push_and_its_signatures(
    network: str, image: str, run_plugin: PluginRunner, workspace: Path, tmp_path: Path
) -> None:
    environ = {**os.environ, "COSIGN_PASSWORD": "open sesame 1"}
    subprocess.run(
        ["cosign", "generate-key-pair"], cwd=tmp_path, env=environ, capture_output=True, check=True
    )
    private, public = ((tmp_path / f"cosign.{kind}").read_text() for kind in ("key", "pub"))
    signing = {"image": image, "key-content": private, "key-password": "open sesame 1", "tlog": "false"}
    cosign = PLUGINS / "cosign"
    run_plugin(cosign, signing, mode=Mode.IMAGE, network=network).exited(3)
    run_plugin(cosign, signing | ALLOWED, mode=Mode.IMAGE, network=network).passed()
    verifying = {"image": image, "action": "verify", "key-content": public, "tlog": "false"}
    run_plugin(cosign, verifying | ALLOWED, mode=Mode.IMAGE, network=network).passed()
    (workspace / "cosign.pub").write_text(public)
    (workspace / "root.json").write_text(json.dumps(dict(NOBODY)))
    copying = {
        "source": image,
        "target": f"{REGISTRY}/other/app",
        "verify-key": "cosign.pub",
        "tlog": "false",
    }
    run_plugin(PLUGINS / "docker-push", copying | ALLOWED, mode=Mode.IMAGE, network=network).passed()


def test_trivy(network: str, image: str, run_plugin: PluginRunner) -> None:
    with_ = {"scan-type": "image", "target": image, "scanners": "secret"}
    run_plugin(PLUGINS / "trivy", with_, mode=Mode.IMAGE, network=network).exited(3)
    run_plugin(PLUGINS / "trivy", with_ | ALLOWED, mode=Mode.IMAGE, network=network).passed()


@pytest.mark.parametrize("plugin", ["kaniko", "buildx"])
def test_builders_read_and_write_there(
    network: str, image: str, run_plugin: PluginRunner, workspace: Path, plugin: str
) -> None:
    (workspace / "Dockerfile").write_text(f"FROM {image}\nCOPY Dockerfile /\n")
    with_ = {"image": f"{REGISTRY}/built/{plugin}", "tags": "v1"}
    if plugin == "buildx":
        with_["driver-opts"] = f"network={network}"
        if buildkit := os.environ.get("BUILDKIT_IMAGE"):
            with_["buildkit-image"] = buildkit
    folder, docker_too = PLUGINS / plugin, plugin == "buildx"
    run_plugin(folder, with_, mode=Mode.IMAGE, network=network, docker=docker_too).exited(3)
    result = run_plugin(folder, with_ | ALLOWED, mode=Mode.IMAGE, network=network, docker=docker_too).passed()
    assert result.outputs["DIGEST"]
