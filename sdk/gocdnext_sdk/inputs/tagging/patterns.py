"""Regular expressions as JavaScript has them, as far as people write them for tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from gocdnext_sdk.errors import Invalid, quoted

_LITERAL = re.compile(r"/(.+)/(.*)", re.DOTALL)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_IGNORED = frozenset("duvg")
"""What they change is nothing in a tag; `g` is told apart where groups are taken."""
_REWRITES = (
    (re.compile(r"\(\?<([A-Za-z_]\w*)>"), r"(?P<\1>"),
    (re.compile(r"\\k<([A-Za-z_]\w*)>"), r"(?P=\1)"),
)


@dataclass(frozen=True)
class JsPattern:
    """A pattern.

    Args:
        text: its source.
        flags: letters, as after the last slash.
    """

    text: str
    flags: str = ""

    @classmethod
    def parse(cls, text: str) -> JsPattern:
        """Read `v(.*)`, or `/v(.*)/i`, with flags.

        Raises:
            Invalid: it is no pattern.
        """
        literal = _LITERAL.fullmatch(text)
        found = cls(literal[1], literal[2]) if literal else cls(text)
        unknown = set(found.flags) - _IGNORED - set(_FLAGS) - {"y"}
        if unknown or len(set(found.flags)) != len(found.flags):
            raise Invalid(f"{quoted(found.flags)} are not flags of a pattern", 'write them as "/v(.*)/i"')
        return found.checked()

    @classmethod
    def plain(cls, text: str) -> JsPattern:
        """Read a pattern without slashes around it.

        Raises:
            Invalid: it is no pattern.
        """
        return cls(text).checked()

    def checked(self) -> JsPattern:
        """Return it, if it is a pattern.

        Raises:
            Invalid: it is none.
        """
        _ = self.compiled
        return self

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The same for Python."""
        text = self.text
        for written, meant in _REWRITES:
            text = written.sub(meant, text)
        flags = re.ASCII
        for letter in self.flags:
            flags |= _FLAGS.get(letter, re.ASCII)
        try:
            return re.compile(text, flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise Invalid(f"{quoted(self.text)} is not a regular expression: {error}") from None

    @property
    def groups(self) -> int:
        """How many groups it has."""
        return self.compiled.groups

    def match(self, text: str) -> list[str | None] | None:
        """Return what `text.match(pattern)` returns in JavaScript: the groups, or with `g` every match.

        None: it does not match.
        """
        if "g" in self.flags:
            return [each[0] for each in self.compiled.finditer(text)] or None
        find: Callable[[str], re.Match[str] | None] = self.compiled.search
        if "y" in self.flags:
            find = self.compiled.match
        found = find(text)
        return [found[0], *found.groups()] if found else None
