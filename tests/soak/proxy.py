"""A proxy in front of a real service that answers one request in its own way."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.bodies import body_of

_TLS = b"\x16"
"""What a TLS client says first."""

STALL = 90.0
"""Seconds that a stalled answer takes; far more than any bound that is tested."""


@dataclass(frozen=True)
class Answer:
    """What a service answered, or what is answered in its place."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass
class Exchange:
    """One request on its way, and what a fault may do with it."""

    method: str
    path: str
    headers: Message
    """Those of the request; any case finds them."""
    forward: Callable[[], Answer]
    """Ask the service behind; may be called once."""
    send: Callable[[Answer], None]
    """Answer the client."""
    raw: Callable[[bytes], None]
    """Send the client bytes as they are."""
    reset: Callable[[], None]
    """End the connection with a TCP reset."""
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the proxy goes away: what stalls may end."""


Fault = Callable[[Exchange], None]


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status instead of asking the service."""
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda exchange: exchange.send(Answer(code, given, body))


def _html(exchange: Exchange) -> None:
    exchange.send(Answer(200, (("Content-Type", "text/html"),), b"<html><body>Please log in</body></html>"))


def _empty(exchange: Exchange) -> None:
    exchange.send(Answer(200))


def _truncated(exchange: Exchange) -> None:
    answer = exchange.forward()
    half = answer.body[: len(answer.body) // 2]
    head = f"HTTP/1.1 {answer.status} OK\r\nContent-Length: {max(len(answer.body), 20)}\r\n\r\n"
    exchange.raw(head.encode() + half)
    exchange.reset()


def _corrupt(exchange: Exchange) -> None:
    answer = exchange.forward()
    body = bytes(byte ^ 0x20 for byte in answer.body[:64]) + answer.body[64:]
    exchange.send(Answer(answer.status, answer.headers, body))


def _wrong_digest(exchange: Exchange) -> None:
    answer = exchange.forward()
    headers = tuple(
        (name, "sha256:" + "0" * 64 if name.lower() == "docker-content-digest" else value)
        for name, value in answer.headers
    )
    exchange.send(Answer(answer.status, headers, answer.body))


def _reset_before(exchange: Exchange) -> None:
    exchange.reset()


def _reset_after(exchange: Exchange) -> None:
    exchange.forward()
    exchange.reset()


def _stall(exchange: Exchange) -> None:
    exchange.closing.wait(STALL)
    exchange.reset()


def _trickle(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\n")
    give_up = time.monotonic() + STALL
    while time.monotonic() < give_up and not exchange.closing.wait(0.2):
        exchange.raw(b"X-Slow: 1\r\n")
    exchange.reset()


def about(method: str, path: str, fault: Fault) -> Fault:
    """Return `fault` for the requests of `method` whose path ends with `path`; others are passed on."""

    def selective(exchange: Exchange) -> None:
        if exchange.method == method and exchange.path.endswith(path):
            fault(exchange)
        else:
            exchange.send(exchange.forward())

    return selective


def demanding_signatures(exchange: Exchange) -> None:
    """Let nobody but cosign read a manifest, as Harbor 2.16 with a project whose images must be signed."""
    reads = exchange.method in ("GET", "HEAD") and "/manifests/" in exchange.path
    if reads and "cosign" not in exchange.headers.get("User-Agent", ""):
        said = (
            b'{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"The image is not signed by cosign."}]}'
        )
        exchange.send(Answer(412, (("Content-Type", "application/json"),), said))
    else:
        exchange.send(exchange.forward())


def dying_login() -> Fault:
    """Return a fault that refuses all writing but the first request, which asks whether one may."""
    begun: list[str] = []

    def dying(exchange: Exchange) -> None:
        if exchange.method in ("POST", "PUT", "PATCH"):
            begun.append(exchange.path)
            if len(begun) > 1:
                return PASSING["401"](exchange)
        return exchange.send(exchange.forward())

    return dying


PASSING: Mapping[str, Fault] = {
    "401": status(401, WWW_Authenticate='Basic realm="proxy"'),
    "403": status(403, b'{"errors":[{"code":"DENIED","message":"no"}]}', Content_Type="application/json"),
    "404": status(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', Content_Type="application/json"),
    "429": status(429, Retry_After="1"),
    "500": status(500),
    "502": status(502, b"<html>bad gateway</html>", Content_Type="text/html"),
    "503": status(503, Retry_After="1"),
    "html": _html,
    "empty 200": _empty,
    "truncated": _truncated,
    "corrupt": _corrupt,
    "wrong digest": _wrong_digest,
    "reset before": _reset_before,
    "reset after": _reset_after,
}
"""Faults that are over as soon as they have happened."""

LASTING: Mapping[str, Fault] = {"stall": _stall, "trickle": _trickle}
"""Faults that hold whoever waits for them."""

FAULTS: Mapping[str, Fault] = {**PASSING, **LASTING}


class Proxy:
    """Stands before a service on a port of its own, and does something else to its `at`-th request.

    Args:
        upstream: host and port of the service.
        fault: what is done; None: nothing, requests are counted.
        at: which request, from 1; None: each of them, and the fault tells which it is about.
    """

    def __init__(self, upstream: str, fault: Fault | None = None, at: int | None = 0) -> None:
        self.requests: list[tuple[str, str]] = []
        self._closing = threading.Event()
        lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                if self.connection.recv(1, socket.MSG_PEEK) == _TLS:
                    # As Go's servers do, so that Go's clients go on in plain http.
                    self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                    self.close_connection = True
                    return
                with contextlib.suppress(OSError, http.client.HTTPException):
                    super().handle_one_request()
                    return
                self.close_connection = True

            def _serve(self) -> None:
                body = body_of(self)
                with lock:
                    proxy.requests.append((self.command, self.path))
                    number = len(proxy.requests)

                def forward() -> Answer:
                    return _forward(upstream, self, body)

                if fault is None or at not in (number, None):
                    self._send(forward())
                    return
                asked = (self.command, self.path, self.headers)
                fault(Exchange(*asked, forward, self._send, self._raw, self._reset, proxy._closing))

            def _send(self, answer: Answer) -> None:
                self.send_response_only(answer.status)
                kept = {name.lower(): value for name, value in answer.headers}
                for name, value in answer.headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                length = str(len(answer.body))
                head = self.command == "HEAD"
                self.send_header("Content-Length", kept.get("content-length", length) if head else length)
                self.end_headers()
                if not head:
                    self.wfile.write(answer.body)

            def _raw(self, data: bytes) -> None:
                self.wfile.write(data)
                self.wfile.flush()

            def _reset(self) -> None:
                linger = b"\1\0\0\0\0\0\0\0"
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.wfile = None  # type: ignore[assignment] # nothing is flushed into a reset connection
                self.connection.close()

            def finish(self) -> None:
                with contextlib.suppress(Exception):
                    super().finish()

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # a reset is meant
        self.port = self._server.server_port
        self.address = f"localhost:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


def _forward(upstream: str, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
    with contextlib.closing(http.client.HTTPConnection(upstream, timeout=60)) as connection:
        connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding"):
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, tuple(response.getheaders()), response.read())
