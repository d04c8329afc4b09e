"""The seam between the registry client and the network: one request out, one answer in.

A transport does nothing on its own: no redirects, no retries, no authentication. Those are `exchange`'s and
`auth`'s, so that they hold for every transport, and are tested without a socket. Real runs use
`gocdnext_sdk.oci.http`; plans and tests answer from memory. The model is httpx' `BaseTransport`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Protocol, Self
from urllib.parse import urlsplit

MAX_BYTES = 4 * 1024 * 1024 + 256 * 1024
"""For one answer with everything around it: a manifest (4 MiB), and what its headers may take."""

MAX_SECONDS = 120
"""For one request with all that belongs to it: redirects, retries and the token."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Headers(Mapping[str, str]):
    """The fields of an answer, their names in any case. A name may have come several times."""

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
        """Return the values of each field of that name."""
        return tuple(self._fields.get(name.lower(), ()))

    def __repr__(self) -> str:
        return f"Headers({sorted(self._fields)})"  # values may be tokens


@dataclass(frozen=True)
class Request:
    """What is sent.

    Args:
        method: such as GET.
        url: absolute.
        headers: besides those that a transport adds by itself.
        body: bytes to send.
        assumed: for a transport that asks nobody (a plan): None: what is asked for is there; else its digest,
            or empty: it is not there. One that sends the request does not look at it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    assumed: str | None = None

    @property
    def host(self) -> str:
        """`host[:port]`, as the URL has it."""
        return urlsplit(self.url).netloc

    @property
    def origin(self) -> tuple[str, str | None, int | None]:
        """Scheme, host and port: who gets it (RFC 6454)."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)

    def authorized(self, authorization: str | None) -> Self:
        """Return it with this `Authorization`; None: without any."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        if authorization is not None:
            headers["Authorization"] = authorization
        return replace(self, headers=headers)


@dataclass(frozen=True)
class Response:
    """What came back, read to its end.

    Args:
        status: the HTTP status.
        headers: its fields.
        body: bytes.
        reason: the status in words.
        request: what it answers, after redirects.
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
    """Somebody is there and does not speak TLS."""

    TLS = auto()
    """TLS is spoken, and failed: a certificate that is not to be trusted, no version in common."""

    NO_NAME = auto()
    """The name does not resolve."""

    REFUSED = auto()
    """Nobody listens there."""

    BROKEN = auto()
    """The connection was made, or nearly, and failed."""

    LIMIT = auto()
    """The answer is too long or takes too long."""

    INVALID = auto()
    """The request cannot be sent at all."""


class TransportError(Exception):
    """No answer came.

    Args:
        fault: why.
        message: the same in words, without the host.
    """

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Transport(Protocol):
    """Sends one request and returns its answer."""

    def send(self, request: Request, deadline: float) -> Response:
        """Send `request`; follow nothing, repeat nothing.

        Args:
            request: what to send.
            deadline: in `time.monotonic()`'s seconds: when to give up, however the answer trickles in.

        Raises:
            TransportError: there is no answer, or more than `MAX_BYTES` of it.
        """


class Clock(Protocol):
    """Time, which tests pass faster."""

    def monotonic(self) -> float:
        """Return seconds since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


SYSTEM_CLOCK: Clock = time
