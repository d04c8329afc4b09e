"""The globs of `test_reports:`.

Source: `match.go` and `validate.go` of github.com/bmatcuk/doublestar/v4 4.10.0, which the agent uses.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

_PIECE: Final = re.compile(r"\\.|\[(?:\\.|[^\]\\])+\]|.", re.DOTALL)
_MOST: Final = 1000
"""Alternatives of one glob."""


@lru_cache(maxsize=256)
def compiled(glob: str) -> re.Pattern[str]:
    """Return the expression that a path below the workspace matches if it matches the glob.

    Raises:
        ValueError: it is not a glob.
    """
    pieces = _PIECE.findall(posixpath.normpath(glob.lstrip("/")))
    choices = list(islice(_choices(pieces), _MOST + 1))
    if len(choices) > _MOST:
        raise ValueError(f"it has more than {_MOST} alternatives")
    return re.compile("|".join(map(_expression, choices)), re.DOTALL)


def _choices(pieces: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the glob once for each way through its braces."""
    if "}" in pieces and "{" not in pieces[: pieces.index("}")]:
        raise ValueError("it has a } without a {")
    if "{" not in pieces:
        yield pieces
        return
    start = at = pieces.index("{")
    depth, commas = 0, []
    for at, piece in enumerate(pieces[start:], start=start):
        depth += (piece == "{") - (piece == "}")
        if not depth:
            break
        if piece == "," and depth == 1:
            commas.append(at)
    if depth:
        raise ValueError("it has a { without a }")
    for left, right in zip([start, *commas], [*commas, at], strict=True):
        yield from _choices([*pieces[:start], *pieces[left + 1 : right], *pieces[at + 1 :]])


def _expression(pieces: Sequence[str]) -> str:
    found: list[str] = []
    begins = True  # a directory or file; `**` stands for directories only there
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        at += 1
        if piece == "*" and pieces[at : at + 1] == ["*"]:
            at += 1
            if begins and at == len(pieces):
                found.append(".*")
                continue
            if begins and pieces[at] == "/":
                found.append("(?:[^/]+/)*")
                at += 1
                continue
        begins = piece == "/"
        found.append({"*": "[^/]*", "?": "[^/]"}.get(piece) or _text(piece))
    return "".join(found)


def _text(piece: str) -> str:
    if piece in ("[", "\\"):
        raise ValueError(f"its {piece} has nothing behind it")
    if len(piece) == 1 or piece[0] == "\\":
        return re.escape(piece[-1])
    inner = piece[1:-1]
    negated = inner[0] in "!^"
    characters = re.findall(r"\\.|.", inner[negated:], re.DOTALL)
    if not characters:
        raise ValueError(f"{piece} has no character")
    found: list[str] = []
    at = 0
    while at < len(characters):
        first, last = characters[at][-1], characters[at + 2 : at + 3]
        found.append(re.escape(first))
        at += 1
        if last and characters[at] == "-":
            if first <= last[0][-1]:
                found.append(f"{re.escape(first)}-{re.escape(last[0][-1])}")
            at += 2
    return f"(?!/)[{'^' if negated else ''}{''.join(found)}]"
