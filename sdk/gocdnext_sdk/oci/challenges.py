"""The `WWW-Authenticate` header, read by its grammar.

    WWW-Authenticate = #challenge
    challenge        = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
    auth-param       = token BWS "=" BWS ( token / quoted-string )

Commas separate challenges and parameters alike, so a challenge ends where a comma is followed by a token
without a "=". Neither the standard library nor urllib3 parses that: `urllib.request.parse_http_list` takes a
single challenge.

Source: RFC 9110 §11.6.1, §11.2, §5.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_NAME})(?=[ \t]*(?:,|$)|[ \t]+)")
_TOKEN68 = re.compile(r"[ \t]+([A-Za-z0-9._~+/-]+=*)[ \t]*(?=,|$)")
# Unquoted, a value is a token; some registries write URLs there, which end at a blank or a comma.
_PARAMETER = re.compile(
    rf'[ \t,]*({_NAME})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))[ \t]*(?=,|$)', re.DOTALL
)
_SEPARATOR = re.compile(r"[\s,]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

_MAX_LENGTH = 16_384
"""Characters that are read of one field."""

_MAX_COUNT = 32
"""Challenges that are read of one response; a field of that length could hold thousands."""


@dataclass(frozen=True)
class Challenge:
    """One way to log in.

    Args:
        scheme: such as `bearer`, in lower case.
        parameters: by name in lower case; the first of those that occur twice.
        token68: what stands in the place of parameters.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    token68: str = ""

    def __str__(self) -> str:
        escaped = {name: re.sub(r'(["\\])', r"\\\1", value) for name, value in self.parameters.items()}
        parameters = ", ".join(f'{name}="{value}"' for name, value in escaped.items())
        return f"{self.scheme} {self.token68 or parameters}".rstrip()


def parse_challenges(fields: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all `WWW-Authenticate` fields, in order; what does not parse is skipped."""
    found = (challenge for field in fields for challenge in _parse(field[:_MAX_LENGTH]))
    return tuple(islice(found, _MAX_COUNT))


def _parse(text: str) -> Iterator[Challenge]:
    position = 0
    while position < len(text):
        if separator := _SEPARATOR.match(text, position):
            position = separator.end()
        elif scheme := _SCHEME.match(text, position):
            name, position = scheme[1].lower(), scheme.end()
            if token68 := _TOKEN68.match(text, position):
                position = token68.end()
                yield Challenge(name, {}, token68[1])
                continue
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(text, position):
                position = parameter.end()
                quoted, bare = parameter[2], parameter[3]
                value = bare if quoted is None else _ESCAPE.sub(r"\1", quoted)
                parameters.setdefault(parameter[1].lower(), value)
            yield Challenge(name, parameters)
        else:  # does not parse: continue at the next comma
            comma = text.find(",", position)
            position = len(text) if comma < 0 else comma + 1
