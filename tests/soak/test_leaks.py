"""A secret of any shape, in any plugin, however the job ends: it shows nowhere but where the platform put it.

Looked at: the argv of every process on this host while the job runs, both streams, every file that the
container wrote, its outputs, the engine's events, and all that the registry has afterwards.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import uuid4

import docker
import pytest
from tests.soak.canaries import CANARIES, Canary
from tests.soak.containers import Job, created, events, exit_code, log, written
from tests.soak.ledger import Record, Verdict, slice_of
from tests.soak.registry import Registry

from gocdnext_sdk.host.harness import LocalRegistry

SUITE = "leaks"
ENDINGS = ("refused", "bad input", "SIGTERM", "SIGKILL")
"""How a job ends: a login that nobody takes, a mistake beside the secret, a signal in its midst."""


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(environment=dict(os.environ), timeout=60)
    yield client
    client.close()


@dataclass
class ArgvWatch:
    """Looks at the command line of every process of this host, as often as it can."""

    canary: Canary
    found: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    argv = path.read_bytes()
                    if self.canary.shows_in(argv):
                        self.found.add(argv)
            self._stop.wait(0.005)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


FILES = {"Dockerfile": b"FROM scratch\nCOPY hello /hello\n", "hello": b"hello\n"}


def _jobs(address: str, repository: str, digest: str) -> Mapping[str, Job]:
    """Return a job of each plugin without its password."""
    image = f"{address}/{repository}@{digest}"
    built = {"image": f"{address}/{repository}-built", "tags": "1", "username": "me"}
    return {
        "docker-push": Job(
            "docker-push",
            {"source": image, "target": f"{address}/{repository}-copy", "tags": "1", "username": "me"},
        ),
        "cosign": Job("cosign", {"image": image, "action": "verify", "verify-key": "", "username": "me"}),
        "trivy": Job(
            "trivy", {"scan-type": "image", "target": image, "scanners": "secret", "username": "me"}
        ),
        "kaniko": Job("kaniko", built, files=FILES),
        "buildx": Job("buildx", {**built, "platforms": "linux/amd64"}, files=FILES, docker=True),
    }


def _leaks(
    canary: Canary, container: docker.models.containers.Container, client: docker.DockerClient, since: float
) -> Iterator[str]:
    if canary.shows_in(container.logs()):
        yield f"the log\n{log(container)[-1500:]}"
    for path, content in written(container):
        if canary.shows_in(content):
            yield f"the file {path}"
    if canary.shows_in(events(client, since, container).encode()):
        yield "the engine's events"


CASES = [(plugin, shape, ending) for plugin in _jobs("", "", "") for shape in CANARIES for ending in ENDINGS]


@pytest.mark.parametrize(("plugin", "shape", "ending"), slice_of(CASES, 8))
def test_a_secret_shows_nowhere(
    plugin: str,
    shape: str,
    ending: str,
    client: docker.DockerClient,
    gocdnext_registry: LocalRegistry,
    key: tuple[str, str],
    record: Record,
) -> None:
    registry = Registry(gocdnext_registry.address, (gocdnext_registry.username, gocdnext_registry.password))
    repository = f"leak-{uuid4().hex[:10]}/app"
    digest = registry.push(repository)
    canary = Canary(CANARIES[shape])
    job = _jobs(registry.address, repository, digest)[plugin]
    inputs = {**job.inputs, "password": canary.text}
    if plugin == "cosign":
        inputs = {"image": inputs["image"], "key-content": key[0], "tlog": "false"} | {
            name: inputs[name] for name in ("username", "password")
        }
    if ending == "bad input":
        inputs |= {"pasword": "x", "tlog" if plugin == "cosign" else "push": "maybe"}
    environ = {"REGISTRY_TOKEN": canary.text}
    since = time.time() - 1
    with created(client, Job(job.plugin, inputs, environ, job.files, job.docker)) as container:
        with ArgvWatch(canary) as watch:
            container.start()
            if ending.startswith("SIG"):
                time.sleep(0.35)
                with contextlib.suppress(docker.errors.APIError):
                    container.kill(ending)
            code = exit_code(container, 120)
        found = [f"an argv: {argv[:60]!r}" for argv in watch.found]
        found += _leaks(canary, container, client, since)
        record(SUITE, Verdict.LEAK if found else Verdict.FINE)
        assert not found, "\n".join(found)
        expected = {"refused": {3}, "bad input": {2}, "SIGTERM": {143, 3}, "SIGKILL": {137, 3}}[ending]
        assert code in expected, f"exit {code}\n{log(container)}"


def test_what_leaks_is_found(client: docker.DockerClient) -> None:
    """The search itself can fail: a job that prints and writes its secret is found at it."""
    canary = Canary(CANARIES["plain"])
    job = Job(
        "trivy", {"scan-type": "fs", "no-such-input": canary.text}, files={"left": canary.text.encode()}
    )
    since = time.time() - 1
    with created(client, job) as container:
        container.start()
        assert exit_code(container, 60) == 2
        found = list(_leaks(canary, container, client, since))
    assert any("left" in each for each in found)
    assert Canary("no-such-input").shows_in(b"with.no-such-input: unknown")
