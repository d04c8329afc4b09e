"""What stands around the jobs of a run: networks, a registry, a Sigstore, services that all share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness import LocalRegistry, NullListener, RunOptions, Session
from gocdnext_sdk.host.harness.engine.memory import MemoryEngine
from gocdnext_sdk.host.harness.issuer import SigningKey
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.host.harness.prepare import prepare
from gocdnext_sdk.host.harness.provision import Provided, provide
from gocdnext_sdk.host.pipeline import parse_text
from gocdnext_sdk.host.pipeline.modes import DOCKER, K8S_SHARED

REGISTRY = LocalRegistry("registry", 5000, "harness", "throw-away-password")
SIGSTORE = LocalSigstore("sigstore", "signing", "gocdnext.test", SigningKey.generate(), {"a": 1}, {"b": 2})
TEXT = """
stages: [a]
services: [{name: db, image: one/db}]
jobs:
  it:
    stage: a
    uses: one/it@v1
"""
BUILD = """
stages: [a]
jobs:
  it:
    stage: a
    uses: gocdnext-plugin-buildx@v1
    secrets: [TOKEN]
    with: {image: ghcr.io/org/app, username: me, password: "${{ TOKEN }}"}
"""


class Notices(NullListener):
    def __init__(self) -> None:
        self.said: list[str] = []

    def notice(self, text: str, job: str = "") -> None:
        self.said.append(text)


def provided(engine: MemoryEngine, project: Path, text: str = TEXT, **options: Any) -> Provided:
    with Session(engine) as session:
        return provide(prepare(parse_text(text), RunOptions(**options), project), session, NullListener())


def networks(engine: MemoryEngine) -> list[str]:
    return [name.removeprefix("network ") for name in engine.labels if name.startswith("network ")]


def test_every_run_of_a_session_has_a_network_of_its_own(engine: MemoryEngine, project: Path) -> None:
    prepared = prepare(parse_text(TEXT), RunOptions(), project)
    with Session(engine) as session:
        first, second = (provide(prepared, session, NullListener()) for _ in range(2))
        assert networks(engine) == [first.network, second.network]
        assert not engine.containers  # each job starts its services
    assert networks(engine) == []


def test_a_named_network_is_nobodys_to_make(engine: MemoryEngine, project: Path) -> None:
    found = provided(engine, project, network="theirs")
    assert found.network == "theirs"
    assert "create_network" not in engine.calls
    assert not found.shares_services


def test_who_shares_a_containers_network_shares_its_services(engine: MemoryEngine, project: Path) -> None:
    engine.networks["theirs"] = ["net"]
    found = provided(engine, project, network="container:theirs")
    assert found.shares_services
    assert list(found.services) == ["db"]
    (box,) = engine.containers.values()
    assert (box.spec.network, box.spec.aliases) == ("net", ("db",))


def test_a_container_without_a_network_for_names_cannot_have_services(
    engine: MemoryEngine, project: Path
) -> None:
    engine.networks["theirs"] = []
    with pytest.raises(DaemonError, match="does not resolve names"):
        provided(engine, project, network="container:theirs")
    without = TEXT.replace("services: [{name: db, image: one/db}]\n", "")
    assert provided(engine, project, without, network="container:theirs").services == {}


@pytest.mark.parametrize(("mode", "shared"), [(DOCKER, False), (K8S_SHARED, True)], ids=["docker", "k8s"])
def test_services_of_a_job_or_of_the_run_as_the_mode_has_them(
    engine: MemoryEngine, project: Path, mode: Any, shared: bool
) -> None:
    found = provided(engine, project, mode=mode, use_images={"db": "mine/db"})
    assert found.shares_services is shared
    assert [box.spec.image for box in engine.containers.values()] == ["mine/db"] * shared


def test_a_registry_brings_its_network_variables_and_secrets(engine: MemoryEngine, project: Path) -> None:
    engine.networks[REGISTRY.container] = ["net"]
    found = provided(engine, project, registry=REGISTRY, secrets={"TOKEN": "mine"})
    assert found.network == "container:registry"
    assert found.graph.pipeline.variables["REGISTRY"].text == "localhost:5000"
    secrets = {"REGISTRY_USERNAME": "harness", "REGISTRY_PASSWORD": REGISTRY.password}
    assert found.sources.secrets == {"TOKEN": "mine", **secrets}
    assert found.stand_in is None


def test_a_sigstore_brings_variables_and_its_network_where_there_is_no_other(
    engine: MemoryEngine, project: Path
) -> None:
    alone = provided(engine, project, sigstore=SIGSTORE)
    assert alone.network == "signing"
    assert alone.sigstore is SIGSTORE
    variables = alone.graph.pipeline.variables
    assert variables["SIGSTORE_ISSUER"].text == "http://gocdnext.test"
    assert variables["SIGSTORE_TRUSTED_ROOT"].text == '{"b": 2}'
    engine.networks[REGISTRY.container] = ["net"]
    assert provided(engine, project, sigstore=SIGSTORE, network="theirs").network == "theirs"
    both = provided(engine, project, sigstore=SIGSTORE, registry=REGISTRY)
    assert both.network == REGISTRY.network


def test_variables_of_the_user_win(engine: MemoryEngine, project: Path) -> None:
    engine.networks[REGISTRY.container] = ["net"]
    found = provided(engine, project, registry=REGISTRY, variables={"REGISTRY": "quay.io"})
    assert found.graph.pipeline.variables["REGISTRY"].text == "quay.io"


def test_a_stand_in_has_the_login_of_the_host_that_it_replaces(engine: MemoryEngine, project: Path) -> None:
    engine.networks[REGISTRY.container] = ["net"]
    options = RunOptions(registry=REGISTRY, registry_for=("ghcr.io",), secrets={"TOKEN": "mine"})
    listener = Notices()
    with Session(engine) as session:
        found = provide(prepare(parse_text(BUILD), options, project), session, listener)
    assert found.stand_in
    assert found.stand_in.repositories == {"ghcr.io/org/app"}
    assert found.sources.secrets["TOKEN"] == REGISTRY.password
    assert listener.said == ["localhost:5000 stands in for ghcr.io/org/app"]


def test_what_was_started_before_a_failure_ends_with_the_session(project: Path) -> None:
    prepared = prepare(parse_text(TEXT), RunOptions(mode=K8S_SHARED), project)
    whole = MemoryEngine()
    with Session(whole) as session:
        provide(prepared, session, NullListener())
        calls = len(whole.calls)
    for number in range(2, calls + 1):  # the first is the session's own
        engine = MemoryEngine(fail_at=number)
        with pytest.raises(DaemonError), Session(engine) as session:
            provide(prepared, session, NullListener())
        assert engine.labels == {}
