"""`coverage_report`: how much of the code the tests of a job went through.

As the platform's agent counts: statements of go-cover, lines of the other formats.

Source: upstream `agent/internal/runner/coverage.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gocdnext_sdk.host.harness.results.unreadable import UnreadableReport, integer, read_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LIMIT: Final = 32 << 20
"""Bytes of a report."""


@dataclass(frozen=True)
class Coverage:
    """What was measured.

    Args:
        covered: lines, or statements, that were run.
        total: all of them.
    """

    covered: int
    total: int

    @property
    def percent(self) -> float:
        """Per cent; 0 if there is nothing to run."""
        return 100 * self.covered / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.percent:.1f}% ({self.covered}/{self.total} lines)"

    def lacks(self, fail_under: float) -> str:
        """Return why it is not enough; empty if it is."""
        if fail_under <= 0:
            return ""
        if self.total <= 0:
            return f"fail_under {fail_under:.1f} is set, but the report has no measurable lines"
        if self.percent < fail_under:
            return f"coverage {self.percent:.1f}% is below fail_under {fail_under:.1f}%"
        return ""


def read(format_: str, data: bytes) -> Coverage:
    """Return what a report says.

    Args:
        format_: go-cover, lcov, cobertura or jacoco.
        data: its content.

    Raises:
        UnreadableReport: it is not of that format.
    """
    pairs = list(_READERS[format_](data))
    covered, total = sum(each for each, _ in pairs), sum(each for _, each in pairs)
    if not 0 <= covered <= total:
        raise UnreadableReport(f"it has {covered} covered lines of {total}")
    return Coverage(covered, total)


def _lines(data: bytes) -> list[str]:
    return [line.strip() for line in data.decode(errors="replace").split("\n")]


def _go_cover(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield covered and all statements of each block; a block that is there twice counts once."""
    lines = list(filter(None, _lines(data)))
    if not lines or not lines[0].startswith("mode:"):
        raise UnreadableReport("it has no `mode:` line and is no Go profile")
    blocks: dict[str, tuple[int, bool]] = {}
    for number, line in enumerate(lines[1:], start=1):
        try:
            where, statements, count = line.rsplit(" ", 2)
            size, ran = integer(statements), integer(count) > 0
        except ValueError:
            raise UnreadableReport(f"malformed profile line {number}") from None
        if size < 0:
            raise UnreadableReport(f"malformed profile line {number}")
        size, before = blocks.get(where, (size, False))
        blocks[where] = size, before or ran
    if not blocks:
        raise UnreadableReport("it has no blocks")
    yield from ((size if ran else 0, size) for size, ran in blocks.values())


def _lcov(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield covered and all lines of each file: its own sum, or else its lines counted."""
    sums: dict[str, int] = {}
    counted = [0, 0]
    is_open = seen = False

    def record() -> tuple[int, int]:
        covered, total = (sums.get("LH", 0), sums.get("LF", 0)) if sums else counted
        if not 0 <= covered <= total:
            raise UnreadableReport(f"a record has {covered} covered lines of {total}")
        return covered, total

    for line in _lines(data):
        key, _, value = line.partition(":")
        if key == "SF" or line == "end_of_record":
            if is_open:
                yield record()
            sums, counted, is_open = {}, [0, 0], key == "SF" and bool(value)
            seen = seen or is_open
        elif key in {"LF", "LH"}:
            sums[key] = integer(value)
        elif key == "DA":
            counted[1] += 1
            counted[0] += _is_hit(value.split(",")[1:2])
    if is_open:
        yield record()
    if not seen:
        raise UnreadableReport("it has no SF records and is no lcov trace")


def _is_hit(counts: Sequence[str]) -> bool:
    try:
        return any(integer(each) > 0 for each in counts)
    except UnreadableReport:
        return False


def _cobertura(data: bytes) -> Iterator[tuple[int, int]]:
    packages = read_xml(data).findall("packages/package")
    if not packages:
        raise UnreadableReport("it has no <package> and is no Cobertura report")
    for line in (line for each in packages for line in each.findall("classes/class/lines/line")):
        yield int(_attribute(line, "hits") > 0), 1


def _jacoco(data: bytes) -> Iterator[tuple[int, int]]:
    root = read_xml(data)
    counters = root.findall("package/counter")
    if root.tag != "report" or not any(each.get("type") == "LINE" for each in counters):
        raise UnreadableReport("it has no LINE counters of packages and is no JaCoCo report")
    for each in counters:
        missed, covered = _attribute(each, "missed"), _attribute(each, "covered")
        if each.get("type") == "LINE":
            if min(missed, covered) < 0 or missed + covered >= 2**63:
                raise UnreadableReport("a counter is negative, or too large")
            yield covered, missed + covered


def _attribute(element: Element, name: str) -> int:
    text = element.get(name, "").strip()
    return integer(text) if text else 0


_READERS: Final[Mapping[str, Callable[[bytes], Iterator[tuple[int, int]]]]] = {
    "go-cover": _go_cover,
    "lcov": _lcov,
    "cobertura": _cobertura,
    "jacoco": _jacoco,
}
