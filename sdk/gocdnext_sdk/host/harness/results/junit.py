"""`test_reports`: what the tests of a job say, in JUnit's XML.

As on the platform, reports are looked at whether the job passed or not, and never decide about it.

Source: upstream `agent/internal/runner/test_reports.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gocdnext_sdk.host.harness.results.unreadable import UnreadableReport, read_xml

LIMIT: Final = 8 << 20
"""Bytes of a report."""

MOST_FILES: Final = 1000

_SHOWN = 20
"""Names of failed tests that are kept."""


@dataclass(frozen=True)
class TestResults:
    """The tests of one job.

    Args:
        passed: how many passed.
        failed: how many failed, or ended with an error.
        skipped: how many were skipped.
        failures: names of those that failed, the first ones.
        files: how many reports there were.
    """

    __test__ = False  # for pytest

    passed: int
    failed: int
    skipped: int
    failures: tuple[str, ...] = ()
    files: int = 1

    def __str__(self) -> str:
        counts = {"passed": self.passed, "failed": self.failed, "skipped": self.skipped}
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no tests"
        return f"{said} in {self.files} file{'s' * (self.files != 1)}"


def read(reports: Iterable[tuple[str, bytes]]) -> tuple[TestResults | None, list[str]]:
    """Return the results of all reports, and what is wrong with some of them.

    Args:
        reports: path and content of each.
    """
    passed = skipped = files = 0
    failures: list[str] = []
    wrong: list[str] = []
    for path, data in reports:
        if len(data) > LIMIT:
            wrong.append(f"{path} is larger than {LIMIT >> 20} MiB")
            continue
        try:
            root = read_xml(data)
        except UnreadableReport as error:
            wrong.append(f"{path} cannot be read: {error}")
            continue
        if root.tag not in {"testsuites", "testsuite"}:
            wrong.append(f"{path} has no <testsuite>")
            continue
        files += 1
        for case in root.findall("testcase" if root.tag == "testsuite" else "testsuite/testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                failures.append(".".join(filter(None, (case.get("classname"), case.get("name")))))
            elif case.find("skipped") is not None:
                skipped += 1
            else:
                passed += 1
    if not files:
        return None, wrong
    return TestResults(passed, len(failures), skipped, tuple(failures[:_SHOWN]), files), wrong
