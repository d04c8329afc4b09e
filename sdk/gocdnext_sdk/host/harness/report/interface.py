"""What a run reports: to a listener while it runs, as a value afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from gocdnext_sdk.contract.masks import REPLACEMENT
from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.results.coverage import Coverage
from gocdnext_sdk.host.harness.results.junit import TestResults


class Status(StrEnum):
    """How a job ended."""

    PASSED = "passed"
    """It ran and succeeded."""

    FAILED = "failed"
    """It ran and failed, or could not be resolved, as on the platform."""
    ERROR = "error"
    """The engine could not run it."""
    CANCELED = "canceled"
    """It never started, since another failed or the run was stopped; or it was stopped."""


@dataclass(frozen=True)
class LogLine:
    """One line of a job's output, masked."""

    stream: Literal["stdout", "stderr"]
    text: str
    at: float = field(default=0.0, compare=False)
    """Seconds after the job began."""


@dataclass(frozen=True)
class Step:
    """One step of a job, as its log tells it.

    Args:
        title: what is done, or was.
        at: seconds after the job began.
        line: where in the log it begins, counted from 0.
    """

    title: str
    at: float
    line: int


@dataclass(frozen=True)
class Notice:
    """Something the user should know, about one job or, if `job` is empty, the whole run."""

    text: str
    job: str = ""


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """How one job (or one cell of its matrix) ended.

    Args:
        name: the job's, or the cell's.
        stage: its stage.
        status: how it ended.
        image: what ran; empty if nothing did.
        exit_code: of its container, if that ended by itself.
        reason: why it did not pass, in one line.
        result: what the job itself says of its result, in one line.
        began: seconds after the run.
        seconds: how long it ran.
        inputs: `with:` key to value as resolved, masked.
        outputs: alias to value, as the platform passes them on.
        masked_outputs: the aliases whose values must not be shown.
        log: everything it printed, masked.
        steps: what it did, as its log tells it.
        tests: what its `test_reports:` say.
        coverage: what its `coverage_report:` says.
        written: paths of files that it brought back into the tree.
        files: the content of the files that it was asked to write, by variable.
    """

    name: str
    stage: str
    status: Status
    image: str = ""
    exit_code: int | None = None
    reason: str = ""
    result: str = ""
    began: float = 0.0
    seconds: float = 0.0
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    outputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    masked_outputs: frozenset[str] = frozenset()
    log: tuple[LogLine, ...] = field(default=(), repr=False)
    steps: tuple[Step, ...] = ()
    tests: TestResults | None = None
    coverage: Coverage | None = None
    written: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """The log as one text."""
        return "".join(f"{line.text}\n" for line in self.log)

    @property
    def measured(self) -> str:
        """Its tests and its coverage, in one line; empty if it reports neither."""
        tests = f"tests: {self.tests}" if self.tests else ""
        return ", ".join(filter(None, (tests, f"coverage {self.coverage}" if self.coverage else "")))

    @property
    def shown_outputs(self) -> dict[str, str]:
        """The outputs for display: masked ones as ``***``."""
        return {
            alias: REPLACEMENT if alias in self.masked_outputs else value
            for alias, value in self.outputs.items()
        }


@dataclass(frozen=True)
class RunReport:
    """How a run ended.

    Args:
        pipeline: its name.
        jobs: in the order of the graph.
        seconds: from the start of the first job to the end of the last.
        stopped_by: the number of the signal that stopped it, or 0.
        id: what it is kept as; empty if it is not.
        began: when, in UTC, as RFC 3339 writes it.
        commit: the commit that its jobs know.
        branch: their branch.
        cause: what triggered it, as `CI_CAUSE` says.
        notices: what the user should know about it.
    """

    pipeline: str
    jobs: tuple[JobReport, ...]
    seconds: float
    stopped_by: int = 0
    id: str = ""
    began: str = ""
    commit: str = ""
    branch: str = ""
    cause: str = ""
    notices: tuple[Notice, ...] = ()

    @property
    def verdict(self) -> str:
        """How it ended, in one word."""
        return "passed" if self.passed else "stopped" if self.stopped_by else "failed"

    @property
    def passed(self) -> bool:
        """Whether every job that had to run passed."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 all passed, 1 a job failed, 3 the engine could not run one, 128+n stopped by signal n."""
        statuses = {job.status for job in self.jobs}
        if self.stopped_by and statuses - {Status.PASSED}:
            return 128 + self.stopped_by
        if Status.ERROR in statuses:
            return DaemonError.exit_code
        return 1 if statuses & {Status.FAILED, Status.CANCELED} else 0

    def count(self, status: Status) -> int:
        """Return how many jobs ended so."""
        return sum(job.status is status for job in self.jobs)

    def __getitem__(self, name: str) -> JobReport:
        """Return the job or matrix cell of that name."""
        return next(job for job in self.jobs if job.name == name)


class Listener(Protocol):
    """Receives the events of a run. Called from several threads at once."""

    def notice(self, text: str, job: str = "") -> None:
        """Something the user should know, about one job or the whole run."""

    def run_started(self, pipeline: str, jobs: Sequence[tuple[str, str]]) -> None:
        """The run begins; `jobs` are (stage, name) in the order of the graph."""

    def job_started(self, name: str) -> None:
        """A job begins."""

    def line(self, name: str, line: LogLine) -> None:
        """A job printed a line."""

    def job_finished(self, report: JobReport) -> None:
        """A job ended, or never starts."""

    def run_finished(self, report: RunReport) -> None:
        """The run ended."""


class NullListener:
    """A listener that ignores everything."""

    def notice(self, text: str, job: str = "") -> None:
        """Do nothing."""

    def run_started(self, pipeline: str, jobs: Sequence[tuple[str, str]]) -> None:
        """Do nothing."""

    def job_started(self, name: str) -> None:
        """Do nothing."""

    def line(self, name: str, line: LogLine) -> None:
        """Do nothing."""

    def job_finished(self, report: JobReport) -> None:
        """Do nothing."""

    def run_finished(self, report: RunReport) -> None:
        """Do nothing."""


class Tee:
    """Tells several listeners everything.

    Args:
        listeners: in this order.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def notice(self, text: str, job: str = "") -> None:
        """Pass it on."""
        for each in self._listeners:
            each.notice(text, job)

    def run_started(self, pipeline: str, jobs: Sequence[tuple[str, str]]) -> None:
        """Pass it on."""
        for each in self._listeners:
            each.run_started(pipeline, jobs)

    def job_started(self, name: str) -> None:
        """Pass it on."""
        for each in self._listeners:
            each.job_started(name)

    def line(self, name: str, line: LogLine) -> None:
        """Pass it on."""
        for each in self._listeners:
            each.line(name, line)

    def job_finished(self, report: JobReport) -> None:
        """Pass it on."""
        for each in self._listeners:
            each.job_finished(report)

    def run_finished(self, report: RunReport) -> None:
        """Pass it on."""
        for each in self._listeners:
            each.run_finished(report)
