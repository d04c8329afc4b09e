"""Which accepted findings of a `.trivyignore` are in force, and which are left over.

Source: aquasecurity/trivy 0.74, `pkg/result/ignore.go`: which finding an entry leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gocdnext_sdk import Job

from .entries import Entry, read_entries
from .inputs import TrivyInputs
from .scan import Report

_IDS = ("VulnerabilityID", "ID", "AVDID", "RuleID", "Name")
"""What a finding may be called in an entry, by its kind."""


@dataclass(frozen=True)
class Suppressed:
    """A finding that an entry has left out.

    Args:
        ids: its names.
        statement: the reason of the entry, where the file has a place for one.
    """

    ids: frozenset[str]
    statement: str


def check_ignorefile(inputs: TrivyInputs, job: Job, reports: Iterable[Report]) -> list[str]:
    """Warn of what is wrong with accepted findings; return what of it fails the job.

    Args:
        inputs: name the file, and say how strict to be.
        job: has the log.
        reports: the JSON of all scans, which then no longer tells what was left out.
    """
    suppressed = take_suppressed(reports)
    entries = read_entries(inputs.accepted_by(job.environ, job.workspace), job.workspace)
    now = datetime.now(UTC)
    over = [f"{each} has expired on {each.expires:%Y-%m-%d}" for each in expired(entries, now)]
    # `trivy config` does not tell what it left out.
    left = list(left_over(entries, suppressed if inputs.scan_type != "config" else None, now))
    for each in (*over, *left):
        job.warn(each)
    found = over + (left if inputs.ignorefile_check == "strict" else [])
    if not found:
        return []
    more = f" and {len(found) - 1} more of the entries" if len(found) > 1 else ""
    return [f"accepted findings are not in order: {found[0]}{more}"]


def take_suppressed(reports: Iterable[Report]) -> tuple[Suppressed, ...]:
    """Return what an ignore file has left out of the scans, and take that out of their JSON."""
    suppressed = (
        each
        for report in reports
        for result in report.get("Results") or ()
        for each in result.pop("ExperimentalModifiedFindings", None) or ()
    )
    return tuple(
        Suppressed(_ids(each.get("Finding") or {}), each.get("Statement") or "")
        for each in suppressed
        if each.get("Status") == "ignored"
    )


def _ids(finding: Mapping[str, Any]) -> frozenset[str]:
    names = [str(finding[key]) for key in _IDS if finding.get(key)]
    # Of a licence such as "MIT AND ISC" each part may have its entry.
    parts = re.split(r"[\s()]+", str(finding.get("Name") or ""))
    return frozenset((*names, *map(str, finding.get("Aliases") or ()), *filter(None, parts)))


def expired(entries: Iterable[Entry], now: datetime) -> tuple[Entry, ...]:
    """Return the entries that Trivy passes over because their time is over."""
    return tuple(each for each in entries if each.expires is not None and each.expires < now)


def left_over(
    entries: Iterable[Entry], suppressed: Sequence[Suppressed] | None, now: datetime
) -> Iterator[str]:
    """Yield what is wrong with entries that are in force.

    Args:
        entries: of the file.
        suppressed: what they left out; None if nobody knows.
        now: the time.
    """
    for each in entries:
        if each.expires is not None and each.expires < now:
            continue
        needed = suppressed is None or any(_is_of(each, one) for one in suppressed)
        wrong = (
            "" if needed else "matches nothing of this scan",
            "" if each.reason else "has no reason",
            "" if each.expires else "has no expiry date",
        )
        if any(wrong):
            yield f"{each} {', '.join(filter(None, wrong))}"


def _is_of(entry: Entry, suppressed: Suppressed) -> bool:
    # Of two entries for one id, with different paths, the statement tells which one it was.
    said = suppressed.statement in ("", entry.reason) or " individually ignored" in suppressed.statement
    return entry.id in suppressed.ids and said
