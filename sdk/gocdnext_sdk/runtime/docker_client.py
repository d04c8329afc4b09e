"""The docker package, wrapped once for both sides: which daemon, a connection, and its errors as ours.

Importing this costs nothing; the package itself is imported when a daemon is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gocdnext_sdk.errors import DaemonError

if TYPE_CHECKING:
    import docker

SOCKET = "/var/run/docker.sock"
"""Where a daemon listens by default."""

VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION")
"""What tells a client which daemon to talk to; a tool that needs the daemon inherits these."""


def daemon_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that lead a client to the daemon, whatever its own configuration says.

    Args:
        environ: its `VARIABLES` count, else the docker command's current context.
    """
    found = {name: environ[name] for name in VARIABLES if environ.get(name)}
    if "DOCKER_HOST" not in found:
        from docker.context import ContextAPI

        host = ContextAPI.kwargs_from_context().get("base_url")
        if host:
            found["DOCKER_HOST"] = str(host)
    return found


def default_socket() -> dict[str, str]:
    """Return the variable that leads to the daemon at `SOCKET`, if there is one; nothing otherwise.

    For systems that mount it and set no variable.
    """
    return {"DOCKER_HOST": f"unix://{SOCKET}"} if Path(SOCKET).is_socket() else {}


def address(environ: Mapping[str, str]) -> str:
    """Return the URL at which the daemon listens."""
    return daemon_environ(environ).get("DOCKER_HOST", f"unix://{SOCKET}")


def connect(environ: Mapping[str, str], **options: Any) -> docker.DockerClient:
    """Return the docker package's client; nothing is sent yet.

    Args:
        environ: says which daemon, as for `daemon_environ`.
        options: as for `docker.from_env`: `timeout` in seconds, `max_pool_size` …

    Raises:
        DaemonError: the variables make no sense.
    """
    import docker

    with translated("be reached"):
        return docker.DockerClient.from_env(environment=daemon_environ(environ), **options)


@contextmanager
def translated(doing: str, advice: str = "", *, who: str = "the Docker daemon") -> Iterator[None]:
    """Turn the docker package's errors in the block into a `DaemonError`.

    Args:
        doing: what was asked for, after "the Docker daemon cannot".
        advice: what to do about it.
        who: the daemon's name in messages.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        raise DaemonError(f"{who} cannot {doing}: {reason(error)}", advice) from error


def reason(error: BaseException) -> str:
    """Return what the daemon itself said, or else the cause at the bottom of the chain."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return str(explanation).strip()
    while error.__context__ is not None:
        error = error.__context__
    return str(getattr(error, "strerror", None) or error)
