"""The Docker daemon that a job with `docker: true` can reach: the verbs that plugins need, and no client.

Public through `gocdnext_sdk` (docs/api.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.runtime.docker_client import address, connect, daemon_environ, reason, translated
from gocdnext_sdk.runtime.polling import poll

if TYPE_CHECKING:
    import docker

READY_SECONDS = 60
"""How long a daemon may take to start: on Kubernetes it starts next to the job (docs/contract.md §7.4)."""


class Daemon(Protocol):
    """A Docker daemon. `Job.daemon` returns it once it answers.

    Every method raises `DaemonError` if the daemon refuses or is gone.
    """

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that make a tool use this daemon, whatever its own configuration says."""

    @property
    def has_containerd_store(self) -> bool:
        """Whether images live in containerd, so that one name can hold several platforms."""

    def has_image(self, name: str) -> bool:
        """Tell whether there is an image of that name."""

    def save(self, name: str) -> Iterator[bytes]:
        """Stream an image as an archive, as `docker save` writes it."""

    def run(self, image: str, argv: Iterable[str] = (), *, privileged: bool = False) -> bytes:
        """Run a container to its end, remove it, and return what it printed.

        Args:
            image: what it is made of; it is pulled if the daemon has no such image.
            argv: its command; empty: that of the image.
            privileged: whether it may do all that the host may.

        Raises:
            DaemonError: there is no such image, or the container failed.
        """

    def volumes(self, part: str) -> list[str]:
        """Return the names of the volumes that have `part` in theirs."""

    def is_running(self, name: str) -> bool:
        """Tell whether there is a container of that name or id, and it runs."""

    def is_connected(self, name: str) -> bool:
        """Tell whether anybody has a session (`docker exec`) in a container."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume, or do nothing if there is none."""

    def remove_container(self, name: str) -> None:
        """Stop and remove a container, or do nothing if there is none."""


class DockerDaemon:
    """The daemon of a real job.

    Args:
        environ: the job's environment; says which daemon (`docker_client.daemon_environ`).
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The variables that make a tool use this daemon, whatever its own configuration says."""
        return daemon_environ(self._environ)

    @property
    def address(self) -> str:
        """The URL at which it listens."""
        return address(self._environ)

    @cached_property
    def has_containerd_store(self) -> bool:
        """Whether images live in containerd, so that one name can hold several platforms."""
        with translated("report its configuration"):
            info = self._client.info()
        return ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or [])

    def has_image(self, name: str) -> bool:
        """Tell whether there is an image of that name."""
        from docker.errors import ImageNotFound

        with translated(f"look for {name}"):
            try:
                self._client.images.get(name)
            except ImageNotFound:
                return False
        return True

    def save(self, name: str) -> Iterator[bytes]:
        """Stream an image as an archive, as `docker save` writes it."""
        with translated(f"save {name}"):
            yield from self._client.api.get_image(name)

    def run(self, image: str, argv: Iterable[str] = (), *, privileged: bool = False) -> bytes:
        """Run a container to its end, remove it, and return what it printed."""
        with translated(f"run {image}"):
            printed: bytes = self._client.containers.run(
                image, list(argv), privileged=privileged, remove=True
            )
        return printed

    def volumes(self, part: str) -> list[str]:
        """Return the names of the volumes that have `part` in theirs."""
        with translated("list volumes"):
            return [str(each.name) for each in self._client.volumes.list(filters={"name": part})]

    def is_running(self, name: str) -> bool:
        """Tell whether there is a container of that name or id, and it runs."""
        return bool(self._container(name).get("State", {}).get("Running"))

    def is_connected(self, name: str) -> bool:
        """Tell whether anybody has a session (`docker exec`) in a container."""
        return bool(self._container(name).get("ExecIDs"))

    def _container(self, name: str) -> Mapping[str, Any]:
        """Return what the daemon says of a container; nothing if there is none."""
        from docker.errors import NotFound

        with translated(f"look for container {name}"), suppress(NotFound):
            found: Mapping[str, Any] = self._client.api.inspect_container(name)
            return found
        return {}

    def remove_volume(self, name: str) -> None:
        """Remove a volume, or do nothing if there is none."""
        from docker.errors import NotFound

        with translated(f"remove volume {name}"), suppress(NotFound):
            self._client.api.remove_volume(name, force=True)

    def remove_container(self, name: str) -> None:
        """Stop and remove a container, or do nothing if there is none."""
        from docker.errors import NotFound

        with translated(f"remove container {name}"), suppress(NotFound):
            self._client.api.remove_container(name, force=True, v=True)

    def ping(self) -> None:
        """Check that the daemon answers."""
        with translated("be reached"):
            self._client.ping()

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Return as soon as the daemon answers.

        Raises:
            DaemonError: it did not within `seconds`.
        """
        said: list[DaemonError] = []

        def ask() -> bool | None:
            try:
                self.ping()
            except DaemonError as error:
                said.append(error)
                return None
            return True

        if poll(ask, within=seconds, every=0.5) is None:
            why = reason(said[-1].__cause__ or said[-1])
            what = f"no Docker daemon at {self.address} after {seconds:.0f} s ({why})"
            raise DaemonError(what, "does the job say `docker: true`?")

    @cached_property
    def _client(self) -> docker.DockerClient:
        return connect(self._environ, timeout=60)
