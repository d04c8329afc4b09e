"""Scan everything once: all at the same time, as far as the memory goes, with one database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gocdnext_sdk import (
    Completed,
    Job,
    Reference,
    RegistryError,
    Tool,
    ToolError,
    doing,
)
from gocdnext_sdk.oci.platforms import matches
from gocdnext_sdk.runtime.room import at_once

from .commands import download_command, scan_command
from .configuration import says
from .databases import database_date, is_due, is_java_index_settled
from .inputs import IMAGES, TrivyInputs
from .layers import caches_beside, drop_large, keeps_layers, telling_apart
from .subjects import Subject

Report = dict[str, Any]
"""Trivy's JSON, schema version 2."""

SCAN_BYTES = 512 * 1024 * 1024
"""What one scan is taken to need; the database is mapped once for all of them."""


def scan(inputs: TrivyInputs, job: Job, trivy: Tool, subjects: Sequence[Subject]) -> dict[Subject, Report]:
    """Scan each subject once.

    Raises:
        ToolError: a scan failed, so that nothing is known about findings.
    """
    cache = inputs.cached_in(job.environ)
    updates = inputs.looks_up and not (inputs.skip_db_update or inputs.offline)
    # Before a scan in which plain http is allowed to every host; and one for all scans, even if a newer one
    # appears meanwhile. A single scan fetches it itself.
    if updates and (inputs.scans_insecurely or (len(subjects) > 1 and is_due(job.workspace / cache / "db"))):
        with doing(f"nothing was scanned{after_download(inputs, job.environ)}"):
            trivy.run(*download_command(inputs, cache))
    if inputs.scans_insecurely or len(subjects) > 1:
        inputs = inputs.model_copy(update={"skip_db_update": True})
    names = ", ".join(dict.fromkeys(each.name for each in subjects))
    no_result = f"{after_download(inputs, job.environ)} has no result"
    with doing(f"the scan of {names}{no_result}"):  # the job's `timeout`, for one
        ended = Scans(inputs, job, trivy, cache).all(subjects)
    reports: dict[Subject, Report] = {}
    for subject, outcome in zip(subjects, ended, strict=True):
        with doing(f"the scan of {subject.name}{no_result}"):
            if isinstance(outcome, ToolError):
                raise outcome
            report = read_report(outcome.stdout)
        if subject.in_files:
            name_files(report, subject)
        platform = subject.platform or platform_of(report)
        if not any(each == "all" or matches(platform, each) for each in subject.wanted):
            which = (
                f"{platform}, which `platforms` does not name" if platform else "no platform that it names"
            )
            raise ToolError(f"no result: {subject.name} is for {which}")
        reports[replace(subject, platform=platform)] = report
    drop_large(job.workspace / cache)  # not in a plan, which has no report
    if inputs.looks_up and (date := database_date(job.workspace / cache)):
        job.say(f"vulnerability database of {date}")
    return reports


