"""Where a BuildKit runs already, and for which platforms, as users write it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.oci.platforms import is_platform, normal

CA, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"
"""The names of the files with a client's TLS material."""

_FORM = 'write "tcp://HOST:PORT", and the platforms after a space'


@dataclass(frozen=True)
class Node:
    """One BuildKit.

    Args:
        host: a name or an address.
        port: of its TCP socket.
        platforms: what it is asked to build; anything if there are none.
    """

    host: str
    port: int
    platforms: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `tcp://HOST:PORT`, with platforms after it: `tcp://arm.build:1234 linux/arm64,linux/arm/v7`.

        Raises:
            Invalid: it is not of that form.
        """
        address, *platforms = text.replace(",", " ").split() or [""]
        wrong = Invalid(f"{quoted(address)} is not the address of a BuildKit", _FORM)
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme != "tcp" or not host or not port or parts.path or parts.query or parts.username:
            raise wrong
        for platform in platforms:
            if not is_platform(platform):
                raise Invalid(f"{quoted(platform)} is not a platform", 'write it as "linux/amd64"')
        return cls(host, port, tuple(dict.fromkeys(platforms)))

    def builds(self, wanted: Iterable[str]) -> bool:
        """Whether it is asked to build one of `wanted`."""
        return not self.platforms or bool({*map(normal, self.platforms)} & {*map(normal, wanted)})

    @property
    def address(self) -> str:
        """`tcp://HOST:PORT`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"

    def __str__(self) -> str:
        return " ".join((self.address, ",".join(self.platforms))).strip()
