"""A web service on this machine, to test what a plugin sends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request as it came, secrets and all.

    Args:
        method: such as POST.
        path: with the query.
        headers: names in lower case.
        body: what was sent.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


@dataclass
class LocalWeb:
    """Answers every request, and remembers it.

    Args:
        url: of the service; any path below it is answered.
        received: the requests, in order.
    """

    url: str
    received: list[Received] = field(default_factory=list)
    _answers: list[tuple[int, bytes, Mapping[str, str]]] = field(default_factory=list)
    _last: tuple[int, bytes, Mapping[str, str]] = (200, b"", MappingProxyType({}))

    def answer(self, status: int = 200, body: str | bytes | object = b"", **headers: str) -> None:
        """Answer the next request, and all that follow unless there are further answers.

        Args:
            status: such as 404.
            body: text, bytes, or what becomes JSON.
            headers: header fields; `_` stands for `-`.
        """
        content = body if isinstance(body, bytes) else body if isinstance(body, str) else json.dumps(body)
        sent = content.encode() if isinstance(content, str) else content
        self._answers.append((status, sent, {name.replace("_", "-"): text for name, text in headers.items()}))

    def take(self, request: Received) -> tuple[int, bytes, Mapping[str, str]]:
        """Remember a request and return the answer."""
        self.received.append(request)
        if self._answers:
            self._last = self._answers.pop(0)
        return self._last


@contextmanager
def local_web(address: str = "127.0.0.1") -> Iterator[LocalWeb]:
    """Give a running service.

    Args:
        address: on which it listens.
    """

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer, fields = web.take(Received(self.command, self.path, headers, body))
            self.send_response(status)
            for name, value in {**fields, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer((address, 0), Handler) as server:
        web = LocalWeb(f"http://{address}:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
