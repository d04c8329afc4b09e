"""A registry that misbehaves at one request: the job succeeds, or fails with 3 and names the host.

Either way no tag is on anything incomplete, and the tags that were set are told. A real registry stands
behind a proxy (`proxy.py`). For every request of a job, and for every fault, the job runs once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from tests.soak.invoke import Ended, run
from tests.soak.ledger import WHOLE, Record, Verdict, slice_of
from tests.soak.proxy import FAULTS, LASTING, PASSING, Proxy
from tests.soak.registry import Registry

SUITE = "registry faults"
LIMIT = "8s"
"""The job's own `timeout`, for what lasts."""
PATIENCE = 75.0
"""Seconds after which a job hangs: the retries of the client and of the tools are over long before."""
TAGS = ("1.0", "1", "latest")


@dataclass(frozen=True)
class Stage:
    """Where one case plays: a repository of its own, seen directly and through the proxy."""

    registry: Registry
    proxied: str
    repository: str
    digest: str
    key: tuple[str, str]

    @property
    def image(self) -> str:
        return f"{self.proxied}/{self.repository}@{self.digest}"

    @property
    def target(self) -> str:
        return f"{self.repository}-copy"


@dataclass(frozen=True)
class Action:
    """A job that is tried.

    Args:
        plugin: its plugin.
        inputs: makes the `with:` map.
        done: tells whether it did what it is for, once it ended with 0.
        touches: the repository whose tags must not lie.
    """

    plugin: str
    inputs: Callable[[Stage], Mapping[str, str]]
    done: Callable[[Stage], bool]
    touches: Callable[[Stage], str]


def _promoted(stage: Stage) -> bool:
    tags = stage.registry.tags(stage.target)
    return all(tags.get(tag) == stage.digest for tag in TAGS)


def _tagged(stage: Stage) -> bool:
    tags = stage.registry.tags(stage.repository)
    return all(tags.get(tag) == stage.digest for tag in TAGS)


def _signed(stage: Stage) -> bool:
    _, body = stage.registry.ask("GET", f"/v2/{stage.repository}/referrers/{stage.digest}")
    return bool(json.loads(body)["manifests"])


ACTIONS = {
    "promote": Action(
        "docker-push",
        lambda stage: {
            "source": stage.image,
            "target": f"{stage.proxied}/{stage.target}",
            "tags": "\n".join(TAGS),
        },
        _promoted,
        lambda stage: stage.target,
    ),
    "tag": Action(
        "docker-push",
        lambda stage: {
            "source": stage.image,
            "target": f"{stage.proxied}/{stage.repository}",
            "tags": "\n".join(TAGS),
        },
        _tagged,
        lambda stage: stage.repository,
    ),
    "sign": Action(
        "cosign",
        lambda stage: {"image": stage.image, "key-content": stage.key[0], "tlog": "false"},
        _signed,
        lambda stage: stage.repository,
    ),
}


def _judge(action: Action, stage: Stage, ended: Ended) -> tuple[Verdict, str]:
    repository = action.touches(stage)
    tags = stage.registry.tags(repository)
    broken = [tag for tag, digest in tags.items() if not stage.registry.is_complete(repository, digest)]
    if ended.exit_code is None:
        return Verdict.HANG, f"still there after {ended.seconds:.0f} s"
    if broken:
        return Verdict.HALF_DONE, f"tags on what is incomplete: {broken}"
    if ended.exit_code == 0:
        done = action.done(stage)
        return (Verdict.FINE, "") if done else (Verdict.HALF_DONE, "exit 0, and the work is not done")
    if ended.exit_code != 3:
        return Verdict.WRONG_EXIT, f"exit {ended.exit_code}"
    if not any(stage.proxied in line for line in ended.errors):
        return Verdict.WRONG_EXIT, "exit 3, and no error names the host"
    moved = [tag for tag in tags if tag in TAGS and tags[tag] == stage.digest]
    if untold := [tag for tag in moved if not any(tag in line for line in ended.log.splitlines()[-10:])]:
        return Verdict.HALF_DONE, f"set and not reported: {untold}"
    return Verdict.FINE, ""


def _play(
    name: str, fault: str | None, at: int, registry: Registry, key: tuple[str, str], folder: Path
) -> tuple[int, Verdict, str, Ended]:
    """Run one case and return how many requests there were, and what it came to."""
    action = ACTIONS[name]
    repository = f"soak-{uuid4().hex[:10]}/app"
    digest = registry.push(repository)
    with Proxy(registry.address, FAULTS[fault] if fault else None, at) as proxy:
        stage = Stage(registry, proxy.address, repository, digest, key)
        lasting = {"timeout": LIMIT} if fault in LASTING else {}
        ended = run(action.plugin, {**action.inputs(stage), **lasting}, folder, PATIENCE)
        verdict, why = _judge(action, stage, ended)
        return len(proxy.requests), verdict, why, ended


CASES = [(action, fault) for action in ACTIONS for fault in FAULTS]


@pytest.fixture(scope="session")
def lengths(
    olareg: Registry, key: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], int]:
    """Tell how many requests an action makes where nothing goes wrong."""

    @cache
    def measure(action: str) -> int:
        count, verdict, why, ended = _play(action, None, 0, olareg, key, tmp_path_factory.mktemp("clean"))
        assert verdict is Verdict.FINE, f"{why}\n{ended.log}"
        return count

    return measure


@pytest.mark.parametrize(("action", "fault"), slice_of(CASES, 6))
def test_a_fault_is_survived_or_reported(
    action: str,
    fault: str,
    olareg: Registry,
    key: tuple[str, str],
    lengths: Callable[[str], int],
    tmp_path: Path,
    record: Record,
) -> None:
    failures = []
    for at in slice_of(range(1, lengths(action) + 1), 2 if fault in PASSING else 1):
        _, verdict, why, ended = _play(action, fault, at, olareg, key, tmp_path / str(at))
        record(SUITE, verdict)
        if verdict is not Verdict.FINE:
            failures.append(f"request {at}: {verdict}: {why}\n{ended.log[-2000:]}")
    assert not failures, "\n\n".join(failures)


def test_the_slice_is_a_part_of_the_whole() -> None:
    assert WHOLE or 0 < len(slice_of(range(100), 3)) == 3
