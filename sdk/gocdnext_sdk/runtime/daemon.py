"""The Docker daemon a job with `docker: true` can reach, through the docker package."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gocdnext_sdk.errors import DaemonError

if TYPE_CHECKING:
    import docker

READY_SECONDS = 60
"""How long a daemon may take: on Kubernetes it starts beside the job (docs/contract.md §7.4)."""

VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION")
"""What tells a client which daemon to talk to; a tool that needs the daemon inherits these."""


class Daemon:
    """A reachable Docker daemon.

    Args:
        environ: the job's environment; the `VARIABLES` count, else the docker command's current context.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)

    @cached_property
    def environ(self) -> dict[str, str]:
        """The variables that lead a tool to this daemon, whatever its own configuration says."""
        found = {name: self._environ[name] for name in VARIABLES if self._environ.get(name)}
        if "DOCKER_HOST" not in found:
            from docker.context import ContextAPI

            host = ContextAPI.kwargs_from_context().get("base_url")
            if host:
                found["DOCKER_HOST"] = str(host)
        return found

    @cached_property
    def client(self) -> docker.DockerClient:
        """The docker package's client.

        Raises:
            DaemonError: the variables make no sense.
        """
        import docker

        with self.translated("be reached"):
            return docker.DockerClient.from_env(environment=self.environ, timeout=60)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")

    def ping(self) -> None:
        """Ask the daemon for a sign of life.

        Raises:
            DaemonError: there is none.
        """
        with self.translated("be reached"):
            self.client.ping()

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Return as soon as the daemon answers.

        Raises:
            DaemonError: it did not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.ping()
            except DaemonError as error:
                if time.monotonic() > deadline:
                    raise DaemonError(
                        f"no Docker daemon at {self.address} after {seconds:.0f} s ({_reason(error)}); "
                        "does the job say `docker: true`?"
                    ) from None
                time.sleep(0.5)
            else:
                return

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """What `docker info` shows.

        Raises:
            DaemonError: it does not answer.
        """
        with self.translated("tell about itself"):
            info: dict[str, Any] = self.client.info()
            return info

    @property
    def has_containerd_store(self) -> bool:
        """Whether images live in containerd, so that the daemon's own builder can do several platforms."""
        return ["driver-type", "io.containerd.snapshotter.v1"] in (self.info.get("DriverStatus") or [])

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn the docker package's errors in the block into a `DaemonError`.

        Args:
            doing: what the daemon was asked for, after "the Docker daemon cannot".
        """
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            yield
        except (DockerException, RequestException) as error:
            raise DaemonError(f"the Docker daemon cannot {doing}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return what the daemon itself said, or else the cause at the bottom of the chain."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return str(explanation).strip()
    while error.__context__ is not None:
        error = error.__context__
    return str(getattr(error, "strerror", None) or error)
