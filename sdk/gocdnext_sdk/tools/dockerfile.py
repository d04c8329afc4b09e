"""Read a Dockerfile: its instructions, their flags and here-documents, each with its line.

It reads as BuildKit's parser does (moby/buildkit 0.33, `frontend/dockerfile/parser`); a test compares
the two. Variables are not expanded, and what an instruction says is not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gocdnext_sdk.tools import shell_words
from gocdnext_sdk.tools.shell_words import SPACE

KEYWORDS = frozenset(
    (
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
        *("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    )
)
"""The instructions that BuildKit knows."""

_WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})
_WITH_JSON = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "HEALTHCHECK", "RUN", "SHELL", "VOLUME"})
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*")
_BLANKS = re.compile(r"[\t\v\f\r ]+")
_COMMENT = re.compile(f"[{SPACE}]*#")
_HEREDOC = re.compile(r"(\d*)<<(-?)[\t\n\f\r ]*([^<]*)", re.ASCII)
_MAX_LINE = 65536
"""Bytes of a line with its end: Go's `bufio.MaxScanTokenSize`."""


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


@dataclass(frozen=True)
class Instruction:
    """An instruction.

    Args:
        line: where it starts, counted from 1.
        keyword: in upper case.
        flags: name to value, in order; a flag without a value has None.
        text: what follows the flags, on one line.
        heredocs: of ADD, COPY and RUN, and of an ONBUILD of these.
        trigger: what an ONBUILD holds for the builds that start from its image.
    """

    line: int
    keyword: str
    flags: tuple[tuple[str, str | None], ...]
    text: str
    heredocs: tuple[Heredoc, ...] = ()
    trigger: Instruction | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of `text`, of its JSON form if it has one; quotes and here-documents left out."""
        words = json_words(self.text)
        if words is not None:
            return words
        return tuple(word.strip("\"'") for word in self._split() if not _is_heredoc(word))

    def _split(self) -> Iterable[str]:
        with suppress(ValueError):
            if self.heredocs:  # the delimiter of one may have a blank, between quotes
                return shell_words.split(self.text, raw=True)
        return filter(None, _BLANKS.split(self.text))

    @property
    def script(self) -> Heredoc | None:
        """The here-document that is the whole command of a RUN, and not the input of one."""
        is_script = self.keyword == "RUN" and len(self.heredocs) == 1 and parse_heredoc(self.text) is not None
        return self.heredocs[0] if is_script else None


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile.

    Args:
        directives: those at its top, names in lower case.
        instructions: in order, at least one.
        frontend: the image that its `syntax` directive names.
    """

    directives: Mapping[str, str]
    instructions: tuple[Instruction, ...]
    frontend: str | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of its stages, in order, in lower case; empty for one without."""
        return tuple(base_and_stage(each)[1] for each in self.instructions if each.keyword == "FROM")


def base_and_stage(instruction: Instruction) -> tuple[str, str]:
    """Return what a FROM starts from, and the name of its stage, in lower case; empty if it has none."""
    base, *name = re.split(r"\s+as\s+", instruction.text.strip(), maxsplit=1, flags=re.IGNORECASE)
    return base.strip("\"'"), name[0].strip().lower() if name else ""


def json_words(text: str) -> tuple[str, ...] | None:
    """Return the words of an instruction's JSON (exec) form, None if it is not in that form."""
    words = _json_list(text)
    if words is None:
        return None
    strings = tuple(word for word in words if isinstance(word, str))
    return strings if len(strings) == len(words) else None


def parse(text: str) -> Dockerfile:
    """Parse a Dockerfile.

    Args:
        text: with its line ends, whatever they are.

    Raises:
        ValueError: BuildKit would not build it; the message begins with the line if there is one.
    """
    text = text.removeprefix("\ufeff")
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    for number, line in enumerate(lines, start=1):
        if len(line) * 4 >= _MAX_LINE and len(line.encode(errors="replace")) > _MAX_LINE:
            raise ValueError(f"line {number}: is longer than {_MAX_LINE - 1} bytes")
    directives: dict[str, str] = {}
    for number, name, value in _directives(lines):
        if name in directives:
            raise ValueError(f"line {number}: there is a second {name} directive")
        directives[name] = value
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise ValueError(f'the directive escape={escape} is neither "\\" nor "`"')
    instructions = tuple(_Reader(lines, escape).instructions())
    if not instructions:
        raise ValueError("has no FROM, nor any other instruction")
    return Dockerfile(directives, instructions, _frontend(text, lines))


def parse_heredoc(word: str) -> Heredoc | None:
    """Return the here-document, still without content, that a shell word starts; None if there is none.

    Raises:
        ValueError: its delimiter has a quote that does not end.
    """
    found = _HEREDOC.fullmatch(word)
    if not found or not found[3]:
        return None
    names = shell_words.split(found[3], raw=False)
    return Heredoc(names[0], found[2] + found[3], "") if len(names) == 1 else None


def _is_heredoc(word: str) -> bool:
    try:
        return parse_heredoc(word) is not None
    except ValueError:
        return False


