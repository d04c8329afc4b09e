"""What the harness asks of a container engine, and nothing more.

Everything a run creates carries two labels, so that whatever happens to the process, what it left can be
found again: `RUN_LABEL` says which run made it, `OWNER_LABEL` which process on which host.
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
"""Prefix of a network name that means: the network of the container named after it."""


HOST_GATEWAY = "host-gateway"
"""As an address in `extra_hosts`: the engine's own host, which only the engine knows."""


class NoSuchPath(DaemonError):
    """A container does not have the path that was asked for."""


class Pull(StrEnum):
    """When an image is fetched from its registry."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


class Chunk(NamedTuple):
    """A piece of a container's output, cut anywhere."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """A container to create.

    Args:
        name: unique on the engine.
        image: its reference; the engine must have it already.
        command: appended to the image's entrypoint; empty leaves the image's own command.
        env: values may be secret, so it stays out of the repr.
        working_dir: overrides the image's.
        volumes: volume name to absolute path in the container.
        engine_socket: path in the container at which the engine's own API socket appears.
        network: a network's name, or ``container:NAME`` to share that container's.
        aliases: names under which others on the network reach it.
        extra_hosts: host name to address (or `HOST_GATEWAY`), for its ``/etc/hosts``.
        ports: ports published on the engine's loopback under the same number.
        output: "followed" goes to the attached client and is stored nowhere; "kept" is what `logs` returns.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_dir: str | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    engine_socket: str | None = None
    network: str | None = None
    aliases: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    output: Literal["followed", "kept"] = "followed"


class Engine(Protocol):
    """A container engine. Every method raises `DaemonError` when the engine refuses or is gone.

    Implementations are used from several threads at once.
    """

    def describe(self) -> str:
        """Return the engine's name and version for people; raises if it cannot be reached."""

    def ensure_image(self, image: str, pull: Pull, stopping: Callable[[], bool]) -> None:
        """Have `image` on the engine. A download ends early once `stopping` returns True."""

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a bridge network on which containers find each other by alias."""

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create an empty volume."""

    def networks_of(self, container: str) -> list[str]:
        """Return the names of the networks `container` is on and others can join under an alias."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container without starting it; return its id."""

    def put(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar stream at `path` in the container, started or not."""

    def get(self, container: str, path: str) -> Iterator[bytes]:
        """Stream `path` as a tar out of the container, running or ended; raises `NoSuchPath`."""

    def attach(self, container: str) -> Generator[Chunk, None, None]:
        """Connect to the output of a container that is not started yet; ends when its output does.

        Whoever does not read it to its end closes it.
        """

    def start(self, container: str) -> None:
        """Start a created container."""

    def wait(self, container: str) -> int:
        """Return the container's exit code, once it has ended."""

    def is_running(self, container: str) -> bool:
        """Return whether the container runs."""

    def logs(self, container: str) -> str:
        """Return what a service printed, for the message when it fails."""

    def signal(self, container: str, signal: Literal["SIGTERM", "SIGKILL"]) -> None:
        """Send `signal` to a container; nothing happens if it does not run."""

    def remove(self, label: str, value: str) -> None:
        """Remove every container, volume and network whose label `label` is `value`, running or not."""

    def close(self) -> None:
        """Close the connections to the engine; a later call opens them anew."""

    def owners(self) -> dict[str, str]:
        """Return the owner of every run that has something on the engine, by run id."""


def named_network(engine: Engine, network: str) -> str:
    """Return the network on which containers find by name what they share `network` with.

    Args:
        engine: where.
        network: a network's name, or ``container:NAME``.

    Raises:
        DaemonError: that container is on none.
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
