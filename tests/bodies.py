"""The body of a request that a test's server gets."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler


def body_of(handler: BaseHTTPRequestHandler) -> bytes:
    """Read the whole body, in chunks or of a stated length."""
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    body = bytearray()
    while size := int(handler.rfile.readline().partition(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return bytes(body)
