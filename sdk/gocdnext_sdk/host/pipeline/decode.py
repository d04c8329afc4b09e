"""Nodes to typed fields, as strictly as the server: unknown keys, wrong kinds and duplicates are
errors at every level. All of them are collected, so that a user meets each only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, TypeVar

from gocdnext_sdk.contract import ContractError, scalars
from gocdnext_sdk.contract.scalars import Scalar
from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark, suggest
from gocdnext_sdk.host.pipeline.model import Value
from gocdnext_sdk.host.pipeline.yaml import MappingNode, Node, ScalarNode, SequenceNode, is_null

T = TypeVar("T")

Read: TypeAlias = Callable[["Decoder", Node], Any]
"""How one field is decoded."""

_MERGE = "<<"

_ELSEWHERE: Final[Mapping[str, str]] = {
    "env": "variables",
    "commands": "script",
    "run": "script",
    "steps": "script",
    "container": "image",
    "depends_on": "needs",
    "dependencies": "needs_artifacts",
    "matrix": "parallel",
    "strategy": "parallel",
    "runs-on": "agent",
    "only": "when",
    "if": "rules",
    "timeout-minutes": "timeout",
    "reports": "test_reports",
}
"""Keys that other CI systems have, and what the same is called here."""


@dataclass(slots=True)
class Fields:
    """A map with known keys: what was decoded, and where each key stands, null ones too."""

    mark: Mark
    values: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)

    def get(self, key: str, default: T) -> T:
        """Return the decoded value; the default when the key is absent or null."""
        found: T = self.values.get(key, default)
        return found

    def text(self, key: str) -> str:
        """Return the text of a text field; empty when absent or null."""
        value: Value | None = self.values.get(key)
        return value.text if value else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a list field; none when absent or null."""
        values: list[Value] = self.values.get(key, [])
        return tuple(value.text for value in values)

    def at(self, key: str) -> Mark:
        """Where the key stands, or else the map."""
        return self.marks.get(key, self.mark)


