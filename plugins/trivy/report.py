"""From what was found to the reports: in which format, where, and of which images."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

from gocdnext_sdk import InputMismatch, Job, Tool, quoted

from .commands import convert_command
from .findings import labels, merge, unite
from .formats import PLATFORM, Wanted
from .inputs import TrivyInputs
from .sarif import merge_sarif
from .scan import Report
from .subjects import Subject


@dataclass(frozen=True)
class Written:
    """A report in the workspace.

    Args:
        wanted: its format.
        path: where it is.
        subject: the one image it describes; None: all of them.
    """

    wanted: Wanted
    path: str
    subject: Subject | None = None


@dataclass(frozen=True)
class Renderer:
    """Makes every report of the one scan.

    Args:
        inputs: say what a conversion has to know.
        job: has the room for it.
        trivy: converts.
        reports: what was found, in Trivy's JSON.
    """

    inputs: TrivyInputs
    job: Job
    trivy: Tool
    reports: Mapping[Subject, Report]

    def text(self, report_format: str) -> str:
        """Return the report of all images in a format."""
        if report_format == "json":
            return json.dumps(merge(self.reports), indent=2) + "\n"
        if report_format == "sarif":
            return merge_sarif({each: self._convert("sarif", self.reports[each]) for each in self.reports})
        return self._convert(report_format, unite(self.reports))

    def of_one(self, report_format: str, subject: Subject) -> str:
        """Return the report of one image in a format."""
        one = {subject: self.reports[subject]}
        return Renderer(self.inputs, self.job, self.trivy, one).text(report_format)

    def _convert(self, report_format: str, report: Report) -> str:
        from tempfile import TemporaryDirectory

        # Not a secret file: where memfd is forbidden, /dev/shm may have room for a key and not for a report.
        with TemporaryDirectory(prefix="gocdnext-", dir=self.job.temporary()) as folder:
            path = Path(folder, "report.json")
            path.write_text(json.dumps(report))
            done = self.trivy.capture(
                *convert_command(self.inputs, report_format, str(path), self.trivy.path)
            )
        return done.stdout.decode(errors="replace")


def publish(renderer: Renderer) -> list[Written]:
    """Write every report where it is wanted; the log shows the table where files have them."""
    inputs, job = renderer.inputs, renderer.job
    table = renderer.text(inputs.in_log.format)
    print(table)
    written: list[Written] = []
    for wanted in inputs.wanted:
        for path, subject in places(wanted, renderer.reports):
            if subject is not None:
                text = renderer.of_one(wanted.format, subject)
            else:
                text = table if wanted.format == inputs.in_log.format else renderer.text(wanted.format)
            job.report(path, text)
            job.say(f"report: {path} ({wanted.format})")
            written.append(Written(wanted, path, subject))
    return written


def attestable(written: Iterable[Written], formats: Collection[str]) -> str:
    """Return the reports about images in a registry, each with the image that it is to be attested to.

    Args:
        written: all reports.
        formats: those that count; of two for an image it is the one that is asked for first.
    """
    found: dict[str, str] = {}
    for each in written:
        if each.subject is not None and each.subject.reference and each.wanted.format in formats:
            found.setdefault(each.subject.reference, each.path)
    return ",".join(f"{reference}={path}" for reference, path in found.items())


def places(wanted: Wanted, subjects: Mapping[Subject, object]) -> Iterator[tuple[str, Subject | None]]:
    """Yield the paths of a report, each with the image that it describes; None: all of them."""
    if PLATFORM in wanted.path:
        for subject, label in labels(subjects).items():
            yield wanted.path.replace(PLATFORM, _in_a_path(label) or "image"), subject
    elif len(subjects) == 1:
        yield wanted.path, next(iter(subjects))
    else:
        yield wanted.path, None


def refuse_reports(inputs: TrivyInputs, images: list[Subject]) -> None:
    """Check before the scan that each report has a place for what is scanned.

    Raises:
        InputMismatch: one describes one image, and there are several; or two would be one file.
    """
    if len(images) < 2:
        return
    names = ", ".join(f"{each.platform or 'no platform'} ({each.digest})" for each in images)
    for wanted in (*inputs.wanted, inputs.in_log):
        if wanted.is_of_one_image and PLATFORM not in wanted.path:
            what = f"{wanted.format} describes one image, and here are several: {names}"
            advice = f"write {PLATFORM} in the path of the report, or choose one of these platforms"
            raise InputMismatch("platforms", what, advice)
    taken: set[str] = set()
    for wanted in inputs.wanted:
        for path, _ in places(wanted, dict.fromkeys(images)):
            if normpath(path) in taken:
                what = f"{quoted(path)} would be the file of two reports"
                raise InputMismatch("reports", what, "give each a path of its own")
            taken.add(normpath(path))


def _in_a_path(label: str) -> str:
    return label.replace("/", "-").replace(" ", "-").replace(":", "-")
