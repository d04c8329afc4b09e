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
_PIECES = (
    r"(?P<name>\(\?<(?![=!])(?P<group>\w+)>|\\k<(?P<again>\w+)>)"
    r"|(?P<escape>\\.)"
    r"|(?P<set>\[\^?(?P<members>(?:\\.|[^\]\\])*)\])"
    r"|(?P<special>\(\?(?::|<?[=!])?)"
    r"|(?P<quantifier>(?:[*+?]|\{\d+(?:,\d*)?\})\??)"
    r"|."
)
"""What a pattern is made of, where the two languages differ. Source: ECMA-262 §22.2.1 and §B.1.2.

Compiled where it is used, since few jobs have a pattern.
"""
_PYTHON_ESCAPES = frozenset("AZaUN")


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
        flags = re.ASCII
        for letter in self.flags:
            flags |= _FLAGS.get(letter, re.ASCII)
        try:
            return re.compile(re.sub(_PIECES, self._for_python, self.text, flags=re.DOTALL | re.ASCII), flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise Invalid(f"{quoted(self.text)} is not a regular expression: {error}") from None

    def _for_python(self, token: re.Match[str]) -> str:
        """Return a token for Python, which means the same there.

        Raises:
            re.error: JavaScript would refuse it, or has another meaning for it.
        """
        text = token[0]
        if token["name"]:
            return f"(?P<{token['group']}>" if token["group"] else f"(?P={token['again']})"
        if token["escape"] and text[1] in _PYTHON_ESCAPES:
            raise re.error(f"JavaScript has no {text}")
        if token["special"] == "(?":
            raise re.error("JavaScript has no such group; flags stand behind it, as in /v(.*)/i")
        follows = self.text[token.end() : token.end() + 1]
        if (token["quantifier"] and follows == "+") or re.match(r"\{,\d*\}", self.text[token.start() :]):
            raise re.error("JavaScript has no such quantifier")
        return self._set(text, token["members"]) if token["set"] else text

    def _set(self, text: str, members: str) -> str:
        plain = re.sub(r"\\.", "", members, flags=re.DOTALL)
        if not members or "--" in plain or ("v" in self.flags and re.search(r"\[|&&", plain)):
            raise re.error(
                f"JavaScript reads {text} in another way; put a backslash before what stands for itself"
            )
        escapes = set(re.findall(r"\\(.)", members, flags=re.DOTALL)) & _PYTHON_ESCAPES
        if escapes:
            raise re.error(f"JavaScript has no \\{min(escapes)}")
        inner = re.sub(r"(\\.)|([\[&|~])", lambda each: each[1] or f"\\{each[2]}", members, flags=re.DOTALL)
        return f"{text[: -len(members) - 1]}{inner}]"

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
