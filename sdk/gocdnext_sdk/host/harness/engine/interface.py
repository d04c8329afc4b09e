"""What the harness needs of a container engine, and nothing more.

Everything that a run creates carries two labels, so that it can be found again even after the process was
killed: `RUN_LABEL` names the run, `OWNER_LABEL` the process and its host.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

from gocdnext_sdk.errors import DaemonError

RUN_LABEL = "io.gocdnext.run"
OWNER_LABEL = "io.gocdnext.owner"
JOB_LABEL = "io.gocdnext.job"

SHARED_NETWORK = "container:"
"""Prefix of a network name: share the network of the container whose name follows."""


HOST_GATEWAY = "host-gateway"
"""An address in `extra_hosts` that stands for the engine's host."""


class NoSuchPath(DaemonError):
    """A container does not have the path that was asked for."""


class Pull(StrEnum):
    """When an image is fetched from its registry."""

    MISSING = "missing"
    """When it is not here."""

    ALWAYS = "always"
    """For each run."""

    NEVER = "never"
    """Not at all: what is not here is an error."""


class Chunk(NamedTuple):
    """A piece of a container's output, not cut at lines."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """A container to create.

    Args:
        name: unique on the engine.
        image: its reference; the engine must have it already.
        entrypoint: replaces the image's, and its own command; empty leaves both.
        command: arguments for the entrypoint; empty for the image's own command.
        env: not in the repr, since values may be secret.
        working_dir: overrides the image's.
        volumes: volume name to absolute path in the container.
        engine_socket: path in the container at which the engine's API socket is mounted.
        network: a network's name, or ``container:NAME`` to share that container's.
        further_networks: others that it joins, without an alias.
        aliases: names by which other containers on the network reach it.
        extra_hosts: host name to address (or `HOST_GATEWAY`), for its ``/etc/hosts``.
        ports: published on the loopback of the engine's host, with the same numbers.
        cpus: how many it may use; 0 is no limit. An engine with fewer gives all it has.
        memory: bytes that it may use; 0 is no limit.
        privileged: whether it may do what the engine may.
        output: "followed" is streamed to the attached client only; "kept" is stored for `logs`.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_dir: str | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    engine_socket: str | None = None
    network: str | None = None
    further_networks: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    cpus: float = 0.0
    memory: int = 0
    privileged: bool = False
    output: Literal["followed", "kept"] = "followed"


class Engine(Protocol):
    """A container engine. Every method raises `DaemonError` when the engine refuses or is gone.

    Implementations are used from several threads at once.
    """

    def describe(self) -> str:
        """Return the engine's name and version for display; raises if it cannot be reached."""

    def ensure_image(self, image: str, pull: Pull, stopping: Callable[[], bool], advice: str = "") -> None:
        """Make sure that `image` is on the engine. A download stops early once `stopping` returns True.

        Args:
            image: its reference.
            pull: whether it may be downloaded, or has to be.
            stopping: tells whether the run ends.
            advice: where else the image may come from, for the error.

        Raises:
            DaemonError: it is not there, and may not or cannot be downloaded.
        """

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a bridge network on which containers reach each other by alias."""

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create an empty volume."""

    def create_overlay(
        self, name: str, labels: Mapping[str, str], *, lower: str, upper: str, work: str
    ) -> None:
        """Create a volume that shows `lower`, and puts what is changed there into `upper`.

        A directory of `lower` cannot be renamed in it (EXDEV), so that `upper` has every changed file whole;
        a file that was deleted is a character device there. An engine that cannot do this says so here, or
        when the volume is first used.

        Args:
            name: the volume's.
            labels: of the volume.
            lower: a volume, which nobody changes from now on.
            upper: a volume and an empty directory in it, ``VOLUME/DIRECTORY``.
            work: another empty one in that volume.
        """

    def networks_of(self, container: str) -> list[str]:
        """Return the networks of `container` that others can join with an alias."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container without starting it; return its id."""

    def put(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar stream at `path` in the container, started or not."""

    def get(self, container: str, path: str) -> Iterator[bytes]:
        """Stream `path` from the container as a tar, whether it runs or not; raises `NoSuchPath`."""

    def attach(self, container: str) -> Generator[Chunk, None, None]:
        """Connect to the output of a container that is not started yet; ends with its output.

        A caller that does not read it to the end must close it.
        """

    def start(self, container: str) -> None:
        """Start a created container."""

    def wait(self, container: str) -> int:
        """Return the container's exit code, once it has ended."""

    def is_running(self, container: str) -> bool:
        """Return whether the container runs."""

    def logs(self, container: str) -> str:
        """Return what a service printed, for error messages."""

    def signal(self, container: str, signal: Literal["SIGTERM", "SIGKILL"]) -> None:
        """Send `signal` to a container; do nothing if it does not run."""

    def remove(self, label: str, value: str) -> None:
        """Remove every container, volume and network whose label `label` is `value`, running or not."""

    def close(self) -> None:
        """Close the connections to the engine; a later call opens new ones."""

    def owners(self) -> dict[str, str]:
        """Return the owners of all runs that left something on the engine, by run id."""


def named_network(engine: Engine, network: str) -> str:
    """Return the network on which names of services resolve for containers that join `network`.

    Args:
        engine: the engine.
        network: a network's name, or ``container:NAME``.

    Raises:
        DaemonError: that container is on no such network.
    """
    if not network.startswith(SHARED_NETWORK):
        return network
    container = network.removeprefix(SHARED_NETWORK)
    found = engine.networks_of(container)
    if not found:
        raise DaemonError(
            f"container {container} is on a network that does not resolve names of services; "
            "start it on one made with `docker network create`"
        )
    return found[0]
