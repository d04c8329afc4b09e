"""`{{expressions}}` in texts: those of Handlebars that metadata-action gives a meaning.

A name that means nothing is a mistake here; Handlebars would take it for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from gocdnext_sdk.errors import Invalid, quoted

Meaning: TypeAlias = Callable[["Expression"], str]
"""What an expression stands for."""

_EXPRESSION = re.compile(r"\{\{(?P<raw>\{|&|)~?\s*(?P<body>[^{}]*?)\s*~?\}\}(?(raw)\}?)")
_ARGUMENT = re.compile(r"""\s+(?:(?P<key>[A-Za-z_]\w*)=)?(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")""")
_NAME = re.compile(r"[A-Za-z_]\w*")
_ESCAPES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#x27;",
    "`": "&#x60;",
    "=": "&#x3D;",
}
"""What `{{x}}` writes for these. Source: Handlebars 4, `utils.js`; a tag has a dash for each in the end."""


class Expression(NamedTuple):
    """One expression.

    Args:
        name: its first word.
        argument: the text in quotes after it; empty without one.
        zone: of `tz='…'`.
        is_raw: `{{{name}}}`, which is not escaped.
    """

    name: str
    argument: str = ""
    zone: str = "UTC"
    is_raw: bool = False


DATES: Final = frozenset({"date", "commit_date"})
"""Expressions with a format as their argument."""


def pieces(text: str) -> Iterator[str | Expression]:
    """Yield text and expressions in order.

    Raises:
        Invalid: something in braces is no expression.
    """
    end = 0
    for match in _EXPRESSION.finditer(text):
        yield _plain(text[end : match.start()])
        yield _read(match)
        end = match.end()
    yield _plain(text[end:])


def names(text: str) -> Iterator[str]:
    """Yield the names of what looks like expressions in a text of another kind; `${{ NAME }}` is none."""
    for match in _EXPRESSION.finditer(text):
        if (name := _NAME.match(match["body"])) and not text.endswith("$", 0, match.start()):
            yield name[0]


def check(text: str, known: Collection[str]) -> None:
    """Check a text before anything is known of the run.

    Raises:
        Invalid: it has an expression that is none of `known`, or is not well formed.
    """
    for piece in pieces(text):
        if isinstance(piece, Expression) and piece.name not in known:
            names = ", ".join(sorted(known))
            raise Invalid(f'"{{{{{piece.name}}}}}" means nothing here', f"choose from {names}")


def expand(text: str, meanings: Mapping[str, Meaning]) -> str:
    """Return a text with what its expressions stand for.

    Raises:
        Invalid: as `check`, or from a meaning, when the run does not tell.
    """
    check(text, meanings)
    return "".join(
        piece if isinstance(piece, str) else _escape(meanings[piece.name](piece), piece)
        for piece in pieces(text)
    )


def is_only(text: str, name: str) -> bool:
    """Tell whether a text is one expression and nothing else."""
    found = [piece for piece in pieces(text) if piece != ""]
    return len(found) == 1 and isinstance(found[0], Expression) and found[0].name == name


def _plain(text: str) -> str:
    if "{{" in text:
        raise Invalid(f"{quoted(text)} has an expression that does not end", 'write it as "{{version}}"')
    return text


def _read(match: re.Match[str]) -> Expression:
    body, raw = match["body"], match["raw"]
    name = _NAME.match(body)
    if name is None or (raw == "{") != match[0].endswith("}}}"):
        raise Invalid(f"{quoted(match[0])} is not an expression", 'write it as "{{version}}"')
    rest, argument, zone = body[name.end() :], "", "UTC"
    while found := _ARGUMENT.match(rest):
        value = found["single"] if found["single"] is not None else found["double"]
        if found["key"] == "tz":
            zone = value
        elif found["key"] or argument:
            raise Invalid(
                f"{quoted(match[0])} has an argument that means nothing", "a date has a format and a tz"
            )
        else:
            argument = value
        rest = rest[found.end() :]
    if rest.strip() or (name[0] in DATES) != bool(argument):
        form = "\"{{date 'YYYYMMDD' tz='UTC'}}\"" if name[0] in DATES else f'"{{{{{name[0]}}}}}"'
        raise Invalid(f"{quoted(match[0])} is not an expression", f"write it as {form}")
    return Expression(name[0], argument, zone, bool(raw))


def _escape(text: str, expression: Expression) -> str:
    return text if expression.is_raw else "".join(_ESCAPES.get(char, char) for char in text)
