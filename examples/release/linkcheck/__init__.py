"""A small web service: POST a page, get its links and which of them are no valid URL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

MAX_PAGE = 1024 * 1024
"""Bytes."""


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


def check(page: str) -> dict[str, list[str]]:
    """Return the links of `page` under "good" and "broken"."""
    parser = _Links()
    parser.feed(page)
    result: dict[str, list[str]] = {"good": [], "broken": []}
    for link in parser.found:
        result["good" if _is_valid(link) else "broken"].append(link)
    return result


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Serve it (WSGI)."""
    if environ["REQUEST_METHOD"] != "POST":
        start_response("405 Method Not Allowed", [("Allow", "POST")])
        return [b"POST an HTML page\n"]
    size = min(int(environ.get("CONTENT_LENGTH") or 0), MAX_PAGE)
    page = environ["wsgi.input"].read(size).decode(errors="replace")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(check(page)).encode()]


def _is_valid(link: str) -> bool:
    try:
        parts = urlsplit(link)
        return bool(parts.path or parts.netloc or parts.fragment) and parts.scheme in (
            "",
            "http",
            "https",
            "mailto",
        )
    except ValueError:
        return False