def _directives(
    lines: Sequence[str], comment: str = "#", *, indented: bool = True
) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and value of the directives at the top of `lines`."""
    for number, each in enumerate(lines, start=1):
        line = each.rstrip("\r\n")
        line = _trim(line) if indented else line
        if not line.startswith(comment):
            return
        match = _DIRECTIVE.fullmatch(_trim(line.removeprefix(comment)))
        if not match or match[1].lower() not in _DIRECTIVES:
            return
        yield number, match[1].lower(), match[2]


def _frontend(text: str, lines: Sequence[str]) -> str | None:
    """Return the image of the frontend, as `DetectSyntax` of `parser/directives.go` finds it."""
    rest = lines[1:] if text.startswith("#!") else lines
    for comment in ("#", "//"):
        for _, name, value in _directives(rest, comment, indented=False):
            if name == "syntax":
                return value.partition(" ")[0]
    body = "".join(rest)
    try:
        document = json.loads(body) if body.lstrip().startswith("{") else {}
    except (ValueError, RecursionError):
        return None
    syntax = document.get("syntax") if isinstance(document, dict) else None
    return syntax if isinstance(syntax, str) else None


class _Reader:
    """Reads instructions one after the other."""

    def __init__(self, lines: Sequence[str], escape: str) -> None:
        self._numbered = iter(enumerate(lines, start=1))
        self._escape = escape
        known = re.escape(escape)
        self._continued = re.compile(rf"([^{known}]){known}[ \t]*\Z|^{known}[ \t]*\Z")

    def instructions(self) -> Iterator[Instruction]:
        for number, each in self._numbered:
            first = re.sub(f"^[{SPACE}]+", "", each.rstrip("\r\n"))
            if not first or _COMMENT.match(first):
                continue
            line = self._whole(first)
            instruction = self._instruction(line, number)
            documented = instruction.trigger or instruction
            if documented.keyword not in _WITH_HEREDOCS or json_words(documented.text) is not None:
                yield instruction
                continue
            heredocs = tuple(self._content(each, number) for each in _heredocs(line, number))
            trigger = instruction.trigger and _with(instruction.trigger, heredocs)
            yield Instruction(
                number, instruction.keyword, instruction.flags, instruction.text, heredocs, trigger
            )

    def _whole(self, line: str) -> str:
        """Return an instruction's first line and those that continue it, as one."""
        line, continues = self._cut(line)
        parts = [line]
        while continues:
            _, following = next(self._numbered, (0, None))
            if following is None:
                break
            stripped = following.rstrip("\r\n")
            if _COMMENT.match(following) or not stripped.strip():
                continue
            line, continues = self._cut(stripped)
            parts.append(line)
        return "".join(parts)

    def _cut(self, line: str) -> tuple[str, bool]:
        found = self._continued.search(line)
        return (line[: found.start()] + (found[1] or ""), True) if found else (line, False)

    def _instruction(self, line: str, number: int) -> Instruction:
        keyword, *rest = _BLANKS.split(_trim(line), maxsplit=1)
        flags, text = _flags(rest[0], self._escape) if rest else ((), "")
        text = _trim(text)
        keyword = keyword.upper()
        if keyword in _WITH_JSON:
            # HEALTHCHECK has a word before it: `CMD ["test"]`.
            array = text if keyword != "HEALTHCHECK" else re.sub(f"^[^{SPACE}]+[{SPACE}]*", "", text)
            if not all(isinstance(word, str) for word in _json_list(array) or ()):
                raise ValueError(f"line {number}: the JSON array of {keyword} may hold strings only")
        trigger = self._instruction(text, number) if keyword == "ONBUILD" and text else None
        return Instruction(number, keyword, flags, text, (), trigger)

    def _content(self, heredoc: Heredoc, start: int) -> Heredoc:
        content: list[str] = []
        for _, line in self._numbered:
            end = line.rstrip("\r\n")
            if (end.lstrip("\t") if heredoc.word.startswith("-") else end) == heredoc.name:
                return Heredoc(heredoc.name, heredoc.word, "".join(content))
            content.append(line)
        raise ValueError(f'line {start}: the here-document "{heredoc.name}" does not end')


def _with(instruction: Instruction, heredocs: tuple[Heredoc, ...]) -> Instruction:
    return Instruction(instruction.line, instruction.keyword, instruction.flags, instruction.text, heredocs)


def _heredocs(line: str, number: int) -> Iterator[Heredoc]:
    """Yield the here-documents that a line starts, still without content."""
    if "<<" not in line:
        return
    try:
        words = shell_words.split(line, raw=True)
    except ValueError:  # a quote that only the shell can understand: then there are none, as in BuildKit
        return
    for word in words:
        try:
            heredoc = parse_heredoc(word)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if heredoc is not None:
            yield heredoc


def _flags(text: str, escape: str) -> tuple[tuple[tuple[str, str | None], ...], str]:
    """Return the flags at the beginning of `text`, and what follows them.

    BuildKit looks at one byte at a time here (`extractBuilderFlags` in `parser/split_command.go`).
    """
    line = text.encode(errors="replace").decode("latin-1")
    flags: list[tuple[str, str | None]] = []
    position, end = 0, len(line)
    while True:
        while position < end and re.match(f"[{SPACE}]", line[position]):
            position += 1
        if not line.startswith("--", position):
            break
        word, position = _flag(line, position, escape)
        if word == "--":
            break
        if word:
            name, equals, value = word.removeprefix("--").partition("=")
            flags.append((name, value if equals else None))
    return tuple(flags), line[position:].encode("latin-1").decode(errors="replace")


def _flag(line: str, position: int, escape: str) -> tuple[str, int]:
    """Return the word at `position` without quotes and escapes, and where it ends."""
    word: list[str] = []
    quote = ""
    while position < len(line):
        character = line[position]
        if not quote and re.match(f"[{SPACE}]", character):
            break
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == escape:
            position += 1
            word.append(line[position : position + 1])
        else:
            word.append(character)
        position += 1
    return "".join(word), position


def _trim(text: str) -> str:
    return re.sub(f"^[{SPACE}]+|[{SPACE}]+\\Z", "", text)


def _json_list(text: str) -> list[object] | None:
    def refuse(constant: str) -> object:
        raise ValueError(constant)

    if not text.startswith("["):
        return None
    try:
        words = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) else None
