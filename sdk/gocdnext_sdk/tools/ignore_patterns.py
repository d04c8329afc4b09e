"""The patterns of ignore files, and what BuildKit leaves out by them.

Source: moby/patternmatcher 0.6.1 `patternmatcher.go`, `MatchesUsingParentResults` as fsutil calls it for
BuildKit (`filter.go`), and Go's `filepath.Match`. `tests/e2e/test_dockerignore.py` compares.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_ESCAPED = r"\\[\x00-/:-@\[-`{-\x7f]"
_IN_SET = rf"(?:[^\\\]\-\udc80-\udcff]|{_ESCAPED})"
_SET = rf"\[(?:\^|(?!\^))(?!:)(?:{_IN_SET}(?:-{_IN_SET})?)+\]"
_GLOB = re.compile(rf"(?!\ufeff)(?:[^\\\[|^{{]|\{{(?![0-9,])|{_ESCAPED}|{_SET})+", re.DOTALL)
"""What `filepath.Match` takes, without what is handed on and means something to Go's regular expressions: a
backslash before a letter, `|`, `^`, `{2}`."""


@dataclass(frozen=True)
class Pattern:
    """A pattern.

    Args:
        text: without the `!`, cleaned.
        negated: whether it takes in again what others leave out.
        matches: tells whether it matches a path, which has no slash at its ends.
    """

    text: str
    negated: bool
    matches: Callable[[str], bool] = field(compare=False, repr=False)


def read(pattern: str) -> Pattern:
    """Return what a pattern means.

    Args:
        pattern: as `dockerignore.parse` gives it.

    Raises:
        ValueError: it is malformed, or something in it would mean more than a pattern has words for.
    """
    negated = pattern.startswith("!")
    text = pattern.removeprefix("!")
    if not _GLOB.fullmatch(text):
        raise ValueError(f"{pattern} is not a pattern")
    return Pattern(text, negated, _matcher(text))


def _matcher(text: str) -> Callable[[str], bool]:
    """Return what `Pattern.compile` makes of a pattern there: a comparison if it has no wildcards."""
    expression, kind, position = "", "exact", 0
    while position < len(text):
        start, character = position, text[position]
        position += 1
        if text.startswith("**", start):
            position += 1 + text.startswith("/", position + 1)
            if position < len(text):
                expression, kind = expression + "(.*/)?", "expression"
            elif kind == "exact":
                kind = "prefix"
            else:
                expression, kind = expression + ".*", "expression"
            if start == 0:
                kind = "suffix"
        elif character in "*?":
            expression, kind = expression + ("[^/]*" if character == "*" else "[^/]"), "expression"
        elif character == "\\":
            expression, kind = expression + text[start : start + 2], "expression"
            position += 1
        elif character in "[]":
            expression, kind = expression + character, "expression"
        else:
            expression += f"\\{character}" if character in ".+(){}$" else character
    if kind == "exact":
        return text.__eq__
    if kind == "prefix":
        return lambda path: path.startswith(text[:-2])
    if kind == "suffix":
        return lambda path: path.endswith(text[2:]) or f"/{path}" == text[2:]
    return _expression(expression)


def _expression(text: str) -> Callable[[str], bool]:
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        try:
            compiled = re.compile(text)
        except re.error as error:
            raise ValueError(f"{text} is not a pattern: {error}") from None
    return lambda path: compiled.fullmatch(path) is not None


def leaves_out(patterns: Sequence[Pattern], path: str, above: Sequence[bool] = ()) -> tuple[bool, list[bool]]:
    """Tell whether BuildKit leaves `path` out.

    Below a directory that a pattern matched, the pattern counts; but it only matched where it made a
    difference: `**/*.log` and `!keep` leave `keep/x.log` out, since nothing had left out `keep`.

    Args:
        patterns: in their order.
        path: relative to the context.
        above: which of them counted for its directory; nothing at the top.

    Returns:
        Whether it is left out, and which patterns counted for it.
    """
    out = False
    counted = []
    for index, pattern in enumerate(patterns):
        counts = bool(above) and above[index]
        if not counts and pattern.negated == out:
            counts = pattern.matches(path)
        counted.append(counts)
        if counts:
            out = not pattern.negated
    return out, counted
