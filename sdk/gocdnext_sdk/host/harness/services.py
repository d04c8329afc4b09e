"""The services of a job: containers beside it, which begin and end with it.

As on the platform's Docker engine, each job has its own, and nothing waits until they are ready. They are in
a network of the job's own, where their names resolve; the job is in the run's network too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import ContainerSpec, Engine, Pull
from gocdnext_sdk.host.pipeline.model import Service

_LAST, _ALL = 1, 20
"""Lines of a service's log that are shown: of one that runs, and of one that has ended."""


def start_services(
    engine: Engine,
    services: Iterable[Service],
    *,
    name: str,
    labels: Mapping[str, str],
    network: str,
    pull: Pull,
    stopping: Callable[[], bool],
) -> dict[str, str]:
    """Start services on a network and return their containers, by name.

    Args:
        engine: the engine.
        services: what to start, in this order.
        name: the beginning of their containers' names.
        labels: of their containers.
        network: where others reach them by name.
        pull: when images are fetched.
        stopping: whether the run is asked to stop.

    Raises:
        DaemonError: one cannot be started.
    """
    started = {}
    for service in services:
        engine.ensure_image(service.image, pull, stopping)
        container = engine.create(
            ContainerSpec(
                name=f"{name}-service-{service.name}",
                image=service.image,
                labels=labels,
                command=service.command,
                env=service.env,
                network=network,
                aliases=(service.name,),
                output="kept",
            )
        )
        engine.start(container)
        started[service.name] = container
    return started


def states(engine: Engine, services: Mapping[str, str], masked: Callable[[str], str]) -> list[str]:
    """Return how services are, for a job that has failed and may have needed them.

    Args:
        engine: the engine.
        services: their containers, by name.
        masked: masks a line.
    """
    found = []
    for name, container in services.items():
        with suppress(DaemonError):
            running = engine.is_running(container)
            log = [line for line in engine.logs(container).splitlines() if line.strip()]
            said = [masked(line) for line in log[-(_LAST if running else _ALL) :]]
            state = "runs; its last line" if running else "has ended; its last lines"
            found.append(f"service {name} {state}: {' | '.join(said) or 'it printed nothing'}")
    return found
