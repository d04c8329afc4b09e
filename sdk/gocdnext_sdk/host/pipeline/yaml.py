"""YAML text to nodes that keep what the platform's rules ask for: each scalar's text, and places.

Built on libyaml's events, the parser that the server's Go library was ported from; where that
library, yaml.v3, has gone its own way, so does this. Loading to
Python values would lose the text (`1.10` becomes a number), so nothing is loaded: what a scalar
means is decided by `gocdnext_sdk.contract.scalars`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import yaml

from gocdnext_sdk.contract import scalars
from gocdnext_sdk.contract.scalars import Scalar
from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark, PipelineError

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # YAML's own, which are not those of str.splitlines
_MARK_IN_TEXT = re.compile("(?:^\ufeff|[\n\r\x85\u2028\u2029])\ufeff")
"""Libyaml skips it, yaml.v3 takes it for a part of what follows, such as a key."""

# The pure Python parser gives the same events, 24 times slower.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


MAX_DEPTH = 100
"""How deep a file may be nested, aliases followed. No pipeline is a tenth of that."""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A text."""

    mark: Mark
    scalar: Scalar
    alias: Mark | None = None
    """Where an alias stands for it, if one does."""


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A map as written: duplicates and merge keys are still in."""

    mark: Mark
    entries: tuple[tuple[Node, Node], ...]


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


def compose(text: str, file: str) -> Node:
    """Return the first document of a YAML text; the server reads no further either.

    Args:
        text: the file's content.
        file: the name that marks carry.

    Raises:
        PipelineError: not YAML, or no document in it.
    """
    if found := _MARK_IN_TEXT.search(text):
        line = len(LINE_BREAK.findall(text, 0, found.end()))
        what = "not YAML: a byte order mark within the text"
        raise PipelineError(Diagnostic(Mark(file, line + 1, 1), what, "remove the invisible character"))
    try:
        return _Composer(text, file).document()
    except yaml.MarkedYAMLError as error:
        raise PipelineError(_syntax_problem(error, text, file)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"not YAML: the character {error.character!r} is not allowed"
        raise PipelineError(Diagnostic(Mark(file, line, 1), what, "remove it")) from None


def is_null(node: Node) -> bool:
    """Tell whether the node is `~`, `null` or nothing at all."""
    return isinstance(node, ScalarNode) and scalars.is_null(node.scalar)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Diagnostic:
    at = error.problem_mark or error.context_mark
    if at is None:
        return Diagnostic(Mark(file, 1, 1), f"not YAML: {error.problem}")
    mark = Mark(file, at.line + 1, at.column + 1)
    if error.problem == "found character that cannot start any token":
        char = LINE_BREAK.split(text)[at.line][at.column]
        if char == "\t":
            return Diagnostic(mark, "not YAML: a tab", "indent with spaces")
        return Diagnostic(mark, f"not YAML: a value cannot start with `{char}`", "quote the value")
    if error.problem == "mapping values are not allowed in this context":
        advice = "quote the value, or indent it like the lines around"
        return Diagnostic(mark, "not YAML: a `:` within a value", advice)
    before = LINE_BREAK.split(text)[: at.line + 1]
    if error.problem == "did not find expected key" and at.column and not before[-1][: at.column].strip():
        what = f"not YAML: indented by {at.column}, as nothing above it is"
        return Diagnostic(mark, what, f"indent it like {_lines_above(before[:-1], at.column)}")
    what = ", ".join(part for part in (error.problem, error.context) if part)
    return Diagnostic(mark, f"not YAML: {what}")


def _lines_above(lines: Sequence[str], column: int) -> str:
    """Name the nearest lines with less and with more indentation: one of them is what was meant."""
    indents = [
        (number, len(line) - len(line.lstrip(" "))) for number, line in enumerate(lines, 1) if line.strip()
    ]
    less = next((number for number, indent in reversed(indents) if indent < column), None)
    more = next((number for number, indent in reversed(indents) if indent > column), None)
    return " or ".join(f"line {number}" for number in sorted(filter(None, (less, more))))


class _Composer:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._top = Mark(file, 1, 1)
        self._anchors: dict[str, Node | None] = {}
        self._heights: dict[int, int] = {}  # of the nodes with an anchor, by identity
        self._text = text
        self._flow = 0
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> Node:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if event.version not in (None, (1, 1)):
                    raise self._refused(event, "not YAML: only %YAML 1.1 is read", "remove the line")
                node, _ = self._node(next(self._events), 1)
                for _ in range(3):  # the server's parser looks at what begins the next document
                    next(self._events, None)
                return node
        raise PipelineError(Diagnostic(self._top, "the file is empty", "write `stages:` and `jobs:`"))

    def _node(self, event: yaml.Event, depth: int) -> tuple[Node, int]:
        """Return a node and how many levels it has, itself counted."""
        mark = self._mark(event)
        anchor: str | None = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            node = self._alias(anchor or "", mark)
            height = self._heights[id(node)]
            self._check_depth(depth + height - 1, mark)
            return replace(node, alias=mark) if isinstance(node, ScalarNode) else node, height
        self._check_depth(depth, mark)
        if anchor is not None:
            self._anchors[anchor] = None
        height = 1
        flow = bool(getattr(event, "flow_style", False))
        self._flow += flow
        match event:
            case yaml.ScalarEvent():
                self._check_scalar(event)
                node = ScalarNode(mark, Scalar(event.value, event.tag, event.style in {None, ""}))
            case yaml.SequenceStartEvent():
                items, height = self._until(yaml.SequenceEndEvent, depth)
                node = SequenceNode(mark, items)
            case _:
                flat, height = self._until(yaml.MappingEndEvent, depth)
                node = MappingNode(mark, tuple(zip(flat[::2], flat[1::2], strict=True)))
        self._flow -= flow
        if anchor is not None:
            self._anchors[anchor] = node
            self._heights[id(node)] = height
        return node, height

    def _until(self, end: type[yaml.Event], depth: int) -> tuple[tuple[Node, ...], int]:
        """Return the nodes up to an event, and the levels of what holds them."""
        nodes: list[Node] = []
        height = 1
        for event in self._events:
            if isinstance(event, end):
                break
            node, inner = self._node(event, depth + 1)
            nodes.append(node)
            height = max(height, inner + 1)
        return tuple(nodes), height

    def _check_depth(self, depth: int, mark: Mark) -> None:
        if depth > MAX_DEPTH:
            raise PipelineError(Diagnostic(mark, f"nested more than {MAX_DEPTH} levels deep"))

    def _check_scalar(self, event: yaml.ScalarEvent) -> None:
        """Refuse what libyaml reads and yaml.v3 does not. Source: its `scannerc.go`."""
        if event.style in {None, ""} and self._flow and "?" in event.value:
            raise self._refused(event, "not YAML: a `?` ends a value within {} or []", "quote the value")
        if event.style == '"' and event.start_mark and event.end_mark:
            raw = self._text[event.start_mark.index : event.end_mark.index]
            if "/" in _ESCAPE.findall(raw):
                raise self._refused(event, r"not YAML: `\/` is no escape", "write `/`")

    def _mark(self, event: yaml.Event) -> Mark:
        start = event.start_mark
        return Mark(self._file, start.line + 1, start.column + 1) if start else self._top

    def _refused(self, event: yaml.Event, what: str, advice: str) -> PipelineError:
        return PipelineError(Diagnostic(self._mark(event), what, advice))

    def _alias(self, anchor: str, mark: Mark) -> Node:
        if anchor not in self._anchors:
            what, advice = f"unknown anchor *{anchor}", f"define it above with &{anchor}"
        elif (node := self._anchors[anchor]) is None:
            what, advice = f"anchor *{anchor} contains itself", "repeat the value instead"
        else:
            return node
        raise PipelineError(Diagnostic(mark, what, advice))