class Decoder:
    """Decodes and collects problems. A method returns an empty value where it found one."""

    def __init__(self) -> None:
        self.problems: list[Diagnostic] = []
        """Mistakes: the platform refuses the file."""
        self.notices: list[Diagnostic] = []
        """What the platform accepts and ignores."""
        self._read: dict[int, tuple[Node, list[tuple[Value, Node]]]] = {}

    def error(self, mark: Mark, what: str, advice: str = "") -> None:
        """Note a mistake."""
        self.problems.append(Diagnostic(mark, what, advice))

    def notice(self, mark: Mark, what: str, advice: str = "") -> None:
        """Note something that will surprise, but is no mistake to the platform."""
        self.notices.append(Diagnostic(mark, what, advice))

    def text(self, node: Node, key: str = "key") -> Value:
        """Read a text field."""
        advice = f"write `{key}: |`, and one entry a line below it" if isinstance(node, SequenceNode) else ""
        return Value(self._scalar(node, scalars.as_text, "", "a single text", advice), node.mark)

    def literal(self, node: Node) -> Value:
        """Read a text that the server takes from the node itself: it refuses an alias there."""
        if isinstance(node, ScalarNode) and node.alias:
            self.error(node.alias, "the platform follows no alias here", f"write `{node.scalar.text}`")
        return self.text(node)

    def flag(self, node: Node) -> bool:
        """Read a true-or-false field."""
        return self._scalar(node, scalars.as_bool, default=False, wanted="true or false")

    def integer(self, node: Node) -> int:
        """Read a whole-number field."""
        return self._scalar(node, scalars.as_int, 0, "a whole number")

    def number(self, node: Node) -> float:
        """Read a number field."""
        return self._scalar(node, scalars.as_float, 0.0, "a number")

    def list_of(self, node: Node, read: Callable[[Node], T]) -> list[T]:
        """Read a list field; null entries are dropped, as the server does."""
        if not isinstance(node, SequenceNode):
            return self._wrong(node, "a list", [], "write [a, b], or one `- a` a line")
        return [read(item) for item in node.items if not is_null(item)]

    def texts(self, node: Node) -> list[Value]:
        """Read a list of texts."""
        return self.list_of(node, self.text)

    def map_of(self, node: Node, read: Callable[[Node], T]) -> dict[str, T]:
        """Read a map field with free keys."""
        if not isinstance(node, MappingNode):
            return self._wrong(node, "a map", {})
        return {key.text: read(value) for key, value in self._entries(node)}

    def text_map(self, node: Node) -> dict[str, Value]:
        """Read a map of texts, such as `with:`. Null values are empty texts."""
        if not isinstance(node, MappingNode):
            return self._wrong(node, "a map", {})
        return {
            key.text: replace(self.text(value, key.text), key=key.mark) for key, value in self._entries(node)
        }

    def fields(self, node: Node, known: Mapping[str, Read], where: str, *, merges: bool = True) -> Fields:
        """Read a map with known keys.

        Args:
            node: the map.
            known: key to how it is decoded.
            where: the map's name in messages, e.g. "job `build`".
            merges: whether the server merges other maps in; one that it walks by itself has no key `<<`.
        """
        found = Fields(node.mark)
        if not isinstance(node, MappingNode):
            self._wrong(node, "a map", None)
            return found
        for merge in () if merges else (key for key, _ in node.entries if _is_merge(key)):
            self.error(merge.mark, f"the platform merges nothing into {where}", "write its keys out")
        for key, value in self._entries(node):
            if key.text not in known:
                meant = _ELSEWHERE.get(key.text, "")
                advice = f"write `{meant}`" if meant in known else suggest(key.text, known, "keys")
                self.error(key.mark, f"{where} has no key `{key.text}`", advice)
                continue
            found.marks[key.text] = key.mark
            if not is_null(value):
                found.values[key.text] = known[key.text](self, value)
        return found

    def keys(self, node: Node) -> Iterator[tuple[Value, Node]]:
        """Return the entries of a map with free keys, in order; nothing if it is no map."""
        if isinstance(node, MappingNode):
            yield from self._entries(node)
        else:
            self._wrong(node, "a map", None)

    def _entries(self, node: MappingNode) -> list[tuple[Value, Node]]:
        # Each map once: maps that merge each other would take a time that doubles with each of them.
        if id(node) not in self._read:
            self._read[id(node)] = node, self._flat(node)
        return self._read[id(node)][1]

    def _flat(self, node: MappingNode) -> list[tuple[Value, Node]]:
        # A key of the map itself wins over merged ones, an earlier merged map over a later.
        own: dict[str, tuple[Value, Node]] = {}
        merged: list[tuple[Value, Node]] = []
        seen: dict[str, Mark] = {}
        for key, value in node.entries:
            if not isinstance(key, ScalarNode):
                self.error(key.mark, "a key must be a single text")
                continue
            text = key.scalar.text
            if text in seen:
                self.error(key.mark, f"duplicate key `{text}`", f"it is set at {seen[text]}")
                continue
            seen[text] = key.mark
            if _is_merge(key):
                merged.extend(self._merged(value))
            elif not is_null(key):
                name = self.text(key)
                own[name.text] = (name, value)
        entries = dict(own)
        for name, value in merged:
            entries.setdefault(name.text, (name, value))
        return list(entries.values())

    def _merged(self, node: Node) -> list[tuple[Value, Node]]:
        sources = node.items if isinstance(node, SequenceNode) else (node,)
        entries: list[tuple[Value, Node]] = []
        for source in sources:
            if isinstance(source, MappingNode):
                entries.extend(self._entries(source))
            else:
                self._wrong(source, "a map or a list of maps to merge", None)
        return entries

    def _scalar(
        self, node: Node, read: Callable[[Scalar], T], default: T, wanted: str, advice: str = ""
    ) -> T:
        if not isinstance(node, ScalarNode):
            return self._wrong(node, wanted, default, advice)
        try:
            return read(node.scalar)
        except ContractError as error:
            self.error(node.mark, str(error))
            return default

    def _wrong(self, node: Node, wanted: str, result: T, advice: str = "") -> T:
        match node:
            case MappingNode():
                found = "a map"
            case SequenceNode():
                found = "a list"
            case _:
                found = f"`{node.scalar.text}`" if len(node.scalar.text) <= 40 else "a text"
        self.error(node.mark, f"{found} stands where {wanted} is expected", advice)
        return result


def _is_merge(key: Node) -> bool:
    if not isinstance(key, ScalarNode):
        return False
    return key.scalar.text == _MERGE and key.scalar.plain and key.scalar.core_tag in {None, "merge"}
