"""`coverage_report`: how much of the code the tests of a job went through.

As the platform's agent counts: statements of go-cover, lines of the other formats.

Source: upstream `agent/internal/runner/coverage.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

LIMIT: Final = 32 << 20
"""Bytes of a report."""


class UnreadableReport(ValueError):
    """It is not of the format that the job declares."""


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


def _go_cover(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield covered and all statements of each block; a block that is there twice counts once."""
    lines = [line for line in map(str.strip, data.decode(errors="replace").splitlines()) if line]
    if not lines or not lines[0].startswith("mode:"):
        raise UnreadableReport("it has no `mode:` line and is no Go profile")
    blocks: dict[str, tuple[int, bool]] = {}
    for number, line in enumerate(lines[1:], start=1):
        try:
            where, statements, count = line.rsplit(" ", 2)
            size, ran = int(statements), int(count) > 0
        except ValueError:
            raise UnreadableReport(f"malformed profile line {number}") from None
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
        covered, total = (sums.get("LH", 0), sums["LF"]) if "LF" in sums else counted
        if not 0 <= covered <= total:
            raise UnreadableReport(f"a record has {covered} covered lines of {total}")
        return covered, total

    for line in map(str.strip, data.decode(errors="replace").splitlines()):
        key, _, value = line.partition(":")
        if key == "SF" or line == "end_of_record":
            if is_open:
                yield record()
            sums, counted, is_open = {}, [0, 0], key == "SF"
            seen = seen or is_open
        elif key in {"LF", "LH"}:
            try:
                sums[key] = int(value)
            except ValueError:
                raise UnreadableReport(f"{key} is not a number") from None
        elif key == "DA":
            counted[1] += 1
            hits = value.split(",")[1:2]
            counted[0] += bool(hits) and hits[0].isdigit() and int(hits[0]) > 0
    if is_open:
        yield record()
    if not seen:
        raise UnreadableReport("it has no SF records and is no lcov trace")


def _cobertura(data: bytes) -> Iterator[tuple[int, int]]:
    packages = _xml(data).findall("packages/package")
    if not packages:
        raise UnreadableReport("it has no <package> and is no Cobertura report")
    for line in (line for each in packages for line in each.findall("classes/class/lines/line")):
        yield int(line.get("hits", "0").isdigit() and int(line.get("hits", "0")) > 0), 1


def _jacoco(data: bytes) -> Iterator[tuple[int, int]]:
    root = _xml(data)
    counters = [each for each in root.findall("package/counter") if each.get("type") == "LINE"]
    if root.tag != "report" or not counters:
        raise UnreadableReport("it has no LINE counters of packages and is no JaCoCo report")
    for each in counters:
        try:
            missed, covered = int(each.get("missed", "0")), int(each.get("covered", "0"))
        except ValueError:
            raise UnreadableReport("a counter is not a number") from None
        if min(missed, covered) < 0:
            raise UnreadableReport("a counter is negative")
        yield covered, missed + covered


def _xml(data: bytes) -> ET.Element:
    try:
        return ET.fromstring(data)  # noqa: S314 - expat fetches nothing and stops at bombs; the size is limited
    except ET.ParseError as error:
        raise UnreadableReport(f"it is not XML: {error}") from None


_READERS: Final[Mapping[str, Callable[[bytes], Iterator[tuple[int, int]]]]] = {
    "go-cover": _go_cover,
    "lcov": _lcov,
    "cobertura": _cobertura,
    "jacoco": _jacoco,
}
