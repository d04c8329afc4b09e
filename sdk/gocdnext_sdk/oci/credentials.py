"""Registry credentials, each bound to one host or to some of its repositories."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.oci.credential import Credential
from gocdnext_sdk.oci.docker_config import read
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.secret import Secret

__all__ = ["Credential", "Credentials"]


class Credentials:
    """The credentials of one job, by registry and, if they are limited to some, by repository."""

    def __init__(self, credentials: Iterable[Credential] = ()) -> None:
        self._all = {(each.registry, each.scope): each for each in credentials}

    def get(self, registry: Registry, repository: str = "") -> Credential | None:
        """Return the credential for `registry`, if there is one: the one with the longest matching scope.

        Source: containers-auth.json(5).
        """
        fitting = (each for each in self if each.registry == registry and each.fits(repository))
        return max(fitting, key=lambda each: len(each.scope), default=None)

    def bound_to(self, images: Iterable[Reference]) -> Credentials:
        """Return the logins that these images need, each for its whole host, which is what tools support.

        Raises:
            ValueError: two images at one host need different credentials.
        """
        bound: dict[Registry, Credential] = {}
        for image in images:
            found = self.get(image.registry, image.repository)
            if found is None:
                continue
            whole = found.for_host()
            if bound.setdefault(image.registry, whole) != whole:
                raise Invalid(
                    f"two images at {image.registry} need different credentials",
                    "tools take one login per host",
                )
        return Credentials(bound.values())

    def for_hosts(self) -> Credentials:
        """Return the logins, each for its whole host, which is what tools support.

        Raises:
            ValueError: a host has two.
        """
        found: dict[Registry, Credential] = {}
        for each in self:
            if found.setdefault(each.registry, each) != each:
                raise Invalid(f"there are two logins for {each.registry}", "tools take one login per host")
        return Credentials(each.for_host() for each in found.values())

    def unused_for(self, images: Iterable[Reference]) -> tuple[Credential, ...]:
        """Return the logins that none of `images` needs."""
        named = tuple(images)
        return tuple(
            each
            for each in self
            if not any(each.registry == image.registry and each.fits(image.repository) for image in named)
        )

    def __iter__(self) -> Iterator[Credential]:
        return iter(self._all.values())

    def __bool__(self) -> bool:
        return bool(self._all)

    def docker_config(self) -> Secret:
        """Return a Docker `config.json` that holds exactly these credentials."""
        return Secret(json.dumps({"auths": {_key(each): _entry(each) for each in self}}))

    @classmethod
    def parse(cls, docker_config: Secret) -> Credentials:
        """Read every login of a Docker `config.json` or a containers' `auth.json`.

        Raises:
            ValueError: it is not such a file, holds no login, or has one that cannot be used, because a
                credential helper holds it or it is broken; the message contains no secret.
        """
        credentials, unusable = read(docker_config)
        if unusable:
            raise Invalid("; ".join(f"{each.key}: {each.reason}" for each in unusable))
        if not credentials:
            raise Invalid("holds no credentials", 'they stand under `auths`: {"auths": {"HOST": …}}')
        return cls(credentials)

    @classmethod
    def ambient(cls, environ: Mapping[str, str]) -> Credentials:
        """Read the `auths` of the Docker configuration that a tool would find by itself.

        It matters when a plugin runs on a developer's machine; a job's fresh container has none.
        Credential helpers are left to the tools, which run them.
        """
        try:
            credentials, _ = read(_own(environ))
        except (OSError, ValueError):
            return cls()
        return cls(credentials)

    @staticmethod
    def ambient_mistakes(environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return what is no login in the configuration that `ambient` reads, but may be meant as one."""
        try:
            _, unusable = read(_own(environ))
        except OSError:
            return ()
        except ValueError as error:
            return (str(error),)
        return tuple(f"{each.key}: {each.reason}" for each in unusable if not each.in_helper)


def _own(environ: Mapping[str, str]) -> Secret:
    """Return the text of the user's Docker configuration."""
    folder = environ.get("DOCKER_CONFIG") or str(Path(environ.get("HOME", "/")) / ".docker")
    return Secret((Path(folder) / "config.json").read_text())


def _key(credential: Credential) -> str:
    key = credential.registry.config_key
    return f"{credential.registry}/{credential.scope}" if credential.scope else key


def _entry(credential: Credential) -> Mapping[str, str]:
    entry = {}
    if credential.has_password or credential.username:
        entry["auth"] = credential.basic.reveal()
    if credential.identity_token:
        entry["identitytoken"] = credential.identity_token.reveal()
    if credential.registry_token:
        entry["registrytoken"] = credential.registry_token.reveal()
    return entry
