from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import docker
import pytest
from testbed import trivydb
from tests import servers
from tests.soak.actions import DATABASE, Service, World
from tests.soak.ledger import PROPERTY, Record, Verdict, table
from tests.soak.registry import Registry

from gocdnext_sdk.host.harness import LocalRegistry, Session
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore

PORTS = {Service.FULCIO: 80, Service.REKOR: 3000, Service.TSA: 3001}
"""Of the local Sigstore's container."""


@pytest.fixture
def record(record_property: Any) -> Record:
    """Count a case; the table at the end of the run shows all."""

    def count(suite: str, verdict: Verdict) -> None:
        record_property(PROPERTY, [suite, str(verdict)])

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found = list(_verdicts(terminalreporter.stats))
    if found:
        terminalreporter.section("cases of the long suites")
        for line in table(found):
            terminalreporter.write_line(line)


def _verdicts(stats: dict[str, list[Any]]) -> Iterator[tuple[str, str]]:
    for report in (each for reports in stats.values() for each in reports):
        if getattr(report, "when", "") == "call":
            for name, value in report.user_properties:
                if name == PROPERTY:
                    yield value[0], value[1]


@pytest.fixture(scope="session")
def olareg() -> Iterator[Registry]:
    with servers.olareg() as address:
        yield Registry(address)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("key")
    environ = {**os.environ, "COSIGN_PASSWORD": ""}
    subprocess.run(["cosign", "generate-key-pair"], cwd=folder, env=environ, check=True, capture_output=True)
    return (folder / "cosign.key").read_text(), (folder / "cosign.pub").read_text()


@pytest.fixture(scope="session")
def world(olareg: Registry, key: tuple[str, str], request: pytest.FixtureRequest) -> World:
    trivydb.push(f"{olareg.address}/{DATABASE}")

    @cache
    def sigstore() -> tuple[LocalSigstore, Mapping[Service, str]]:
        session: Session = request.getfixturevalue("gocdnext_session")
        # The log signs for the name in its clients' URL, whatever the port: that of the proxy before it.
        started = session.start_sigstore(host="localhost")
        with contextlib.closing(docker.from_env()) as client:
            (network,) = (
                client.containers.get(started.container).attrs["NetworkSettings"]["Networks"].values()
            )
        return started, {service: f"{network['IPAddress']}:{port}" for service, port in PORTS.items()}

    def distribution() -> Registry:
        registry: LocalRegistry = request.getfixturevalue("gocdnext_registry")
        return Registry(registry.address, (registry.username, registry.password))

    return World(olareg, distribution, key, sigstore)
