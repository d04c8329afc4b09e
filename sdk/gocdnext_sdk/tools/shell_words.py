"""Split a line of a Dockerfile into the words that its shell would see, nothing expanded.

A port of what BuildKit's parser uses to find here-documents: `frontend/dockerfile/shell/lex.go` of
moby/buildkit 0.33 with no variable set and `SkipUnsetEnv`, its oddities included, since they decide which
lines belong to a here-document and which are instructions.
"""

from __future__ import annotations

import re

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Go's `unicode.IsSpace` takes for a space, as a character class of a regular expression."""

_SPACE = re.compile(f"[{SPACE}]")
_END = ""


def split(text: str, *, raw: bool) -> tuple[str, ...]:
    """Return the words of `text`.

    Args:
        text: the line.
        raw: keep quotes and backslashes in the words.

    Raises:
        ValueError: a quote or a brace is not closed.
    """
    return _Lexer(text, raw).words()


class _Lexer:
    def __init__(self, text: str, raw: bool) -> None:
        self._text = text
        self._position = 0
        self._raw_quotes = raw
        self._raw_escapes = raw
        self._word: list[str] = []

    def words(self) -> tuple[str, ...]:
        return self._read(_END, self._raw_escapes)[1]

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _next(self) -> str:
        character = self._peek()
        self._position += 1
        return character

    def _read(self, stop: str, raw_escapes: bool) -> tuple[str, tuple[str, ...]]:
        """Read up to `stop`; return what was read, and its words."""
        outer, self._raw_escapes = self._raw_escapes, raw_escapes
        try:
            return self._read_words(stop)
        finally:
            self._raw_escapes = outer

    def _read_words(self, stop: str) -> tuple[str, tuple[str, ...]]:
        # One buffer for all levels, as in lex.go: a `${…}` drops what stands before it in the same word.
        self._word.clear()
        result: list[str] = []
        words: list[str] = []
        inside = False

        def put(characters: str, *, parted: bool) -> None:
            nonlocal inside
            for character in characters:
                if not parted or not _SPACE.match(character):
                    self._word.append(character)
                    inside = True
                elif inside and self._word:
                    words.append("".join(self._word))
                    self._word.clear()
                    inside = False

        def ended() -> tuple[str, tuple[str, ...]]:
            if self._word:
                words.append("".join(self._word))
                self._word.clear()
            return "".join(result), tuple(words)

        special = {"$": self._dollar, "<": self._angle, "'": self._single_quoted, '"': self._double_quoted}
        while character := self._peek():
            if character == stop:
                self._next()
                return ended()
            if character in special:
                piece = special[character]()
                put(piece, parted=character == "$")
            else:
                piece = self._next()
                if piece == "\\":
                    if self._raw_escapes:
                        put(piece, parted=False)
                        result.append(piece)
                    piece = self._next()
                    put(piece, parted=False)
                else:
                    put(piece, parted=True)
            result.append(piece)
        if stop:
            raise ValueError(f"there is no {stop} where one is needed")
        return ended()

    def _single_quoted(self) -> str:
        start = self._position + 1
        end = self._text.find("'", start)
        if end < 0:
            raise ValueError("a single quote is not closed")
        self._position = end + 1
        return self._text[start - 1 : end + 1] if self._raw_quotes else self._text[start:end]

    def _double_quoted(self) -> str:
        quote = self._next() if self._raw_quotes else self._next() and ""
        result = [quote]
        while character := self._peek():
            if character == '"':
                self._next()
                return "".join((*result, quote))
            if character == "$":
                result.append(self._dollar())
                continue
            self._next()
            if character == "\\":
                if self._raw_escapes:
                    result.append(character)
                if not self._peek():
                    continue
                if self._peek() in '"$\\':
                    character = self._next()
            result.append(character)
        raise ValueError("a double quote is not closed")

    def _angle(self) -> str:
        """Read `<`, or `<<` with the blanks that may stand before a here-document's word."""
        self._next()
        if self._peek() != "<":
            return "<"
        self._next()
        start = self._position
        while self._peek() and self._peek() in "\t\r ":
            self._next()
        return "<<" + self._text[start : self._position]

    def _dollar(self) -> str:
        """Read a variable and return it as it is written."""
        self._next()
        if self._peek() != "{":
            return f"${self._name()}"
        self._next()
        if self._peek() in ("", "{", "}", ":"):
            raise ValueError("a ${…} names no variable")
        name = self._name()
        operator = self._next()
        if operator == "}":
            return f"${{{name}}}"
        if operator == "/":
            if self._peek() == "/":
                self._next()
            pattern, _ = self._read("/", True)
            replacement, _ = self._read("}", True)
            return f"${{{name}/{pattern}/{replacement}}}"
        modifier = operator + (self._next() if operator == ":" else "")
        last = modifier[-1:]
        if operator not in (":", "+", "-", "?", "#", "%") or modifier in (":#", ":%"):
            raise ValueError("a ${…} has a modifier that is not known")
        word, _ = self._read("}", last in ("#", "%"))
        return f"${{{name}{modifier}{word}}}"

    def _name(self) -> str:
        start = self._position
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._next()
        elif first and first in "@*#?-$!0":
            self._next()
        else:
            while (character := self._peek()) and (
                character.isalpha() or character.isdecimal() or character == "_"
            ):
                self._next()
        return self._text[start : self._position]
