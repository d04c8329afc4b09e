"""The accepted findings of a `.trivyignore`: which are in force, and which are left over.

Source: aquasecurity/trivy 0.74, `pkg/result/ignore.go`: what an entry is, and when it has expired.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gocdnext_sdk import Invalid, Job, quoted
from gocdnext_sdk.workspace import read_text

if TYPE_CHECKING:
    from .inputs import TrivyInputs
    from .scan import Report

SECTIONS = ("vulnerabilities", "misconfigurations", "secrets", "licenses")
"""Those of a YAML file."""

_IDS = ("VulnerabilityID", "ID", "AVDID", "RuleID", "Name")
"""What a finding may be called in an entry, by its kind."""


@dataclass(frozen=True)
class Entry:
    """An accepted finding.

    Args:
        where: its place, for messages.
        id: what is accepted.
        expires: when it ends; None: never.
        reason: why it is accepted; empty if nobody said.
    """

    where: str
    id: str
    expires: datetime | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.id}"


@dataclass(frozen=True)
class Suppressed:
    """A finding that an entry has left out.

    Args:
        ids: its names.
        statement: the reason of the entry, where the file has a place for one.
    """

    ids: frozenset[str]
    statement: str


def read_entries(name: str, workspace: Path) -> tuple[Entry, ...]:
    """Return the entries of a file of the checkout; none, if it is not there.

    Raises:
        Invalid: Trivy would not read it, or would leave out an entry without a word.
    """
    path = workspace / name
    if not path.exists():
        return ()
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"{quoted(name)} cannot be read", "it is a text of at most 4 MiB") from None
    return tuple(_of_yaml(name, text) if path.suffix in (".yaml", ".yml") else _of_lines(name, text))


def _of_lines(name: str, text: str) -> Iterator[Entry]:
    comment: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            comment = []
        elif words[0].startswith("#"):
            comment.append(line.strip().lstrip("#").strip())
        else:
            where = f"{name}:{number}"
            given = next((each[4:] for each in words[1:] if each.startswith("exp:")), None)
            behind = line.partition("#")[2].strip()
            yield Entry(where, words[0], _expiry(given, where), behind or " ".join(filter(None, comment)))


def _of_yaml(name: str, text: str) -> Iterator[Entry]:
    import yaml

    try:
        content = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise Invalid(f"{where} is not YAML") from None
    if not isinstance(content, Mapping):
        raise Invalid(f"{name} has no sections", f"they are {', '.join(SECTIONS)}")
    for section, entries in content.items():
        if section not in SECTIONS or not isinstance(entries, list | None):
            what = f"{name}: Trivy reads no section {quoted(section)}"
            raise Invalid(what, f"lists of {', '.join(SECTIONS)}")
        for number, entry in enumerate(entries or (), start=1):
            where = f"{name}: {section}[{number}]"
            if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str | int):
                raise Invalid(f"{where} has no id")
            reason = str(entry.get("statement") or "").strip()
            yield Entry(where, str(entry["id"]), _expiry(entry.get("expired_at"), where), reason)


def _expiry(value: object, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, date):
            found = datetime(value.year, value.month, value.day, tzinfo=UTC)
        else:
            found = datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(f"{where}: {quoted(str(value))} is no date", 'write it as "2026-12-31"') from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def check_ignorefile(inputs: TrivyInputs, job: Job, reports: Iterable[Report]) -> list[str]:
    """Warn of what is wrong with accepted findings; return what of it fails the job.

    Args:
        inputs: name the file, and say how strict to be.
        job: has the log.
        reports: the JSON of all scans, which then no longer tells what was left out.
    """
    suppressed = take_suppressed(reports)
    entries = read_entries(inputs.accepted_by(job.environ), job.workspace)
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
