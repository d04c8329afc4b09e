"""Containers that have little: a plugin works there, or says in one line of its own what the job needs.

Either way the exit code is right, nothing is published when it is not 0, and no traceback shows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import docker
import pytest
from tests.soak.containers import Job, created, exit_code, log
from tests.soak.ledger import Record, Verdict, slice_of
from tests.soak.registry import Registry

from gocdnext_sdk.host.harness import LocalRegistry

SUITE = "small places"

_REFUSE_MEMFD = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["memfd_create"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}
READ_ONLY: Mapping[str, Any] = {"read_only": True}
TMP: Mapping[str, Any] = {"tmpfs": {"/tmp": ""}}
NO_SHM: Mapping[str, Any] = {"ipc_mode": "none"}
NO_MEMFD: Mapping[str, Any] = {"security_opt": [f"seccomp={json.dumps(_REFUSE_MEMFD)}"]}
USER: Mapping[str, Any] = {"user": "1000"}

PLUGINS = ("trivy", "cosign", "docker-push", "buildx", "kaniko")

PLACES: Mapping[str, Mapping[str, Any]] = {
    "read-only": READ_ONLY,
    "read-only, /tmp": READ_ONLY | TMP,
    "user 1000": USER,
    "/dev/shm of 64k": {"shm_size": "64k"},
    "no /dev/shm": NO_SHM,
    "no memfd": NO_MEMFD,
    "no memfd, /dev/shm of 64k": NO_MEMFD | {"shm_size": "64k"},
    "no memfd, /dev/shm of 4k": NO_MEMFD | {"shm_size": "4k"},
    "no memfd, no /dev/shm": NO_MEMFD | NO_SHM,
    "read-only, /tmp, no memfd, no /dev/shm, user 1000": READ_ONLY | TMP | NO_MEMFD | NO_SHM | USER,
    "read-only, no /dev/shm": READ_ONLY | NO_SHM,
    "read-only, no memfd, no /dev/shm": READ_ONLY | NO_MEMFD | NO_SHM,
}

NO_ROOM = "a larger /dev/shm"
"""What may be otherwise the next time: exit code 3. What can only be otherwise in another container: 2."""

NEEDS: Mapping[tuple[str, str], str] = {
    ("trivy", "read-only"): "a writable /tmp",
    **{
        (plugin, "read-only, no /dev/shm"): "a writable /tmp" for plugin in ("trivy", "cosign", "buildx")
    },  # docker-push needs no directory
    **{
        (plugin, "read-only, no memfd, no /dev/shm"): "a writable /tmp"
        for plugin in ("trivy", "cosign", "docker-push", "buildx")
    },
    **{(plugin, "no memfd, /dev/shm of 4k"): NO_ROOM for plugin in ("cosign", "buildx", "kaniko")},
    **{("kaniko", place): "readOnlyRootFilesystem" for place in PLACES if "read-only" in place},
    **{("kaniko", place): "runAsUser" for place in PLACES if "user" in place},
}
"""Where a plugin does not work, and what it then asks for."""

FILES = {"Dockerfile": b"FROM scratch\nCOPY hello /hello\n", "hello": b"hello\n"}


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(environment=dict(os.environ), timeout=60)
    yield client
    client.close()


def _job(plugin: str, registry: Registry, repository: str, image: str, key: str) -> Job:
    username, password = registry.login or ("", "")
    login = {"username": username, "password": password}
    target = f"{registry.address}/{repository}-out"
    match plugin:
        case "docker-push":
            return Job(plugin, {"source": image, "target": target, "tags": "1", **login})
        case "cosign":
            return Job(plugin, {"image": image, "key-content": key, "tlog": "false", **login})
        case "trivy":
            report = {"format": "sarif", "output": "report.sarif"}
            return Job(
                plugin, {"scan-type": "image", "target": image, "scanners": "secret", **report, **login}
            )
        case _:
            built = {"image": target, "tags": "1", "platforms": "linux/amd64", **login}
            return Job(plugin, built, files=FILES, docker=plugin == "buildx")


@pytest.mark.parametrize(
    ("plugin", "place"),
    slice_of([(plugin, place) for plugin in PLUGINS for place in PLACES], 6),
)
def test_a_place_will_do_or_the_job_says_what_it_needs(
    plugin: str,
    place: str,
    client: docker.DockerClient,
    gocdnext_registry: LocalRegistry,
    key: tuple[str, str],
    record: Record,
) -> None:
    registry = Registry(gocdnext_registry.address, (gocdnext_registry.username, gocdnext_registry.password))
    repository = f"place-{uuid4().hex[:10]}/app"
    digest = registry.push(repository)
    job = _job(plugin, registry, repository, f"{registry.address}/{repository}@{digest}", key[0])
    with created(client, job, PLACES[place]) as container:
        container.start()
        code = exit_code(container, 90)
        said = log(container)
        need = NEEDS.get((plugin, place))
        wanted = 0 if need is None else 3 if need == NO_ROOM else 2
        fine = code == wanted
        if need is not None:
            fine = fine and _asks(said, need) and not _published(registry, repository)
        record(SUITE, Verdict.FINE if fine else Verdict.WRONG_EXIT)
        assert fine, f"exit {code}, needs {need}\n{said[-2000:]}"
        assert "Traceback" not in said


def _asks(said: str, need: str) -> bool:
    (*_, last) = said.splitlines()
    # To ask buildx which builders there are touches nothing.
    started = [line for line in said.splitlines() if line.startswith("$ ") and "buildx ls" not in line]
    return last.startswith("error: ") and need in last and not started


def _published(registry: Registry, repository: str) -> bool:
    _, body = registry.ask("GET", f"/v2/{repository}/tags/list")
    signatures = [tag for tag in json.loads(body)["tags"] if tag.startswith("sha256-")]
    return bool(signatures or registry.tags(f"{repository}-out"))
