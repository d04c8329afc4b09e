"""What the local Sigstore answers itself: the issuer's public documents and requests for certificates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local_sigstore.authority import Authority
from local_sigstore.tokens import Issuer, Refused

MAX_REQUEST = 1 << 20
"""Bytes; a request for a certificate has a few thousand."""


def server(address: tuple[str, int], issuer: Issuer, authority: Authority) -> ThreadingHTTPServer:
    """Return a server, bound and not yet serving.

    Args:
        address: where it listens; port 0 takes a free one.
        issuer: its discovery document and its keys are served.
        authority: answers Fulcio's ``POST /api/v2/signingCert``.
    """
    documents: Mapping[str, Callable[[], Any]] = {
        "/.well-known/openid-configuration": issuer.discovery,
        "/.well-known/jwks.json": lambda: issuer.jwks,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in documents:
                self._answer(HTTPStatus.OK, documents[self.path]())
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "there is nothing at this path")

        def do_POST(self) -> None:
            if self.path != "/api/v2/signingCert":
                self._refuse(HTTPStatus.NOT_FOUND, "there is nothing at this path")
                return
            try:
                bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
                answer = authority.issue(self._request(), bearer)
            except Refused as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            else:
                self._answer(HTTPStatus.OK, answer)

        def _request(self) -> Mapping[str, Any]:
            size = self.headers.get("Content-Length", "")
            if not size.isdigit() or int(size) > MAX_REQUEST:
                raise Refused("the request has no length, or is too long")
            try:
                request = json.loads(self.rfile.read(int(size)))
            except ValueError:
                raise Refused("the request is not JSON") from None
            if not isinstance(request, dict):
                raise Refused("the request is not a JSON object")
            return request

        def _refuse(self, status: HTTPStatus, message: str) -> None:
            # As gRPC's gateway words an error, which is what clients of Fulcio read.
            self._answer(status, {"code": 3, "message": message, "details": []})

        def _answer(self, status: HTTPStatus, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: the container's log holds what goes wrong, and the documents."""

    return ThreadingHTTPServer(address, Handler)
