"""What stands around the jobs of a run: their network, a registry, a Sigstore, services that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from gocdnext_sdk.host.harness.engine.interface import SHARED_NETWORK, named_network
from gocdnext_sdk.host.harness.options import NewRegistry, NewSigstore
from gocdnext_sdk.host.harness.prepare import Prepared
from gocdnext_sdk.host.harness.report.interface import Listener
from gocdnext_sdk.host.harness.services import start_services
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.stand_in import StandIn
from gocdnext_sdk.host.pipeline import Sources
from gocdnext_sdk.host.pipeline.graph import Graph

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore


@dataclass(frozen=True, kw_only=True)
class Provided:
    """What a run has started for its jobs, and what they see of it.

    Args:
        graph: what runs, with the variables that were added.
        sources: what references stand for, with the secrets that were added.
        network: of the jobs: a network's name, or ``container:NAME``.
        services: the containers of those that all jobs share, by name.
        shares_services: whether the pipeline's services are these; else each job starts its own.
        sigstore: issues the jobs' tokens, if anything does.
        stand_in: the registry that stands in for others, if one does.
    """

    graph: Graph
    sources: Sources
    network: str
    services: Mapping[str, str] = field(default_factory=dict)
    shares_services: bool = False
    sigstore: LocalSigstore | None = None
    stand_in: StandIn | None = None


def provide(prepared: Prepared, session: Session, listener: Listener) -> Provided:
    """Start what the options of a run ask for.

    Raises:
        DaemonError: the engine refuses something.
    """
    options = prepared.options
    registry, sigstore, network = options.registry, options.sigstore, options.network
    secrets, stand_in = dict(prepared.sources.secrets), None
    variables: dict[str, str] = {}
    if isinstance(registry, NewRegistry):
        registry = session.start_registry(registry.port)
    if registry:
        network = registry.network
        secrets |= registry.secrets
        variables |= registry.variables
        if repositories := prepared.replaced_repositories:
            stand_in = StandIn(registry.address, registry.username, registry.password, repositories)
            secrets |= {name: getattr(stand_in, key) for name, key in prepared.replaced_logins.items()}
            for each in sorted(repositories):
                listener.notice(f"{registry.address} stands in for {each}")
    if isinstance(sigstore, NewSigstore):
        sigstore = session.start_sigstore(network)
    if sigstore:
        network = network or sigstore.network
        variables |= sigstore.variables
    if network is None:
        network = session.name(f"jobs-{uuid4().hex[:4]}")  # a session may have several runs
        session.engine.create_network(network, session.labels)
    # Those of the user win.
    pipeline = prepared.graph.pipeline.with_variables({**variables, **options.variables})
    found = Provided(
        graph=replace(prepared.graph, pipeline=pipeline),
        sources=replace(prepared.sources, secrets=secrets),
        network=network,
        # Who shares a container's network cannot have a set of its own.
        shares_services=network.startswith(SHARED_NETWORK) or options.mode.services == "run",
        sigstore=sigstore,
        stand_in=stand_in,
    )
    return replace(found, services=_started(prepared, found, session) if found.shares_services else {})


def _started(prepared: Prepared, provided: Provided, session: Session) -> dict[str, str]:
    """Start the services for all jobs."""
    services = [prepared.service(each) for each in provided.graph.pipeline.services]
    return start_services(
        session.engine,
        services,
        name=session.name(f"all-{uuid4().hex[:4]}"),
        labels=session.labels,
        network=named_network(session.engine, provided.network) if services else provided.network,
        pull=prepared.options.pull,
        stopping=session.stop.requested,
    )
