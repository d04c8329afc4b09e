"""Registry credentials, each bound to one host."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret


@dataclass(frozen=True)
class Credential:
    """A login that is valid for one registry and is never sent to another.

    Args:
        registry: the host it belongs to.
        username: the user name.
        password: a password or token.
    """

    registry: Registry
    username: str
    password: Secret

    @property
    def basic(self) -> Secret:
        """The `user:password` pair in base64, as Basic authentication and Docker's `auth` want it."""
        pair = f"{self.username}:{self.password.reveal()}"
        return Secret(base64.b64encode(pair.encode()).decode())


class Credentials:
    """The credentials of one job, by registry."""

    def __init__(self, credentials: Iterable[Credential] = ()) -> None:
        self._by_registry = {each.registry: each for each in credentials}

    def get(self, registry: Registry) -> Credential | None:
        """Return the credential for `registry`, if there is one."""
        return self._by_registry.get(registry)

    def __iter__(self) -> Iterator[Credential]:
        return iter(self._by_registry.values())

    def __bool__(self) -> bool:
        return bool(self._by_registry)

    def docker_config(self) -> Secret:
        """Return a Docker `config.json` that holds exactly these credentials."""
        auths = {each.registry.config_key: {"auth": each.basic.reveal()} for each in self}
        return Secret(json.dumps({"auths": auths}))

    @classmethod
    def parse(cls, docker_config: Secret) -> Credentials:
        """Read the `auths` of a Docker `config.json`.

        Raises:
            ValueError: it is none; the message holds nothing of it.
        """
        try:
            auths = json.loads(docker_config.reveal()).get("auths", {})
            return cls(_auths(auths))
        except (ValueError, AttributeError, RecursionError):
            raise Invalid("is not a Docker config.json", 'it looks like {"auths": {"HOST": …}}') from None

    @classmethod
    def ambient(cls, environ: Mapping[str, str]) -> Credentials:
        """Read the `auths` of the Docker configuration that a tool would find by itself.

        It counts when a plugin runs on a developer's machine; in a job's fresh container there is none.
        Credential helpers are left to the tools, which run them.
        """
        folder = environ.get("DOCKER_CONFIG") or str(Path(environ.get("HOME", "/")) / ".docker")
        try:
            return cls.parse(Secret((Path(folder) / "config.json").read_text()))
        except (OSError, ValueError):
            return cls()


def _auths(auths: Mapping[str, Any]) -> Iterator[Credential]:
    for key, entry in auths.items():
        try:
            registry = Registry.parse(key)
            if "auth" in entry:
                username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
            else:
                username, password = entry["username"], entry["password"]
            if not (isinstance(username, str) and isinstance(password, str)):
                continue
            f"{username}{password}".encode()  # JSON can hold halves of characters
        except (KeyError, TypeError, ValueError):
            continue
        yield Credential(registry, username, Secret(password))
