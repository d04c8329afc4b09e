"""What an answer of a registry names as the next request: the `Link` to the next page, or a `Location`.

    Link       = #link-value
    link-value = "<" URI-Reference ">" *( OWS ";" OWS [ link-param ] )
    link-param = token BWS [ "=" BWS ( token / quoted-string ) ]

Source: RFC 8288 §3 (`Link`), §3.2 (what has an `anchor` is about something else), §3.3 (`rel` is a list of
words in any case, and the first `rel` counts); RFC 9110 §10.2.2 (`Location`); RFC 3986 §5 (what is relative).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin, urlsplit

from gocdnext_sdk.oci.transport import Response

_TARGET = re.compile(r"[\s,]*<([^<>]*)>")
# Unquoted, a value is a token; some servers write URLs there, which end at a blank, a comma or a semicolon.
_PARAMETER = re.compile(
    r"[ \t]*;[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*"
    r'(?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?)?',
    re.DOTALL,
)
_END = re.compile(r"[ \t]*(?:,|$)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

_MAX_LENGTH = 16_384
"""Characters of one field."""


def next_page(response: Response) -> str | None:
    """Return the URL of the next page of a list; None if this is the last.

    Raises:
        ValueError: the answer has a `Link` that cannot be read, or leads to something that is not a URL.
    """
    for field in response.headers.get_all("Link"):
        for target, parameters in tuple(_links(field)):
            if "next" in parameters.get("rel", "").lower().split() and "anchor" not in parameters:
                return target_of(response, target)
    return None


def target_of(response: Response, reference: str) -> str:
    """Return the absolute URL, without a fragment, of what an answer refers to.

    Raises:
        ValueError: it is not a URL of a registry, or has a login in it; the message contains none of it.
    """
    base = response.request.url if response.request else ""
    no_url = "its address is not a registry's URL"
    try:
        url = urldefrag(urljoin(base, reference)).url
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # which quotes it
        raise ValueError(no_url) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(no_url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("its address has a login in it")
    return url


def _links(field: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the target of each link, with its parameters by name in lower case.

    Raises:
        ValueError: the field is not as the grammar has it.
    """
    text = field.strip(" \t,")
    if len(text) > _MAX_LENGTH:
        raise ValueError("its `Link` is too long")
    position = 0
    while position < len(text):
        target = _TARGET.match(text, position)
        if target is None:
            raise ValueError("its `Link` cannot be read")
        position = target.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(text, position):
            position = parameter.end()
            name, quoted, bare = parameter.groups()
            if name is not None:
                value = _ESCAPE.sub(r"\1", quoted) if quoted is not None else bare or ""
                parameters.setdefault(name.lower(), value)
        end = _END.match(text, position)
        if end is None:
            raise ValueError("its `Link` cannot be read")
        position = end.end()
        yield target[1], parameters
