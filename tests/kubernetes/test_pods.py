"""The plugins as the platform's pods, under each of Kubernetes' policies."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from testbed import images, kubernetes
from tests.kubernetes.pods import RESTRICTED, Ended, Namespace, Refused, daemon

from gocdnext_sdk import Reference, RegistryClient

SECRET = "canary-of-the-job"
READ_ONLY = {**RESTRICTED, "readOnlyRootFilesystem": True}
CONTEXTS = {"privileged": None, "baseline": None, "restricted": RESTRICTED, "read-only": READ_ONLY}
"""How the containers of a job are held: by the policy of the namespace, or more strictly still."""

Job = Callable[..., Ended]


@pytest.fixture
def job(namespace: Callable[[str], Namespace], held: str) -> Job:
    """Run a plugin in a pod that is held as the test says."""
    within = namespace("restricted" if held == "read-only" else held)

    def run(plugin: str, with_: Mapping[str, str], **more: Any) -> Ended:
        return within.run(images.plugin_tag(plugin), with_, context=CONTEXTS[held], **more)

    return run


@pytest.fixture(scope="session")
def image(address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image in the registry, of one file that holds a secret."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "credentials").write_text("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz12345678\n")
    with tarfile.open(folder / "layer.tar", "w") as tar:
        tar.add(folder / "credentials", "root/credentials")
    name = f"{address}/app:v1"
    argv = ["crane", "append", "--insecure", "--new_layer", str(folder / "layer.tar"), "--new_tag", name]
    subprocess.run(argv, check=True, capture_output=True)
    return name


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("key")
    environ = {**os.environ, "COSIGN_PASSWORD": "open sesame 1"}
    subprocess.run(["cosign", "generate-key-pair"], cwd=folder, env=environ, check=True, capture_output=True)
    private = (folder / "cosign.key").read_text()
    return {"key-content": private, "key-password": "open sesame 1", "tlog": "false"}


def by_digest(image: str, ended: Ended) -> bool:
    """Whether the outputs name an image, and its digest."""
    return ended.outputs["REFERENCE"].startswith(f"{image.rpartition(':')[0]}@sha256:")


def only_error(ended: Ended) -> str:
    """Return the one line with which a plugin that cannot work here refuses, having done nothing."""
    (line,) = ended.exited(2).log.splitlines()
    assert line.startswith("error: "), line
    assert not any(ended.outputs.values())
    return line


@pytest.mark.parametrize("held", CONTEXTS)
def test_trivy_scans_the_checkout_and_an_image_where_it_has_room(job: Job, image: str, held: str) -> None:
    place = {"writable": ["/tmp"]} if held == "read-only" else {}
    checkout = {"scan-type": "fs", "target": ".", "scanners": "secret"}
    files = {"credentials": "nothing that is secret"}
    assert job("trivy", checkout, files=files, **place).exited(0).outputs["FINDINGS"] == "0"
    pushed = {"scan-type": "image", "target": image, "scanners": "secret", "severity": "CRITICAL"}
    found = job("trivy", pushed, **place).exited(1)
    assert int(found.outputs["FINDINGS"]) == 1
    assert by_digest(image, found)


@pytest.mark.parametrize("held", ["read-only"])
def test_trivy_says_in_one_line_that_it_needs_a_place_to_write_to(job: Job, image: str) -> None:
    with_ = {"scan-type": "image", "target": image, "scanners": "secret"}
    assert "a writable /tmp" in only_error(job("trivy", with_))


@pytest.mark.parametrize("held", CONTEXTS)
def test_cosign_signs(job: Job, image: str, key: Mapping[str, str]) -> None:
    ended = job("cosign", {"image": image, **key}).exited(0)
    assert by_digest(image, ended)
    assert key["key-password"] not in ended.log


@pytest.mark.parametrize("held", CONTEXTS)
def test_docker_push_promotes(
    job: Job, image: str, address: str, registry: RegistryClient, held: str
) -> None:
    target = Reference.parse(f"{address}/promoted-{held}:v1")
    ended = job("docker-push", {"source": image, "target": str(target)}).exited(0)
    assert registry.resolve(target).digest == ended.outputs["DIGEST"]


@pytest.mark.parametrize("held", CONTEXTS)
def test_kaniko_builds_as_root_and_says_in_one_line_that_it_needs_to_be(
    job: Job, address: str, registry: RegistryClient, held: str
) -> None:
    target = Reference.parse(f"{address}/built-{held}:v1")
    files = {"Dockerfile": "FROM scratch\nCOPY content /\n", "content": "content"}
    with_ = {"image": target.name, "tags": "v1\nlatest", "password": SECRET, "username": "me"}
    ended = job("kaniko", with_, files=files)
    assert SECRET not in ended.log
    if CONTEXTS[held] is None:
        assert registry.resolve(target).digest == ended.exited(0).outputs["DIGEST"]
    else:
        assert "the container runs as user 65532" in only_error(ended)
        assert registry.find(target) is None


@pytest.mark.parametrize("held", ["privileged"])
def test_buildx_builds_with_the_daemon_beside_it(
    job: Job, address: str, registry: RegistryClient, shell: str, buildkit: str
) -> None:
    """The daemon starts with the job, and keeps images as `docker:24` does: BuildKit runs in a container."""
    files = {"Dockerfile": f"FROM {shell}\nCOPY content /\nRUN cat /content\n", "content": "content"}
    with_ = {
        "image": f"{address}/beside",
        "tags": "v1\nlatest",
        "platforms": "linux/amd64",
        "buildkit-image": buildkit,
        "insecure-registries": address,
    }
    beside = daemon(kubernetes.image(), address)
    ended = job("buildx", with_, files=files, daemon=beside).exited(0)
    tags = [Reference.parse(f"{address}/beside:{each}") for each in ("v1", "latest")]
    assert {registry.resolve(each).digest for each in tags} == {ended.outputs["DIGEST"]}


@pytest.mark.parametrize("held", ["baseline", "restricted"])
def test_the_daemon_beside_a_job_is_for_no_policy_but_privileged(job: Job, address: str, held: str) -> None:
    with pytest.raises(Refused, match="privileged"):
        job("buildx", {"image": f"{address}/never"}, daemon=daemon(kubernetes.image(), address))


def test_the_platforms_pods_are_not_for_the_policy_restricted(namespace: Callable[[str], Namespace]) -> None:
    """Its own containers lack what the policy demands; so does nothing of ours."""
    with pytest.raises(Refused, match=r"violates PodSecurity \\\"restricted") as refused:
        namespace("restricted").run(images.plugin_tag("trivy"), {"scan-type": "fs"})
    assert all(each in str(refused.value) for each in ("prep", "task", "housekeeper"))
