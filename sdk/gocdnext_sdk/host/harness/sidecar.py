"""The Docker daemon beside a job, as the platform's Kubernetes jobs have it: in its network, and empty.

Nothing waits until it answers: there, too, it starts at the same time as the job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gocdnext_sdk.host.harness.engine.interface import SHARED_NETWORK, ContainerSpec, Engine, Pull
from gocdnext_sdk.host.pipeline.modes import Sidecar

# The agent's postStart hook: a job's user is not the daemon's. The image's own entrypoint stays the first.
_OPEN: Final = (
    'socket=$1; shift; (until [ -S "$socket" ]; do sleep 0.1; done; chmod 666 "$socket") & '
    'exec dockerd-entrypoint.sh "$@"'
)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What a job gets of the daemon beside it."""

    network: str
    """The daemon's own, which the job shares."""
    volumes: Mapping[str, str]
    """Volume name to path."""


def start_daemon(
    engine: Engine,
    sidecar: Sidecar,
    *,
    name: str,
    labels: Mapping[str, str],
    network: str,
    pull: Pull,
    stopping: Callable[[], bool],
) -> Beside:
    """Start the daemon of one job.

    Args:
        engine: the engine.
        sidecar: what to start.
        name: the beginning of its names on the engine.
        labels: of what is created; who removes the job by them removes it too.
        network: the job's network.
        pull: when its image is fetched.
        stopping: whether the run is asked to stop.

    Raises:
        DaemonError: it cannot be started.
    """
    engine.ensure_image(sidecar.image, pull, stopping)
    volumes = {}
    if sidecar.shared:
        volumes = {f"{name}-daemon": sidecar.shared}
        engine.create_volume(f"{name}-daemon", labels)
    options = tuple(f"--host={each}" for each in sidecar.listens)
    container = engine.create(
        ContainerSpec(
            name=f"{name}-daemon",
            image=sidecar.image,
            labels=labels,
            entrypoint=("sh", "-c", _OPEN, "sh", sidecar.socket) if sidecar.shared else (),
            command=options,
            env={"DOCKER_TLS_CERTDIR": ""},
            volumes=volumes,
            network=network,
            privileged=True,
            output="kept",
        )
    )
    engine.start(container)
    shared = network if network.startswith(SHARED_NETWORK) else f"{SHARED_NETWORK}{container}"
    return Beside(network=shared, volumes=volumes)
