"""What is known of a cloud, and who logs in at its registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret


class Word(NamedTuple):
    """What a line says after the host.

    Args:
        name: as messages and the documentation call it.
        pattern: what it looks like.
        optional: whether it may be left out; only the last one may.
    """

    name: str
    pattern: str
    optional: bool = False


class Cloud(NamedTuple):
    """A cloud.

    Args:
        name: its registry's.
        host: what the hosts of its registries look like.
        words: what else it has to know.
        audience: whom the token is for, unless the cloud was told otherwise.
        keys: the job's variables that log in where nothing else does, as the cloud's own tools find them.
        token_file: the variable that names a file with an identity token, on machines of that cloud.
        named_by: the variables that hold the words for it.
    """

    name: str
    host: str
    words: tuple[Word, ...]
    audience: Callable[[Sequence[str]], str]
    keys: tuple[str, ...] = ()
    token_file: str = ""
    named_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegistryIdentity:
    """Who logs in where.

    Args:
        registry: the registry.
        cloud: whose it is.
        words: what the cloud has to know, as its `words` say.
        token: the identity token, where a file holds it; else the job's own.
    """

    registry: Registry
    cloud: Cloud
    words: tuple[str, ...]
    token: Secret | None = None

    def __str__(self) -> str:
        return " ".join((str(self.registry), *self.words))

    @property
    def needs_token(self) -> bool:
        """Whether it logs in by an identity token, and not by the job's keys."""
        return bool(self.words)

    @property
    def by(self) -> str:
        """What of the job it logs in by."""
        return "identity" if self.needs_token else self.cloud.keys[0]

    @property
    def audience(self) -> str:
        """Whom the token is for."""
        return self.cloud.audience(self.words)
