"""Requests to web services, such as a webhook or a forge's API: what `Job.http` does.

Proxies, CAs, redirects, retries and limits are those of the registry client (`oci.http`, `oci.exchange`).
"""

from __future__ import annotations

import json as json_module
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gocdnext_sdk.errors import HttpError, excerpt
from gocdnext_sdk.oci.exchange import IDEMPOTENT, Exchange
from gocdnext_sdk.oci.http import HttpTransport
from gocdnext_sdk.oci.transport import MAX_SECONDS, Fault, Request, Response, TransportError
from gocdnext_sdk.secret import Secret

_EXCERPT = 200
"""Characters of an answer that a message quotes."""


class Sender(Protocol):
    """Sends a request and returns the answer after all redirects."""

    def send(self, request: Request, deadline: float, assumed: bytes | None = None) -> Response:
        """Send `request`.

        Args:
            request: what to send.
            deadline: when to give up, in seconds of `time.monotonic()`.
            assumed: the content of the answer, for a plan, which sends nothing.

        Raises:
            TransportError: there is no answer.
        """


class WebSender:
    """Sends requests over the network.

    One that changes something is only sent again if the service has not taken it: it could not be reached, or
    said that it is busy.
    """

    def __init__(self) -> None:
        transport = HttpTransport()
        self._again = Exchange(transport)
        self._once = Exchange(transport, transient=(Fault.REFUSED,), busy=(429, 503))

    def send(self, request: Request, deadline: float, assumed: bytes | None = None) -> Response:
        """See `Sender`."""
        exchange = self._again if request.method in IDEMPOTENT else self._once
        return exchange.send(request, deadline)


class HttpResponse:
    """What a web service has answered.

    Args:
        response: the answer; in a plan, reading its body ends the plan.
        who: whom it is from, for messages.
    """

    def __init__(self, response: Response, who: str) -> None:
        self._response = response
        self._who = who

    @property
    def status(self) -> int:
        """Such as 200."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields, names in any case."""
        return self._response.headers

    @property
    def body(self) -> bytes:
        """The content, at most 4 MiB."""
        return self._response.body

    @property
    def text(self) -> str:
        """The content as text in UTF-8; what is none becomes U+FFFD."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Return the content, read as JSON.

        Raises:
            HttpError: it is none.
        """
        try:
            return json_module.loads(self.body)
        except (ValueError, RecursionError):
            raise HttpError(f"{self._who} answered {self.status} with something that is not JSON") from None


@dataclass(frozen=True)
class Http:
    """Sends requests and judges the answers.

    Args:
        sender: sends them.
        mask: hides a value from now on.
        quote: what a service says comes through it into messages.
    """

    sender: Sender
    mask: Callable[[Secret], object]
    quote: Callable[[str], str] = excerpt

    def request(
        self,
        method: str,
        url: str | Secret,
        *,
        json: object = None,
        body: str | bytes | Path | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        bearer: Secret | None = None,
        ok: Container[int] = range(200, 300),
        seconds: float = MAX_SECONDS,
        assumed: object = None,
    ) -> HttpResponse:
        """Send one request; see `Job.http`."""
        if json is not None and body is not None:
            raise TypeError("a request has a `json` or a `body`, not both")
        given = dict(headers or {})
        if bearer is not None:
            self.mask(bearer)
            given["Authorization"] = Secret(f"Bearer {bearer.reveal()}")
        if json is not None:
            given, body = {"Content-Type": "application/json", **given}, json_module.dumps(json)
        for value in (url, *given.values()):
            if isinstance(value, Secret):
                self.mask(value)
        request = Request(
            method.upper(),
            _bare(url).strip(),
            {"User-Agent": "gocdnext-plugin-sdk", **{name: _bare(value) for name, value in given.items()}},
            body.encode(errors="surrogateescape") if isinstance(body, str) else body,
            confidential=frozenset(
                name.lower() for name, value in given.items() if isinstance(value, Secret)
            ),
        )
        who = f"{request.method} {request.hostname or 'an address without a host'}"
        with _told(who):
            content = None if assumed is None else json_module.dumps(assumed).encode()
            response = self.sender.send(request, time.monotonic() + seconds, content)
        if response.status not in ok:
            answer = f"{response.status} {self.quote(response.reason)}".strip()
            said = self._said(response)
            raise HttpError(f"{who}: answered {answer}{said and f': {said}'}", status=response.status)
        return HttpResponse(response, who)

    def _said(self, response: Response) -> str:
        """Return a short answer that people may read; a page of HTML, and what is no text, is none."""
        text = " ".join(response.body.decode(errors="replace").split())
        readable = text.isprintable() and len(text) <= _EXCERPT and "html" not in response.media_type
        return self.quote(response.body.decode(errors="replace")) if readable else ""


@contextmanager
def _told(who: str) -> Iterator[None]:
    try:
        yield
    except TransportError as error:
        raise HttpError(f"{who}: {error}") from None
    except OSError as error:  # of a file to be sent
        raise HttpError(f"{who}: {error.filename}: {error.strerror}") from None


def _bare(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
