"""One Kubernetes for all tests here, with the plugins' images on its node and a registry that pods reach."""

from __future__ import annotations

import os
import subprocess
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from testbed import engine, images, kubernetes, runners
from testbed.kubernetes import Cluster
from tests.kubernetes.pods import Namespace

from gocdnext_sdk import Reference, RegistryClient
from gocdnext_sdk.host.harness.local_registry import DEFAULT_IMAGE
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.runtime.polling import poll
from gocdnext_sdk.tools.buildkit.builders import BUILDKIT

PLUGINS = ("buildx", "cosign", "docker-push", "kaniko", "trivy")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with kubernetes.running() as started:
        started.load(kubernetes.image(), runners.image(), *map(images.plugin_tag, PLUGINS))
        for number in range(20):
            started.request("POST", "/api/v1/persistentvolumes", volume(number))
        yield started


def volume(number: int) -> dict[str, Any]:
    """Give a volume on the node, for one job."""
    place = {"path": f"/var/lib/volumes/{number}", "type": "DirectoryOrCreate"}
    spec = {"capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": place}
    return {"metadata": {"name": f"volume-{number}"}, "spec": spec}


@pytest.fixture(scope="session")
def address(cluster: Cluster) -> Iterator[str]:
    """The address of a registry beside the node, for this host and for pods."""
    with engine.client(engine.up()) as host:
        registry = host.containers.run(
            os.environ.get("GOCDNEXT_REGISTRY_IMAGE", DEFAULT_IMAGE),
            name=f"{cluster.container.name}-registry",
            network_mode=f"container:{cluster.container.id}",
            environment={
                "REGISTRY_HTTP_ADDR": ":5000",
                "REGISTRY_HTTP_DEBUG_ADDR": "",
                "OTEL_TRACES_EXPORTER": "none",
            },
            detach=True,
        )
        try:
            found = f"{cluster.address}:5000"
            assert poll(lambda: answers(found), within=30, every=0.2), registry.logs()
            yield found
        finally:
            registry.remove(force=True, v=True)


def answers(address: str) -> bool | None:
    client = RegistryClient(insecure=[Registry.parse(address)])
    try:
        return client.find(Reference.parse(f"{address}/nothing:there")) is None
    except Exception:  # noqa: BLE001 - it is asked again
        return None


@pytest.fixture
def registry(address: str) -> RegistryClient:
    """A client of it."""
    return RegistryClient(insecure=[Registry.parse(address)])


@pytest.fixture(scope="session")
def pushed(address: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Push an image of the engine to that registry; give its name there."""

    def push(name: str, as_: str) -> str:
        archive = tmp_path_factory.mktemp("image") / "saved.tar"
        subprocess.run(["docker", "save", "--output", str(archive), name], check=True, capture_output=True)
        there = f"{address}/{as_}"
        argv = ["crane", "push", "--insecure", str(archive), there]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return there

    return push


@pytest.fixture(scope="session")
def shell(pushed: Callable[[str, str], str]) -> str:
    """A base image with a shell."""
    return pushed(runners.image(), "base/shell:1")


@pytest.fixture(scope="session")
def buildkit(pushed: Callable[[str, str], str]) -> str:
    """BuildKit's image in that registry, for a daemon of its own."""
    return pushed(os.environ.get("BUILDKIT_IMAGE", BUILDKIT), "moby/buildkit:1")


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> Callable[[str], Namespace]:
    """A namespace with a policy."""

    def named(policy: str) -> Namespace:
        labels = {"pod-security.kubernetes.io/enforce": policy}
        try:
            body = {"metadata": {"name": policy, "labels": labels}}
            cluster.request("POST", "/api/v1/namespaces", body)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

        def account() -> Any:
            with suppress(urllib.error.HTTPError):  # without it, which is made a little later, no pod is
                return cluster.request("GET", f"/api/v1/namespaces/{policy}/serviceaccounts/default")

        assert poll(account, within=30, every=0.1)
        return Namespace(cluster, policy, runners.image())

    return named
