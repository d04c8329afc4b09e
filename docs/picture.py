"""Draw docs/architecture.svg from the imports of the code: `make picture`.

A box is a room: a package or module right below ``gocdnext_sdk`` or ``gocdnext_sdk.host``, and ``plugins/``.
An arrow means that one imports the other; an arrow that a path of others implies is left out. Rows follow
from the arrows alone: a room stands above all that it imports.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
SVG = ROOT / "docs" / "architecture.svg"
SDK = "gocdnext_sdk"

_WIDTH, _HEIGHT = 188, 64
_COLUMN, _ROW = 216, 88
_MARGIN = 34
_HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="head" d="M0 0 8 4 0 8z"/></marker>'
)
_STYLE = """
svg { --paper: #fff; --ink: #1f2328; --soft: #59636e; --line: #818b98; --room: #f6f8fa; --frame: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --line: #7d8590; --room: #1b2129; --frame: #444 }
}
text { font: 11px ui-sans-serif, system-ui, sans-serif; fill: var(--soft); text-anchor: middle; }
text.name { font-size: 14px; font-weight: 600; fill: var(--ink); }
text.side { font-size: 12px; text-anchor: start; }
.paper { fill: var(--paper); }
.room { fill: var(--room); stroke: var(--line); }
.frame { fill: none; stroke: var(--frame); stroke-dasharray: 5 4; }
.arrow { fill: none; stroke: var(--line); stroke-width: 1.4; marker-end: url(#head); }
.head { fill: var(--line); }
"""

Arrow = tuple[str, str]


@dataclass(frozen=True)
class House:
    """The rooms, what each is for, and which imports which."""

    purpose: Mapping[str, str]
    imports: Mapping[str, frozenset[str]]

    @classmethod
    def read(cls) -> House:
        """Read it from the code."""
        imports: dict[str, set[str]] = {"plugins/": set(_imported_by_plugins())}
        graph = grimp.build_graph(SDK, include_external_packages=False, cache_dir=None)
        for module in sorted(graph.modules):
            room = _room(module)
            imports.setdefault(room, set()).update(
                _room(other) for other in graph.find_modules_directly_imported_by(module)
            )
        imports.pop("host/", None)  # a folder of rooms, empty itself
        return cls(
            purpose={room: _purpose(room) for room in imports},
            imports={room: frozenset(others - {room}) for room, others in imports.items()},
        )

    @cached_property
    def arrows(self) -> list[Arrow]:
        """All arrows that no path of others implies."""
        return sorted(
            (room, other)
            for room, others in self.imports.items()
            for other in others
            if not any(other in self._below(between) for between in others)
        )

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each room, from 0 at the bottom; those of host/ as high as their importers allow."""
        rows = {room: self._height(room) for room in self.imports}
        for room in sorted(rows, key=rows.__getitem__, reverse=True):
            above = [rows[other] for other, down in self.arrows if down == room]
            if room.startswith("host/") and above:
                rows[room] = min(above) - 1
        return rows

    def _below(self, room: str) -> set[str]:
        """Return all that `room` imports, by any number of steps."""
        found: set[str] = set()
        todo = list(self.imports[room])
        while todo:
            if (other := todo.pop()) not in found:
                found.add(other)
                todo.extend(self.imports[other])
        return found

    def _height(self, room: str) -> int:
        return max((self._height(other) + 1 for other in self.imports[room]), default=0)


def _room(module: str) -> str:
    """Return the room that a module is in, as a path below the package."""
    _, *parts = module.split(".")
    depth = 2 if parts[:1] == ["host"] else 1
    path = "/".join(parts[:depth])
    if not path:
        return SDK
    return f"{path}/" if (ROOT / "sdk" / SDK / path).is_dir() else path


def _imported_by_plugins() -> Iterator[str]:
    """Yield the rooms that the code of our plugins imports."""
    for file in sorted(ROOT.glob("plugins/*/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == SDK:
                yield _room(node.module)


def _purpose(room: str) -> str:
    """Return the first words of the room's docstring."""
    if room == "plugins/":
        return "One directory for each plugin"
    if room == SDK:
        return "What authors import"
    path = ROOT / "sdk" / SDK / room
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = text.partition("\n\n")[0].replace("`", "").replace("\n", " ")
    return re.split(r"[.:;](?: |$)", first, maxsplit=1)[0]


@dataclass(frozen=True)
class Drawing:
    """A house on paper."""

    house: House

    @cached_property
    def top(self) -> int:
        """The highest row."""
        return max(self.house.rows.values())

    @cached_property
    def columns(self) -> dict[str, int]:
        """The column of each room: host/ at the left, what enters an image at the right, the rest below."""
        rows = self.house.rows
        in_row = {row: sorted(room for room in rows if rows[room] == row) for row in range(self.top + 1)}
        host = max(sum(room.startswith("host/") for room in rooms) for rooms in in_row.values())
        columns: dict[str, int] = {}
        for row in range(self.top, -1, -1):
            left = [room for room in in_row[row] if room.startswith("host/")]
            right = [room for room in in_row[row] if not room.startswith("host/")]
            for place, room in enumerate(self._ordered(left, columns)):
                columns[room] = place + (host - len(left)) // 2
            for place, room in enumerate(right):
                columns[room] = place if row == 0 else host + place
        return columns

    def _ordered(self, rooms: list[str], columns: Mapping[str, int]) -> list[str]:
        """Return the rooms of a row in the order of those above that import them."""

        def wish(room: str) -> float:
            above = [columns[other] for other, down in self.house.arrows if down == room and other in columns]
            return sum(above) / len(above) if above else 0

        return sorted(rooms, key=lambda room: (wish(room), room))

    def svg(self) -> str:
        """Return the picture."""
        width = _MARGIN * 2 + (max(self.columns.values()) + 1) * _COLUMN
        height = _MARGIN * 2 + (self.top + 1) * _ROW
        host = [room for room in self.columns if room.startswith("host/")]
        image = [room for room in self.columns if room not in host and self.house.rows[room]]
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        arrows = "; ".join(f"{room} imports {other}" for room, other in self.house.arrows)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
                "<title>The rooms of the SDK, and which imports which</title>",
                f"<desc>{escape(arrows)}</desc>",
                f"<style>{_STYLE}</style>",
                f"<defs>{_HEAD}</defs>",
                f'<rect class="paper" width="{width}" height="{height}" rx="8"/>',
                *self._frame(host, "host/: on an author's machine or in CI"),
                *self._frame(image, "in the image of a plugin"),
                *(self._arrow(*arrow) for arrow in self.house.arrows),
                *(line for room in self.columns for line in self._box(room)),
                "</svg>\n",
            ]
        )

    def _place(self, room: str) -> tuple[int, int]:
        """Return the upper left corner of a room."""
        x = _MARGIN + self.columns[room] * _COLUMN + (_COLUMN - _WIDTH) // 2
        return x, _MARGIN + (self.top - self.house.rows[room]) * _ROW

    def _box(self, room: str) -> Iterator[str]:
        x, y = self._place(room)
        yield f'<rect class="room" x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        yield f'<text class="name" x="{x + _WIDTH // 2}" y="{y + 19}">{escape(room)}</text>'
        words = textwrap.wrap(self.house.purpose[room], 31)
        for number, line in enumerate(words[:3]):
            yield f'<text x="{x + _WIDTH // 2}" y="{y + 34 + number * 12}">{escape(line)}</text>'

    def _frame(self, rooms: Iterable[str], title: str) -> Iterator[str]:
        corners = [self._place(room) for room in rooms]
        left, top = min(x for x, _ in corners) - 12, min(y for _, y in corners) - 22
        right, bottom = max(x for x, _ in corners) + _WIDTH + 12, max(y for _, y in corners) + _HEIGHT + 10
        size = f'width="{right - left}" height="{bottom - top}"'
        yield f'<rect class="frame" x="{left}" y="{top}" {size} rx="10"/>'
        yield f'<text class="side" x="{left + 12}" y="{top + 15}">{escape(title)}</text>'

    def _arrow(self, room: str, other: str) -> str:
        """Return a line from the one down to the other, between the boxes of the rows that it passes."""
        (from_x, from_y), (to_x, to_y) = self._place(room), self._place(other)
        start, end = (from_x + _WIDTH // 2, from_y + _HEIGHT), (to_x + _WIDTH // 2, to_y - 1)
        if to_y - from_y == _ROW:
            return _path([start, end])
        column = self.columns[room] + (self.columns[other] > self.columns[room])
        gap = _MARGIN + column * _COLUMN
        return _path([start, (gap, from_y + _ROW - 4), (gap, to_y - _ROW + _HEIGHT + 4), end])


def _path(points: list[tuple[int, int]]) -> str:
    """Return a smooth line through points, vertical at each."""
    (x, y), *rest = points
    path = f"M{x} {y}"
    for to_x, to_y in rest:
        middle = (y + to_y) // 2
        path += f"C{x} {middle} {to_x} {middle} {to_x} {to_y}"
        x, y = to_x, to_y
    return f'<path class="arrow" d="{path}"/>'


if __name__ == "__main__":
    SVG.write_text(Drawing(House.read()).svg(), encoding="utf-8")
