"""What Trivy found: which findings are the same, of which platforms, and how many there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .scan import Report
from .subjects import Subject

Counts = Counter[str]
"""How many findings there are of each severity."""

Finding = dict[str, Any]

KINDS = ("Vulnerabilities", "Misconfigurations", "Secrets", "Licenses")

_SAME = {
    "Vulnerabilities": (
        *("VulnerabilityID", "PkgName", "PkgPath", "InstalledVersion", "FixedVersion"),
        *("Status", "Severity"),
    ),
    "Misconfigurations": ("ID", "Message", "Severity", "Status", "CauseMetadata"),
    "Secrets": ("RuleID", "Severity", "StartLine", "EndLine", "Match"),
    "Licenses": ("Name", "PkgName", "FilePath", "Severity"),
}
"""What two findings must agree in to be one; the platform is in some of the other fields."""


def findings_of(result: Mapping[str, Any]) -> Iterator[tuple[str, Finding]]:
    """Yield the findings of one result, each with its kind. A check that passed is none."""
    for kind in KINDS:
        for finding in result.get(kind) or ():
            if kind != "Misconfigurations" or finding.get("Status") == "FAIL":
                yield kind, finding


def severity_of(finding: Finding) -> str:
    """Return the severity of a finding."""
    return finding.get("Severity") or "UNKNOWN"


def count(report: Report) -> Counts:
    """Return how many findings of each severity there are."""
    return Counter(
        severity_of(finding) for result in report.get("Results") or () for _, finding in findings_of(result)
    )


def split(
    reports: Mapping[Subject, Report], first: int
) -> tuple[dict[Subject, Report], dict[Subject, Report]]:
    """Return the reports of the first few subjects, and those of the others."""
    each = list(reports.items())
    return dict(each[:first]), dict(each[first:])


def labels(subjects: Iterable[Subject]) -> dict[Subject, str]:
    """Return what tells the images of an index apart: the platform, with the digest where two have the same.

    There may be several for one platform, such as one for each version of Windows.
    """
    subjects = list(subjects)
    names = {each: f"{each.base} {each.platform}".strip() for each in subjects}
    times = Counter(names.values())
    return {
        each: name if times[name] == 1 else f"{name} {each.digest}".strip() for each, name in names.items()
    }


def merge(reports: Mapping[Subject, Report]) -> Report:
    """Return one report of all images, each of whose results says of which one it is."""
    if len(reports) == 1:
        return next(iter(reports.values()))
    label = labels(reports)
    results = [
        result | {"Target": f"{label[subject]}: {result['Target']}"}
        for subject, report in reports.items()
        for result in report.get("Results") or ()
    ]
    return _shared(reports) | {"Results": results}


def unite(reports: Mapping[Subject, Report]) -> Report:
    """Return one report of all images, in which equal findings are one.

    A result is split by the images that have its findings, and names them: what all have is listed once.
    """
    if len(reports) == 1:
        return next(iter(reports.values()))
    label = labels(reports)
    united: list[Finding] = []
    for key, each in _by_target(reports).items():
        rows = _rows(each)
        groups: dict[tuple[Subject, ...], dict[str, list[Finding]]] = {}
        for (kind, _), (finding, subjects) in rows.items():
            groups.setdefault(subjects, {}).setdefault(kind, []).append(finding)
        clean = tuple(each.keys() - {subject for subjects in groups for subject in subjects})
        if clean:
            groups[tuple(subject for subject in each if subject in clean)] = {}
        for subjects, found in groups.items():
            head = {k: v for k, v in each[subjects[0]].items() if k not in KINDS}
            where = ", ".join(label[subject] for subject in subjects)
            united.append(head | found | {"Target": f"{where}: {key[0]}"})
    return _shared(reports) | {"Results": united}


def _by_target(reports: Mapping[Subject, Report]) -> dict[tuple[str, ...], dict[Subject, Finding]]:
    """Return the results of all images by what they are about: a file, the packages of the system …"""
    found: dict[tuple[str, ...], dict[Subject, Finding]] = {}
    for subject, report in reports.items():
        for result in report.get("Results") or ():
            # The system's packages are named after the image, by its own digest.
            target = str(result["Target"]).replace(str(report.get("ArtifactName")), subject.name)
            key = (target, str(result.get("Class")), str(result.get("Type")))
            found.setdefault(key, {})[subject] = result
    return found


def _rows(
    results: Mapping[Subject, Finding],
) -> dict[tuple[str, str], tuple[Finding, tuple[Subject, ...]]]:
    """Return findings by what makes them one, each with the images that have it."""
    rows: dict[tuple[str, str], tuple[Finding, tuple[Subject, ...]]] = {}
    for subject, result in results.items():
        for kind, finding in findings_of(result):
            same = json.dumps([finding.get(name) for name in _SAME[kind]], sort_keys=True)
            first, subjects = rows.get((kind, same), (finding, ()))
            rows[kind, same] = first, tuple(dict.fromkeys((*subjects, subject)))
    return rows


def _shared(reports: Mapping[Subject, Report]) -> Report:
    """Return what a report of all images says of them."""
    subject, first = next(iter(reports.items()))
    shared = {key: value for key, value in first.items() if key not in ("ArtifactID", "Metadata")}
    return shared | {"ArtifactName": subject.name, "Metadata": {"RepoDigests": [subject.name]}}
