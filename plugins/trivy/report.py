"""From what was found to the report, the outputs and the verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from gocdnext_sdk import Error, Findings, Job, Tool

from .inputs import SEVERITIES, TrivyInputs
from .scan import Report, Subject, convert_command

Counts = Counter[str]
"""How many findings there are of each severity."""


def publish(inputs: TrivyInputs, job: Job, trivy: Tool, reports: Mapping[Subject, Report]) -> None:
    """Write the report where it is wanted. When that is a file, the log shows the table."""

    def render(report_format: str) -> str:
        if report_format == "json":
            return json.dumps(merge(reports), indent=2) + "\n"
        if report_format == "template":
            return convert(report_format, merge(reports))
        texts = {subject: convert(report_format, report) for subject, report in reports.items()}
        return merge_sarif(texts) if report_format == "sarif" else join(texts)

    def convert(report_format: str, report: Report) -> str:
        from tempfile import TemporaryDirectory

        # Not a secret file: where memfd is forbidden, /dev/shm may have room for a key and not for a report.
        with TemporaryDirectory(prefix="gocdnext-", dir=job.temporary()) as folder:
            path = Path(folder, "report.json")
            path.write_text(json.dumps(report))
            done = trivy.capture(*convert_command(inputs, report_format, str(path)))
        return done.stdout.decode(errors="replace")

    text = render(inputs.format)
    if not inputs.output:
        print(text)
        return
    print(text if inputs.format == "table" else render("table"))
    path = job.workspace / inputs.output
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise Error(f"with.output: {inputs.output} cannot be written: {error.strerror}") from None
    job.say(f"report: {inputs.output} ({inputs.format})")


def labels(subjects: Iterable[Subject]) -> dict[Subject, str]:
    """Return what tells the images of an index apart: the platform, with the digest where two have the same.

    There may be several for one platform, such as one for each version of Windows.
    """
    subjects = list(subjects)
    times = Counter(subject.platform for subject in subjects)
    return {
        each: each.platform if times[each.platform] == 1 else f"{each.platform} {each.digest}".strip()
        for each in subjects
    }


def merge(reports: Mapping[Subject, Report]) -> Report:
    """Return one report of all images, each of whose results says of which one it is."""
    (name, first), *others = ((subject.name, report) for subject, report in reports.items())
    if not others:
        return first
    label = labels(reports)
    results = [
        result | {"Target": f"{label[subject]}: {result['Target']}"}
        for subject, report in reports.items()
        for result in report.get("Results") or ()
    ]
    shared = {key: value for key, value in first.items() if key not in ("ArtifactID", "Metadata")}
    return shared | {"ArtifactName": name, "Metadata": {"RepoDigests": [name]}, "Results": results}


def merge_sarif(texts: Mapping[Subject, str]) -> str:
    """Return one SARIF log with a run for each image, named as its category (SARIF 2.1.0, 3.17.3)."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    label = labels(texts)
    logs = {subject: json.loads(text) for subject, text in texts.items()}
    runs = [
        run | {"automationDetails": {"id": f"trivy/{label[subject].replace(' ', '/')}/"}}
        for subject, log in logs.items()
        for run in log["runs"]
    ]
    return json.dumps(next(iter(logs.values())) | {"runs": runs}, indent=2) + "\n"


def join(texts: Mapping[Subject, str]) -> str:
    """Return the texts one below the other, each under its platform, or the like."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    label = labels(texts)
    return "\n".join(f"{label[subject]}\n{text}" for subject, text in texts.items())


def count(report: Report) -> Counts:
    """Return how many findings of each severity there are."""
    return Counter(
        finding.get("Severity") or "UNKNOWN"
        for result in report.get("Results") or ()
        for kind in ("Vulnerabilities", "Misconfigurations", "Secrets", "Licenses")
        for finding in result.get(kind) or ()
        if kind != "Misconfigurations" or finding.get("Status") == "FAIL"
    )


def summarize(inputs: TrivyInputs, counts: Mapping[Subject, Counts]) -> dict[str, str]:
    """Return the outputs that tell what was found."""
    total = sum(counts.values(), Counter[str]())
    outputs = {each: str(total[each]) for each in SEVERITIES}
    outputs["FINDINGS"] = str(sum(total[each] for each in inputs.severity))
    if platforms := ",".join(dict.fromkeys(filter(None, (subject.platform for subject in counts)))):
        outputs["PLATFORMS"] = platforms
    return outputs


def judge(inputs: TrivyInputs, job: Job, counts: Mapping[Subject, Counts]) -> None:
    """Say in the last line whether it is clean, and end the job if it is not.

    Raises:
        Findings: something of `severity` was found, and `exit-code` is not 0.
    """
    relevant = {
        subject: Counter({each: found[each] for each in inputs.severity}) for subject, found in counts.items()
    }
    total = sum(relevant.values(), Counter[str]())
    name = next(iter(counts)).name
    label = labels(relevant)
    parts = [(label[subject], found) for subject, found in relevant.items() if label[subject]]
    if not total:
        where = f"{name} ({', '.join(part for part, _ in parts)})" if parts else name
        job.say(f"clean: nothing {' or '.join(inputs.severity)} in {where}")
        return
    details = "; ".join(f"{part}: {describe(found)}" for part, found in parts)
    message = f"findings: {describe(total)} in {f'{name} ({details})' if parts else name}"
    if inputs.exit_code:
        raise Findings(message, exit_code=inputs.exit_code)
    job.say(f"{message}; advisory, as `exit-code` is 0")


def describe(counts: Counts) -> str:
    """Return counts in words, as "2 CRITICAL, 1 HIGH"."""
    return ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each]) or "none"
