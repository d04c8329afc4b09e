"""A pull-through mirror of Docker Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.oci.reference import Registry

_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Mirror:
    """A mirror, as a host with a path or its URL name it.

    Args:
        registry: its host.
        path: below it, where the images are; may be empty.
        plain_http: whether its URL says that it speaks plain http.
    """

    registry: Registry
    path: str = ""
    plain_http: bool = False

    @classmethod
    def parse(cls, text: str) -> Mirror:
        """Read a mirror.

        Raises:
            Invalid: it is none.
        """
        scheme = _SCHEME.match(text)
        host, _, path = text[scheme.end() if scheme else 0 :].rstrip("/").partition("/")
        refused = Invalid(f"{quoted(text)} is not a host with a path", 'write it as "mirror.gcr.io"')
        if path and not _PATH.fullmatch(path):
            raise refused
        try:
            registry = Registry.parse(host)
        except ValueError:
            raise refused from None
        return cls(registry, path, plain_http=scheme is not None and scheme[1].lower() == "http")

    def __str__(self) -> str:
        """Return host and path."""
        return f"{self.registry}/{self.path}" if self.path else str(self.registry)
