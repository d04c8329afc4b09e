"""A registry of three hosts that notes which login each of them gets.

The registry itself wants a token, a server beside it gives one for a password, and what a blob holds comes
from a third, to which the registry redirects, as large registries do.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.bodies import body_of

from gocdnext_sdk.oci.client import AGENT


@dataclass(frozen=True)
class Upstream:
    """A registry that keeps what is pushed.

    Args:
        address: where it is.
        login: user and password in base64, if it wants one.
    """

    address: str
    login: str = ""


@dataclass
class Host:
    """One server, and all that it was sent beside content.

    Args:
        name: what it is called; Go's clients take two ports of one name for one host.
        server: listens.
        seen: the `Authorization` headers it got.
    """

    name: str
    server: ThreadingHTTPServer
    seen: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"{self.name}:{self.server.server_port}"


@dataclass
class Recorded:
    """A registry of three hosts.

    Args:
        registry: what references name.
        tokens: where the registry has clients get a token.
        storage: where it has them get what blobs hold.
        user: who may read and write.
        password: of the user.
    """

    registry: Host
    tokens: Host
    storage: Host
    user: str
    password: str

    @property
    def address(self) -> str:
        return self.registry.address

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def assert_nothing_else_was_sent(self) -> None:
        """The password went to the token server, tokens to the registry, and nothing to the storage."""
        assert self.tokens.seen == {self.basic}
        assert self.registry.seen == {f"Bearer token-of-{self.user}"}
        # What a tool sends to another port of the same host is Go's, and no more than the token.
        one_name = self.storage.name == self.registry.name
        assert self.storage.seen <= ({f"Bearer token-of-{self.user}"} if one_name else set())


@contextmanager
def recorded(user: str, upstream: Upstream, storage: str = "127.0.0.1") -> Iterator[Recorded]:
    """Run such a registry.

    Args:
        user: who may read and write.
        upstream: what is behind it.
        storage: the name of the third host. go-containerregistry follows no redirect to an address.
    """
    with ExitStack() as stack:
        names = ("localhost", "localhost", storage)
        hosts = [Host(name, stack.enter_context(_server())) for name in names]
        found = Recorded(*hosts, user, f"password-of-{user}")
        for host, answer in zip(
            hosts, (_registry(found, upstream), _tokens(found), _storage(upstream)), strict=True
        ):
            host.server.RequestHandlerClass = _handler(host, answer)
        yield found


@dataclass
class Busy:
    """A registry that takes nothing until the plugin itself has asked it how it is.

    Args:
        address: where it is.
        refused: how many requests to write it has refused.
    """

    address: str = ""
    refused: int = 0
    asked: bool = False


@contextmanager
def busy(upstream: Upstream) -> Iterator[Busy]:
    """Run such a registry: it answers 429 to what would write, and then all of it is as at `upstream`."""
    found = Busy()

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        found.asked = found.asked or request.headers.get("User-Agent", "") == AGENT
        if found.asked or request.command in ("GET", "HEAD"):
            return _ask(upstream, request, body)
        found.refused += 1
        return 429, [("Retry-After", "1")], b""

    with _server() as server:
        host = Host("localhost", server)
        server.RequestHandlerClass = _handler(host, answer)
        found.address = host.address
        yield found


@dataclass
class Later:
    """A registry that refuses to be written to, and tells the plugin, when that asks, when to come again.

    Args:
        address: where it is.
        told: when it said so, in seconds of `time.monotonic()`.
        written: when it was first written to after that.
    """

    address: str = ""
    refused: bool = False
    told: float = 0
    written: float = 0


@contextmanager
def later(upstream: Upstream, seconds: int) -> Iterator[Later]:
    """Run such a registry, before `upstream`."""
    found = Later()

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        is_ours = request.headers.get("User-Agent", "").startswith(AGENT)
        if is_ours and found.refused and not found.told:
            found.told = time.monotonic()
            return 429, [("Retry-After", str(seconds))], b""
        if request.command not in ("GET", "HEAD"):
            if not found.told:
                found.refused = True
                return 429, [], b""
            found.written = found.written or time.monotonic()
        return _ask(upstream, request, body)

    with _server() as server:
        host = Host("localhost", server)
        server.RequestHandlerClass = _handler(host, answer)
        found.address = host.address
        yield found


Answer = tuple[int, Sequence[tuple[str, str]], bytes]
Answering = Callable[[BaseHTTPRequestHandler, bytes], Answer]


def _registry(recorded: Recorded, upstream: Upstream) -> Answering:
    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        if request.headers.get("Authorization") != f"Bearer token-of-{recorded.user}":
            realm = f'Bearer realm="http://{recorded.tokens.address}/token",service="{recorded.address}"'
            return 401, [("WWW-Authenticate", realm)], b""
        if request.command == "GET" and "/blobs/sha256:" in request.path:
            return 307, [("Location", f"http://{recorded.storage.address}{request.path}")], b""
        return _ask(upstream, request, body)

    return answer


def _tokens(recorded: Recorded) -> Answering:
    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        form = (
            parse_qs(body.decode()) if request.command == "POST" else parse_qs(urlsplit(request.path).query)
        )
        given = request.headers.get("Authorization")
        if "password" in form:  # BuildKit sends it in a form (oauth.md)
            pair = f"{form['username'][0]}:{form['password'][0]}".encode()
            given = "Basic " + base64.b64encode(pair).decode()
            recorded.tokens.seen.add(given)
        if given != recorded.basic:
            return 401, [], b""
        token = f"token-of-{recorded.user}".encode()
        return (
            200,
            [("Content-Type", "application/json")],
            b'{"token":"%b","access_token":"%b"}' % (token, token),
        )

    return answer


def _storage(upstream: Upstream) -> Answering:
    return lambda request, body: _ask(upstream, request, body)


def _ask(upstream: Upstream, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
    with contextlib.closing(http.client.HTTPConnection(upstream.address)) as connection:
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():  # some of them several times
            if name.lower() not in ("authorization", "content-length", "transfer-encoding"):
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        if upstream.login:
            connection.putheader("Authorization", f"Basic {upstream.login}")
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()


@contextmanager
def _server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _handler(host: Host, answer: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError):
                if self.rfile.peek(1)[:1] == b"\x16":  # TLS is tried first; this is how one says no
                    self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    self.close_connection = True
                else:
                    super().handle_one_request()

        def _serve(self) -> None:
            if authorization := self.headers.get("Authorization"):
                host.seen.add(authorization)
            status, headers, content = answer(self, body_of(self))
            self.send_response_only(status)
            given = {name.lower(): value for name, value in headers}
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            length = given.get("content-length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
