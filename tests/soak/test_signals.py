"""SIGTERM at any moment of a job: 143, no later step, nothing left; 0 only if nothing was left to do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import docker
import pytest
from docker.models.containers import Container
from tests.soak.containers import Job, created, exit_code, leftovers, log
from tests.soak.ledger import Record, Verdict, slice_of
from tests.soak.proxy import Proxy
from tests.soak.registry import Registry

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.runtime.orphans import CONTAINER

SUITE = "signals"
STEP = 0.05
"""Seconds between two moments that are tried."""
PATIENCE = 40.0
"""Seconds after which a job does not hear: the SDK gives its tools 10."""
WRITES = ("PUT", "POST", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(environment=dict(os.environ), timeout=60)
    yield client
    client.close()


@dataclass(frozen=True)
class Stage:
    """Where one case plays."""

    registry: Registry
    address: str
    repository: str
    digest: str
    key: tuple[str, str]

    @property
    def image(self) -> str:
        return f"{self.address}/{self.repository}@{self.digest}"

    @property
    def login(self) -> dict[str, str]:
        username, password = self.registry.login or ("", "")
        return {"username": username, "password": password}


def _build(stage: Stage) -> dict[str, str]:
    return {"image": f"{stage.address}/{stage.repository}-built", "tags": "1\n2", **stage.login}


def _built(stage: Stage) -> bool:
    return set(stage.registry.tags(f"{stage.repository}-built")) == {"1", "2"}


def _signed(stage: Stage) -> bool:
    _, body = stage.registry.ask("GET", f"/v2/{stage.repository}/tags/list")
    return any(tag.startswith("sha256-") for tag in json.loads(body)["tags"])


def _promoted(stage: Stage) -> bool:
    return set(stage.registry.tags(f"{stage.repository}-copy")) == {"1", "2"}


FILES = {"Dockerfile": b"FROM scratch\nCOPY hello /hello\n", "hello": b"hello\n"}

JOBS: dict[str, tuple[Callable[[Stage], Job], Callable[[Stage, str], bool]]] = {
    "docker-push": (
        lambda stage: Job(
            "docker-push",
            {
                "source": stage.image,
                "target": f"{stage.address}/{stage.repository}-copy",
                "tags": "1\n2",
                **stage.login,
                **{f"source-{key}": text for key, text in stage.login.items()},
            },
        ),
        lambda stage, log: _promoted(stage),
    ),
    "cosign": (
        lambda stage: Job(
            "cosign", {"image": stage.image, "key-content": stage.key[0], "tlog": "false", **stage.login}
        ),
        lambda stage, log: _signed(stage),
    ),
    # For two platforms: a table of both and a report of each, three steps, follow the scans.
    "trivy": (
        lambda stage: Job(
            "trivy",
            {
                "scan-type": "image",
                "target": stage.image,
                "scanners": "secret",
                "format": "sarif",
                "output": "report.sarif",
                **stage.login,
            },
        ),
        lambda stage, log: log.count("$ trivy convert") == 3 and log.splitlines()[-1].startswith("==> clean"),
    ),
    "kaniko": (lambda stage: Job("kaniko", _build(stage), files=FILES), lambda stage, log: _built(stage)),
    "buildx": (
        lambda stage: Job("buildx", _build(stage), files=FILES, docker=True),
        lambda stage, log: _built(stage),
    ),
}


def _stage(registry: Registry, address: str, key: tuple[str, str]) -> Stage:
    repository = f"signal-{uuid4().hex[:10]}/app"
    return Stage(registry, address, repository, registry.push(repository), key)


def _judge(
    name: str, stage: Stage, proxy: Proxy, code: int | None, container: Container
) -> tuple[Verdict, str]:
    done = JOBS[name][1]
    if code is None:
        return Verdict.HANG, f"still there {PATIENCE:.0f} s after SIGTERM"
    before = len(proxy.requests)
    time.sleep(0.2)
    late = [each for each in proxy.requests[before:] if each[0] in WRITES]
    if late and name != "buildx":  # the daemon's builder may still be told of the end
        return Verdict.HALF_DONE, f"after the end: {late}"
    for repository in (stage.repository, f"{stage.repository}-copy", f"{stage.repository}-built"):
        for tag, digest in stage.registry.tags(repository).items():
            if not stage.registry.is_complete(repository, digest):
                return Verdict.HALF_DONE, f"{repository}:{tag} is incomplete"
    text = log(container)
    if code == 0:
        fine = done(stage, text)
        return (Verdict.FINE, "") if fine else (Verdict.WRONG_EXIT, "exit 0, and the work is not done")
    return (Verdict.FINE, "") if code == 143 else (Verdict.WRONG_EXIT, f"exit {code}")


def _is_left_by(name: str, jobs: set[str]) -> bool:
    """Whether one of the jobs has left it. A builder's name tells whose it is; other tests have theirs."""
    if name.startswith(CONTAINER):
        return any(f"-c{job}-" in name for job in jobs)
    return "gocdnext" in name


@pytest.mark.parametrize("name", JOBS)
def test_sigterm_at_any_moment(
    name: str,
    client: docker.DockerClient,
    gocdnext_registry: LocalRegistry,
    key: tuple[str, str],
    record: Record,
) -> None:
    make, done = JOBS[name]
    login = (gocdnext_registry.username, gocdnext_registry.password)
    registry = Registry(gocdnext_registry.address, login)
    with Proxy(registry.address) as proxy:
        stage = _stage(registry, proxy.address, key)
        with created(client, make(stage)) as container:
            began = time.monotonic()
            container.start()
            assert exit_code(container, 120) == 0, log(container)
            length = time.monotonic() - began
            assert done(stage, log(container)), log(container)
        there = leftovers(client)
        failures, jobs = [], set[str]()
        moments = [0.0, *slice_of([round(STEP * n, 2) for n in range(1, int(length / STEP) + 1)], 2)]
        for moment in moments:
            stage = _stage(registry, proxy.address, key)
            with created(client, make(stage)) as container:
                jobs.add(str(container.id)[:12])
                container.start()
                time.sleep(moment)
                try:
                    container.kill("SIGTERM")
                except docker.errors.APIError:  # it has ended by itself
                    continue
                code = exit_code(container, PATIENCE)
                verdict, why = _judge(name, stage, proxy, code, container)
                record(SUITE, verdict)
                if verdict is not Verdict.FINE:
                    failures.append(f"{moment} s: {verdict}: {why}\n{log(container)[-1500:]}")
        mine = {each for each in leftovers(client) - there if _is_left_by(each, jobs)}
        if mine:
            failures.append(f"left: {sorted(mine)}")
    assert not failures, "\n\n".join(failures)
