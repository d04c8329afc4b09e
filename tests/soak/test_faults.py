"""A service that misbehaves at one request: the job succeeds, or fails with 3 and names the host.

Either way no tag is on anything incomplete, and the tags that were set are told. The real service stands
behind a proxy (`proxy.py`): a registry, the one of Trivy's database, or a part of a Sigstore. For every
request of a job (`actions.py`), and for every fault, the job runs once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest
from tests.soak.actions import ACTIONS, Stage, World
from tests.soak.invoke import Ended, run
from tests.soak.ledger import WHOLE, Record, Verdict, slice_of
from tests.soak.proxy import FAULTS, LASTING, PASSING, Proxy

LIMIT = "8s"
"""The job's own `timeout`, for what lasts."""
PATIENCE = 75.0
"""Seconds after which a job hangs: the retries of the client and of the tools are over long before."""


def _play(
    name: str, fault: str | None, at: int, world: World, folder: Path
) -> tuple[list[tuple[str, str]], Verdict, str, Ended]:
    """Run one case and return the requests that there were, and what it came to."""
    action = ACTIONS[name]
    with Proxy(world.address(action.service), FAULTS[fault] if fault else None, at) as proxy:
        stage = Stage.set_up(world, action.service, proxy.address)
        action.prepare(stage)
        lasting = {"timeout": LIMIT} if fault in LASTING else {}
        given = {**action.inputs(stage), **lasting}
        ended = run(action.plugin, given, folder, PATIENCE, files=action.files)
        verdict, why = action.judge(stage, ended, fault)
        return proxy.requests, verdict, why, ended


CASES = [(action, fault) for action in ACTIONS for fault in FAULTS]


VARYING = re.compile(r"(?<=uploads/).+|\?.*|sha256:[0-9a-f]{64}|soak-[0-9a-f]{10}")
"""What differs in the paths of requests that are alike."""


def points(requests: Iterable[tuple[str, str]], fault: str) -> list[int]:
    """Return the numbers of the requests to disturb: of those that are alike the first and the last.

    Alike are requests of one method for one path, whatever its digests. What lasts is tried with the first.
    """
    alike: dict[tuple[str, str], list[int]] = {}
    for number, (method, path) in enumerate(requests, 1):
        alike.setdefault((method, VARYING.sub("…", path)), []).append(number)
    first = {numbers[0] for numbers in alike.values()}
    return sorted(first if fault in LASTING else first | {numbers[-1] for numbers in alike.values()})


@pytest.fixture(scope="session")
def requests(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], list[tuple[str, str]]]:
    """Tell which requests an action makes where nothing goes wrong."""

    @cache
    def measure(action: str) -> list[tuple[str, str]]:
        found, verdict, why, ended = _play(action, None, 0, world, tmp_path_factory.mktemp("clean"))
        assert verdict is Verdict.FINE, f"{why}\n{ended.log}"
        return found

    return measure


@pytest.mark.parametrize(("action", "fault"), slice_of(CASES, 12))
def test_a_fault_is_survived_or_reported(
    action: str,
    fault: str,
    world: World,
    requests: Callable[[str], list[tuple[str, str]]],
    tmp_path: Path,
    record: Record,
) -> None:
    failures = []
    for at in slice_of(points(requests(action), fault), 2 if fault in PASSING else 1):
        _, verdict, why, ended = _play(action, fault, at, world, tmp_path / str(at))
        record(f"faults, {ACTIONS[action].service}", verdict)
        if verdict is not Verdict.FINE:
            disturbed = " ".join(requests(action)[at - 1])
            failures.append(f"request {at}, {disturbed}: {verdict}: {why}\n{ended.log[-2000:]}")
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("service", ["registry", "fulcio", "rekor", "tsa"])
def test_a_signature_survives_a_service_that_fails_for_a_moment(
    service: str,
    world: World,
    requests: Callable[[str], list[tuple[str, str]]],
    tmp_path: Path,
    record: Record,
) -> None:
    """Before each of the four that cosign talks to."""
    action = "sign" if service == "registry" else f"sign, {service}"
    asked = requests(action)
    writes = [at for at, (method, _) in enumerate(asked, 1) if method in ("POST", "PUT", "PATCH")]
    for fault in slice_of(sorted(ACTIONS[action].survives), 1):
        _, verdict, why, ended = _play(action, fault, writes[-1], world, tmp_path / fault.replace(" ", "-"))
        record(f"patience, {service}", verdict)
        assert verdict is Verdict.FINE, f"{fault}: {why}\n{ended.log[-2000:]}"
        assert ended.exit_code == 0, ended.log[-2000:]


def test_a_signature_that_the_registry_takes_and_does_not_keep_is_the_registrys_failure(
    world: World, requests: Callable[[str], list[tuple[str, str]]], tmp_path: Path, record: Record
) -> None:
    asked = requests("sign")
    put = max(
        at for at, (method, path) in enumerate(asked, 1) if method == "PUT" and "/manifests/sha256:" in path
    )
    _, verdict, why, ended = _play("sign", "html", put, world, tmp_path)
    record("faults, registry", verdict)
    assert verdict is Verdict.FINE, f"{why}\n{ended.log[-2000:]}"
    assert ended.exit_code == 3, ended.log[-2000:]


def test_requests_that_are_alike_are_tried_twice() -> None:
    upload = "/v2/app/blobs/uploads/"
    digests = [f"/v2/app/manifests/sha256:{n:064}" for n in range(3)]
    found = [("GET", "/v2/"), *(("HEAD", each) for each in digests), ("PATCH", f"{upload}a?state=b")]
    found += [("PATCH", f"{upload}c"), ("PUT", "/v2/app/manifests/1"), ("PUT", "/v2/app/manifests/2")]
    assert points(found, "500") == [1, 2, 4, 5, 6, 7, 8]
    assert points(found, "stall") == [1, 2, 5, 7, 8]


def test_the_slice_is_a_part_of_the_whole() -> None:
    assert WHOLE or 0 < len(slice_of(range(100), 3)) == 3