@dataclass(frozen=True)
class Scans:
    """The scans of one job.

    Args:
        inputs: say how.
        job: has the workspace.
        trivy: scans.
        cache: where the databases are.
    """

    inputs: TrivyInputs
    job: Job
    trivy: Tool
    cache: str

    def all(self, subjects: Sequence[Subject]) -> list[Completed | ToolError]:
        """Scan all, as many at once as there is room for, and return how each ended."""
        cache = self.job.workspace / self.cache
        java = len(subjects) == 1 or is_java_index_settled(self.inputs, cache)
        size = min(len(subjects), at_once(SCAN_BYTES))
        ended: list[Completed | ToolError] = []
        todo = list(zip(subjects, self._telling_apart(subjects), strict=True))
        with caches_beside(cache, size - 1, self.job.temporary(), java=java) as beside:
            for start in range(0, len(todo), size):
                first, *others = todo[start : start + size]
                argvs = [self._argv(*each, at, java=java) for each, at in zip(others, beside, strict=False)]
                ended += self.trivy.capture_each([self._argv(*first, self.cache), *argvs])
        for number, subject in enumerate(subjects):
            if why := self._again(ended, number, java=java):
                self.job.say(f"{subject.argv[-1]} is scanned again, {why}")
                (ended[number],) = self.trivy.capture_each([self._argv(subject, None, self.cache)])
        return ended

    def _argv(self, subject: Subject, apart: list[str] | None, cache: str, *, java: bool = True) -> list[str]:
        # Trivy fetches the index of Java when it finds a jar, over the one that others may be reading: one
        # scan may, and the others do without. Those that cannot are done again when it is there.
        more = [] if java else ["--skip-java-db-update"]
        backend = self._backend(apart, self.job.workspace / cache)
        command, *rest = scan_command(self.inputs, subject, cache, self.job.environ, backend=backend)
        return [command, *more, *(apart or ()), *rest]

    def _backend(self, apart: list[str] | None, cache: Path) -> str:
        """Return where a scan keeps what it finds in layers; empty: where the job says, such as a Redis."""
        is_of_layers = self.inputs.scan_type in IMAGES
        if "TRIVY_CACHE_BACKEND" in self.job.environ and (apart is not None or not is_of_layers):
            return ""
        return "fs" if apart is not None and keeps_layers(cache) else "memory"

    def _telling_apart(self, subjects: Sequence[Subject]) -> list[list[str] | None]:
        """Return for each subject the arguments with which its layers can be kept; None: they cannot."""
        if self.inputs.scan_type not in IMAGES:
            return [None] * len(subjects)
        if self.inputs.scanners and "secret" not in self.inputs.scanners:
            return [[] for _ in subjects]
        # An argument would win over the files that are skipped elsewhere.
        if self._skips_elsewhere or not any(each.reference for each in subjects):
            return [None] * len(subjects)
        registry = self.job.registry(self.inputs.all_credentials, self.inputs.insecure_registries)

        def ask(subject: Subject) -> list[str] | None:
            with suppress(RegistryError):
                if subject.reference:
                    configuration = registry.configuration(Reference.parse(subject.reference))[1]
                    return telling_apart(configuration, self.trivy.path)
            return None

        return registry.ask_each("the base images' configuration", ask, subjects)

    @property
    def _skips_elsewhere(self) -> bool:
        """Whether a variable or Trivy's own configuration says which files are skipped, and no input does."""
        environ = self.job.environ
        return not self.inputs.skip_files and (
            bool(environ.get("TRIVY_SKIP_FILES"))
            or says(self.inputs.configured_by(environ), "scan.skip-files", self.job.workspace)
        )

    @staticmethod
    def _again(ended: Sequence[Completed | ToolError], number: int, *, java: bool) -> str:
        """Say why a scan that failed is worth another one; empty if it is not."""
        outcome = ended[number]
        if not isinstance(outcome, ToolError):
            return ""
        if b"cache may be in use by another process" in outcome.said:  # since `keeps_layers` has looked
            return "without what another process has open"
        if number and not java and not isinstance(ended[0], ToolError):
            return "now that the index of Java can be there"
        return ""


def after_download(inputs: TrivyInputs, environ: Mapping[str, str]) -> str:
    """Return where the vulnerability database comes from, if a call looks there first, for its errors."""
    if not inputs.looks_up or inputs.skip_db_update or inputs.offline:
        return ""
    own = [*map(str, inputs.db_repository)] or [environ.get("TRIVY_DB_REPOSITORY", "")]
    names = filter(None, [*own, *map(str, inputs.java_db_repository)])
    return f" with the database of {', '.join(names) or 'the Trivy project'}"


def name_files(report: Report, subject: Subject) -> None:
    """Give an image in files the name that it has: Trivy knows where it was put for the scan."""
    put = subject.argv[-1]
    report["ArtifactName"] = subject.name
    for result in report.get("Results") or ():
        result["Target"] = str(result.get("Target", "")).replace(put, subject.name)


def read_report(text: bytes) -> Report:
    """Return the report in Trivy's output.

    Raises:
        ToolError: there is none, as when Trivy's own configuration asks for a compliance report.
    """
    try:
        report = json.loads(text)
    except ValueError:
        report = None
    if not isinstance(report, dict) or report.get("SchemaVersion") != 2:
        raise ToolError("trivy wrote no JSON report; what do trivy.yaml and the TRIVY_* variables ask of it?")
    return report


def platform_of(report: Report) -> str:
    """Return the platform of the scanned image; empty if it is none."""
    config = report.get("Metadata", {}).get("ImageConfig", {})
    return "/".join(config[key] for key in ("os", "architecture", "variant") if config.get(key))
