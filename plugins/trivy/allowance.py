"""What is let pass: findings that a baseline has already, and those that were published only just now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gocdnext_sdk import InputMismatch, Job, Reference
from gocdnext_sdk.oci.platforms import matches, normal
from gocdnext_sdk.oci.reference import is_digest
from gocdnext_sdk.workspace import is_file, read_text

from .findings import Counts, Finding, findings_of, severity_of
from .inputs import TrivyInputs
from .scan import Report, read_report
from .subjects import Subject, image_of, one_image

Key = tuple[str, ...]
"""What makes a finding the same one in an older image: not its version, nor where in a file it is."""

_KEYS = {
    "Vulnerabilities": ("VulnerabilityID", "PkgName"),
    "Misconfigurations": ("ID",),
    "Secrets": ("RuleID",),
    "Licenses": ("Name", "PkgName", "FilePath"),
}
_IN_FILES = ("Misconfigurations", "Secrets")
"""The kinds for which the file counts."""

_PREFIX = re.compile(r"(?:\S+ )?([a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?)(?: [a-z0-9]+:[0-9a-f]+)?: ")
"""What a merged report puts before a target: the name of a base, the platform, the digest."""

_SHOWN = 20
"""Names in one line of the log."""


@dataclass(frozen=True)
class Baseline:
    """What an earlier image or report has already.

    Args:
        name: for messages.
        known: findings by platform; of a report, or an image without one, under the empty name.
    """

    name: str
    known: Mapping[str, frozenset[Key]]

    @classmethod
    def of(cls, name: str, reports: Mapping[str, Report]) -> Baseline:
        """Return that of some reports, by platform."""
        return cls(name, {platform: frozenset(_keys(each)) for platform, each in reports.items()})

    def has(self, platform: str, key: Key) -> bool:
        """Tell whether it has a finding for a platform; of a platform that it lacks, any will do."""
        own = self.known.get(normal(platform))
        return key in own if own is not None else any(key in each for each in self.known.values())


@dataclass(frozen=True)
class Allowed:
    """How the findings of the severities that count are divided.

    Args:
        left: those that fail the job, all other severities with them, by image.
        known: the names of those that the baseline has.
        in_grace: of those that were published a short time ago.
    """

    left: Mapping[Subject, Counts]
    known: Sequence[str] = field(default=())
    in_grace: Sequence[str] = field(default=())


def allow(
    inputs: TrivyInputs, reports: Mapping[Subject, Report], baseline: Baseline | None, now: datetime
) -> Allowed:
    """Divide what was found.

    Args:
        inputs: say which severities count, and for how long a new one does not.
        reports: what was found.
        baseline: what need not be found again; None: everything counts.
        now: the time.
    """
    left: dict[Subject, Counts] = {}
    known: list[str] = []
    in_grace: list[str] = []
    for subject, report in reports.items():
        counts = left.setdefault(subject, Counter())
        for key, finding in _keyed(report):
            if severity_of(finding) not in inputs.severity:
                counts[severity_of(finding)] += 1
            elif baseline is not None and baseline.has(subject.platform, key):
                known.append(_name(finding))
            elif inputs.grace and _is_new(finding, inputs.grace, now):
                in_grace.append(_name(finding))
            else:
                counts[severity_of(finding)] += 1
    return Allowed(left, known, in_grace)


def tell(inputs: TrivyInputs, job: Job, allowed: Allowed, baseline: Baseline | None) -> str:
    """Say what was let pass, count it in the outputs, and return it in few words."""
    told = []
    if baseline is not None:
        job.output(KNOWN=str(len(allowed.known)))
        if allowed.known:
            job.say(f"let pass, since {baseline.name} has it: {_listed(allowed.known)}")
            told.append(f"{len(allowed.known)} known")
    if inputs.grace:
        job.output(IN_GRACE=str(len(allowed.in_grace)))
        if allowed.in_grace:
            days = f"published in the last {inputs.grace} days"
            job.say(f"let pass, since {days}: {_listed(allowed.in_grace)}")
            told.append(f"{len(allowed.in_grace)} {days}")
    return ", ".join(told)


def baseline_subjects(inputs: TrivyInputs, job: Job, images: Sequence[Subject]) -> list[Subject]:
    """Return the images of the baseline that are to be scanned: of the platforms that are scanned anyway.

    One that is not there yet is no error: then everything counts.
    """
    reference = baseline_reference(inputs, job.workspace)
    if reference is None:
        return []
    registry = job.registry(inputs.all_credentials, inputs.insecure_registries)
    found = registry.find(reference)
    if found is None:
        job.warn(f"there is no {reference} yet, so that every finding counts")
        return []
    name = reference.with_digest(found.digest)
    job.say(f"the baseline is {name}")
    if any(each.name.endswith(found.digest) for each in images):
        job.warn("the baseline is the image that is scanned, so that none of its findings count")
    # Named apart, since it may be the image that is scanned.
    title = f"the baseline {name}"
    if not found.is_index:
        return [one_image(title, str(name))]
    wanted = {each.platform for each in images if each.platform}
    children = registry.platforms(name)
    same = [each for each in children if any(matches(each.platform or "", one) for one in wanted)]
    return [image_of(name, each, title) for each in same or children]


def baseline_reference(inputs: TrivyInputs, workspace: Path) -> Reference | None:
    """Return the image that is the baseline, None if a file is, or nothing.

    Raises:
        ValueError: it is neither.
    """
    text = inputs.baseline
    if text is None or is_file(workspace / text) or text.endswith(".json"):
        return None
    if is_digest(text):
        if inputs.image is None:
            raise ValueError("is a digest, and no image is scanned")
        return inputs.image.with_digest(text)
    return Reference.parse(text)


def read_baseline(inputs: TrivyInputs, workspace: Path, scanned: Mapping[Subject, Report]) -> Baseline | None:
    """Return the baseline: of the images that were scanned for it, or of a file.

    Raises:
        InputMismatch: the file is no report of Trivy's.
    """
    if scanned:
        name = next(iter(scanned)).name
        return Baseline.of(name, {normal(each.platform): report for each, report in scanned.items()})
    if inputs.baseline is None or not is_file(workspace / inputs.baseline):
        return None
    try:
        report = read_report(read_text(workspace / inputs.baseline).encode())
    except Exception:  # noqa: BLE001 - whatever is wrong, it is not what it should be
        what = f"{inputs.baseline} is no report of Trivy's"
        raise InputMismatch("baseline", what, "write one with `reports: json=PATH`") from None
    return Baseline.of(inputs.baseline, _by_platform(report))


def _by_platform(report: Report) -> dict[str, Report]:
    """Return a report's parts by platform, as `merge` has put them together; under the empty name if not."""
    found: dict[str, list[Any]] = {}
    for result in report.get("Results") or ():
        prefix = _PREFIX.match(str(result.get("Target")))
        found.setdefault(normal(prefix[1]) if prefix else "", []).append(result)
    if "" in found:
        return {"": report}
    return {platform: {"Results": results} for platform, results in found.items()}


def _keyed(report: Mapping[str, Any]) -> Iterator[tuple[Key, Finding]]:
    for result in report.get("Results") or ():
        target = _PREFIX.sub("", str(result.get("Target")), count=1)
        for kind, finding in findings_of(result):
            where = (target,) if kind in _IN_FILES else ()
            yield (kind, *(str(finding.get(name, "")) for name in _KEYS[kind]), *where), finding


def _keys(report: Mapping[str, Any]) -> Iterator[Key]:
    return (key for key, _ in _keyed(report))


def _is_new(finding: Finding, days: int, now: datetime) -> bool:
    """Tell whether a vulnerability was published in the last days; of others nobody knows."""
    try:
        published = datetime.fromisoformat(str(finding["PublishedDate"])[:19]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return False
    return now - published < timedelta(days=days)


def _name(finding: Finding) -> str:
    name = next(str(finding[key]) for key in ("VulnerabilityID", "ID", "RuleID", "Name") if finding.get(key))
    return f"{name} ({finding['PkgName']})" if finding.get("PkgName") else name


def _listed(names: Sequence[str]) -> str:
    """Return names, each once, with how often it is there."""
    times = Counter(names)
    shown = [f"{name} {n} times" if n > 1 else name for name, n in times.items()]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
