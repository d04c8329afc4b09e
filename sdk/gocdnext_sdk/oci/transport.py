"""The seam between the registry client and the network: one request out, one answer in.

A transport does nothing on its own: no redirects, no retries, no authentication. Those belong to `exchange`
and `auth`, so they work with every transport and are tested without a socket. Real runs use
`gocdnext_sdk.oci.http`; plans and tests answer from memory. The model is httpx' `BaseTransport`.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import urlsplit

MAX_BYTES = 4 * 1024 * 1024 + 256 * 1024
"""Limit of one response: a manifest (4 MiB) and its headers."""

MAX_SECONDS = 120
"""Limit of one request, including redirects, retries and fetching a token."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Headers(Mapping[str, str]):
    """The header fields of a response. Names are case-insensitive and may occur several times."""

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        items = fields.items() if isinstance(fields, Mapping) else fields
        self._fields: dict[str, list[str]] = {}
        for name, value in items:
            self._fields.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return the values of all fields of that name."""
        return tuple(self._fields.get(name.lower(), ()))

    def __repr__(self) -> str:
        return f"Headers({sorted(self._fields)})"  # values may be tokens


@dataclass(frozen=True)
class Request:
    """A request.

    Args:
        method: such as GET.
        url: absolute.
        headers: in addition to those that the transport sets.
        body: bytes to send, or the file that holds them.
        assumed: only for a transport that contacts nobody (a plan): the digest to assume, empty to assume
            that there is no such manifest, or None for any digest; for a list of tags, the answer itself, or
            None where a plan cannot know it. Other transports ignore it.
        confidential: header fields, in lower case, that only the origin itself may see, as `authorization`.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Path | None = field(default=None, repr=False)
    assumed: str | None = None
    confidential: frozenset[str] = frozenset()

    @property
    def host(self) -> str:
        """`host[:port]`, as in the URL."""
        return urlsplit(self.url).netloc

    @property
    def origin(self) -> tuple[str, str | None, int | None]:
        """Scheme, host and port (RFC 6454)."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)

    @property
    def hostname(self) -> str:
        """The host alone, without a login; empty if the URL has none."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""

    @property
    def content(self) -> bytes:
        """The whole of the body."""
        return self.body.read_bytes() if isinstance(self.body, Path) else self.body or b""

    def foreign(self) -> Self:
        """Return the request for another origin: without its credentials."""
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in self.confidential
        }
        return replace(self, headers=headers).authorized(None)

    def authorized(self, authorization: str | None) -> Self:
        """Return the request with this `Authorization` header; without any if None."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        if authorization is not None:
            headers["Authorization"] = authorization
        return replace(self, headers=headers)


@dataclass(frozen=True)
class Response:
    """A response, completely read.

    Args:
        status: the HTTP status.
        headers: its header fields.
        body: bytes.
        reason: the status in words.
        request: the last request that was sent, after redirects.
    """

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)
    reason: str = ""
    request: Request | None = field(default=None, repr=False)

    @property
    def media_type(self) -> str:
        """Content-Type without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class Fault(Enum):
    """Why there is no answer."""

    NO_TLS = auto()
    """The server does not speak TLS."""

    TLS = auto()
    """The TLS handshake failed: an untrusted certificate, or no common version."""

    NO_NAME = auto()
    """The name does not resolve."""

    REFUSED = auto()
    """Nothing listens on that port."""

    BROKEN = auto()
    """The connection failed, or broke."""

    LIMIT = auto()
    """The response is too large or takes too long."""

    INVALID = auto()
    """The request cannot be sent."""


class TransportError(Exception):
    """There is no response.

    Args:
        fault: why.
        message: the same in words, without the host.
    """

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Transport(Protocol):
    """Sends one request and returns its answer; the base of all that do."""

    @abstractmethod
    def send(self, request: Request, deadline: float) -> Response:
        """Send `request` once, without following redirects.

        Args:
            request: what to send.
            deadline: when to give up, in seconds of `time.monotonic()`.

        Raises:
            TransportError: there is no response, or it is larger than `MAX_BYTES`.
        """

    def speaks_tls(self, host: str, deadline: float) -> bool:
        """Tell whether a host speaks TLS, be it with a certificate that is not trusted.

        Args:
            host: with its port, if that is not 443.
            deadline: as for `send`.
        """
        try:
            self.send(Request("GET", f"https://{host}/v2/"), deadline)
        except TransportError as error:
            return error.fault is Fault.TLS
        return True


class Clock(Protocol):
    """A clock, which tests replace by a faster one."""

    def monotonic(self) -> float:
        """Return the seconds since some fixed moment."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


SYSTEM_CLOCK: Clock = time
