"""Read a Dockerfile: its instructions, their flags and here-documents, each with its line.

It reads as BuildKit's parser does (moby/buildkit, `frontend/dockerfile/parser`), as far as a plugin has to
know what a Dockerfile asks for. Variables are not expanded, and no instruction is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*?)\s*")
_COMMENT = re.compile(r"\s*#")
_FLAG = re.compile(
    r"""--(?P<name>[A-Za-z][\w-]*)(?:=(?P<value>(?:"[^"]*"|'[^']*'|\\.|[^\s"'\\])*))?(?:\s+|$)"""
)
# A word of the shell that starts a here-document, outside of quotes.
_HEREDOC = re.compile(
    r"""(?P<quoted>"(?:\\.|[^"\\])*"|'[^']*'|\\.)
    | (?<![<\w]) \d*<<(?P<dash>-?)(?P<word>(?:"[^"\s]*"|'[^'\s]*'|\\.|[^\s<>|;&()"'\\])+)""",
    re.VERBOSE,
)
_WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})


@dataclass(frozen=True)
class Heredoc:
    """A here-document.

    Args:
        name: its delimiter.
        word: the delimiter as it is written, with quotes and a leading dash.
        content: its lines, as they are written.
    """

    name: str
    word: str
    content: str

    @property
    def expands(self) -> bool:
        """Whether variables in it are expanded: the delimiter is not quoted."""
        return not re.search(r"""["'\\]""", self.word)


@dataclass(frozen=True)
class Instruction:
    """An instruction.

    Args:
        line: where it starts, counted from 1.
        keyword: in upper case.
        flags: name to value, in order; a flag without a value has None.
        text: what follows the flags, on one line.
        heredocs: of ADD, COPY and RUN.
    """

    line: int
    keyword: str
    flags: tuple[tuple[str, str | None], ...]
    text: str
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of `text`, of its JSON form if it has one; quotes and here-documents left out."""
        words = json_words(self.text)
        if words is not None:
            return words
        plain = _HEREDOC.sub(lambda each: each[0] if each["quoted"] else "", self.text)
        return tuple(word.strip("\"'") for word in plain.split())


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile.

    Args:
        directives: those at its top, names in lower case.
        instructions: in order.
    """

    directives: Mapping[str, str]
    instructions: tuple[Instruction, ...]


def json_words(text: str) -> tuple[str, ...] | None:
    """Return the words of an instruction's JSON (exec) form, None if it is not in that form."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except ValueError:
        return None
    strings = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return tuple(words) if strings else None


def parse(text: str) -> Dockerfile:
    """Parse a Dockerfile.

    Raises:
        ValueError: a here-document does not end; the message begins with its line.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    directives = dict(_directives(lines))
    escape = "`" if directives.get("escape") == "`" else "\\"
    return Dockerfile(directives, tuple(_instructions(lines, escape)))


def _directives(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        found = _DIRECTIVE.fullmatch(line.strip())
        if not found:
            return
        yield found[1].lower(), found[2]


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    numbered = iter(enumerate(lines, start=1))
    continued = re.compile(rf"(?:(?<=[^{re.escape(escape)}])|^){re.escape(escape)}[ \t]*$")
    for start, first in numbered:
        if not first.strip() or _COMMENT.match(first):
            continue
        text = first.strip()
        while (cut := continued.sub("", text)) != text:
            text = cut
            for _, line in numbered:  # comments and empty lines within are dropped
                if line.strip() and not _COMMENT.match(line):
                    text += line.rstrip()
                    break
            else:
                break
        keyword, *rest = text.split(maxsplit=1)
        flags, text = _flags(rest[0].strip() if rest else "")
        heredocs: tuple[Heredoc, ...] = ()
        if keyword.upper() in _WITH_HEREDOCS and json_words(text) is None:
            heredocs = tuple(
                _heredoc(each, start, numbered) for each in _HEREDOC.finditer(text) if each["word"]
            )
        yield Instruction(start, keyword.upper(), flags, text, heredocs)


def _flags(text: str) -> tuple[tuple[tuple[str, str | None], ...], str]:
    flags: list[tuple[str, str | None]] = []
    while found := _FLAG.match(text):
        value = found["value"]
        flags.append((found["name"], None if value is None else re.sub(r"[\"']", "", value)))
        text = text[found.end() :]
    return tuple(flags), text


def _heredoc(found: re.Match[str], line: int, numbered: Iterator[tuple[int, str]]) -> Heredoc:
    name = re.sub(r"""["'\\]""", "", found["word"])
    content: list[str] = []
    for _, each in numbered:
        if (each.lstrip("\t") if found["dash"] else each) == name:
            return Heredoc(name, found["dash"] + found["word"], "".join(f"{text}\n" for text in content))
        content.append(each)
    raise ValueError(f'line {line}: the here-document "{name}" does not end')
