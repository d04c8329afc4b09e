"""A throw-away registry with a login, under one address for the engine and for the jobs.

Its port is published with the same number on the loopback of the engine's host, and jobs share its network.
So ``localhost:PORT/team/app`` means the same registry to the engine (which accepts plain http on loopback),
to buildx, trivy and cosign inside the jobs, and to the user.
"""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Self

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import (
    HOST_GATEWAY,
    SHARED_NETWORK,
    ContainerSpec,
    Engine,
    Pull,
)
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS, REGISTRY_VARIABLES
from gocdnext_sdk.runtime.polling import poll

IMAGE_VARIABLE = "GOCDNEXT_REGISTRY_IMAGE"
DEFAULT_IMAGE = (
    "docker.io/library/registry:3.1.2@sha256:ddf754342cfc8acc51a56d5d0ab6af06826461864460636d8bd5c546dab2a7b8"
)

_READY_WITHIN = 30.0


@dataclass(frozen=True)
class LocalRegistry:
    """A running registry.

    Args:
        container: its container's name.
        port: on the loopback of the engine's host, and of every job that shares `network`.
        username: of the only account.
        password: of the only account.
    """

    container: str
    port: int
    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def address(self) -> str:
        """``localhost:PORT``, the host in every reference to it."""
        return f"localhost:{self.port}"

    @property
    def network(self) -> str:
        """The network in which jobs reach it at `address`."""
        return f"{SHARED_NETWORK}{self.container}"

    @property
    def variables(self) -> dict[str, str]:
        """The variables that pipelines get."""
        return dict(zip(REGISTRY_VARIABLES, (self.address,), strict=True))

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets that pipelines get."""
        return dict(zip(REGISTRY_SECRETS, (self.username, self.password), strict=True))

    @classmethod
    def start(
        cls,
        engine: Engine,
        name: str,
        labels: Mapping[str, str],
        *,
        port: int = 0,
        further: tuple[int, ...] = (),
        within: LocalRegistry | None = None,
    ) -> Self:
        """Start one, with deletes enabled, and wait until it answers.

        Args:
            engine: the engine.
            name: of its container and its network.
            labels: by which it is removed.
            port: 0 takes a free one.
            further: ports of others that are started `within` this one's network.
            within: the registry whose network it shares, and that has its port among the further ones.

        Raises:
            DaemonError: it does not start, or does not answer within 30 seconds.
        """
        image = os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        advice = f"or set {IMAGE_VARIABLE} to an image of a registry that the engine has"
        engine.ensure_image(image, Pull.MISSING, lambda: False, advice)
        chosen = port or free_port()
        registry = cls(name, chosen, "harness", secrets.token_urlsafe(24))
        if within is None:
            engine.create_network(name, labels)
        container = engine.create(
            ContainerSpec(
                name=name,
                image=image,
                labels=labels,
                env={
                    "REGISTRY_HTTP_ADDR": f":{chosen}",
                    "REGISTRY_AUTH": "htpasswd",
                    "REGISTRY_AUTH_HTPASSWD_REALM": "gocdnext-plugin",
                    "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd",
                    "REGISTRY_STORAGE_DELETE_ENABLED": "true",
                    "REGISTRY_LOG_LEVEL": "warn",
                    # The image's own settings have metrics on :5001, which a second one in this network,
                    # or a job, could not have.
                    "REGISTRY_HTTP_DEBUG_ADDR": "",
                    "OTEL_TRACES_EXPORTER": "none",
                },
                network=within.network if within else name,
                # Jobs share its /etc/hosts and cannot extend it.
                extra_hosts={} if within else {"host.docker.internal": HOST_GATEWAY},
                ports=() if within else (chosen, *further),
                output="kept",
            )
        )
        engine.put(container, "/", [_htpasswd(registry.username, registry.password)])
        engine.start(container)
        registry._wait(engine, container)
        return registry

    def _wait(self, engine: Engine, container: str) -> None:
        def ask() -> bool | None:
            if not engine.is_running(container):
                raise DaemonError(f"the registry exited immediately:\n{engine.logs(container)}")
            return True if self._answers() else None

        if poll(ask, within=_READY_WITHIN, every=0.05) is None:
            raise DaemonError(
                f"the registry does not answer at {self.address} within {_READY_WITHIN:.0f} s",
                "it needs an engine whose published ports are this machine's",
            )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _htpasswd(username: str, password: str) -> bytes:
    """Return a tar that holds the password file; distribution accepts bcrypt only."""
    import bcrypt

    # The registry hashes on every request; the password is random, so a higher cost would only cost time.
    line = f"{username}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n".encode()
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("htpasswd")
        member.size, member.mode = len(line), 0o644
        tar.addfile(member, BytesIO(line))
    return buffer.getvalue()
