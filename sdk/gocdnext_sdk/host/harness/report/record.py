"""Every run is kept in the user's state folder, so that a report can be made of it later.

A run's folder holds ``run.json`` and the log of each job in a file of its own, as it was shown: masked. Logs
are written while jobs run, so they survive whatever ends the command.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from gocdnext_sdk.errors import UsageError, closest
from gocdnext_sdk.host.harness.report.interface import (
    JobReport,
    LogLine,
    Notice,
    NullListener,
    RunReport,
)
from gocdnext_sdk.host.harness.report.json import from_dict, write
from gocdnext_sdk.host.harness.report.text import plain

KEPT = 50
"""Runs that are kept; older ones go when a new one is recorded."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Recorder(NullListener):
    """Listens to a run and keeps it.

    Args:
        runs: the folder of all runs.
    """

    def __init__(self, runs: Path) -> None:
        self.id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
        self.report: RunReport | None = None
        self.folder = runs / self.id
        self._notices: list[Notice] = []
        self._files: dict[str, IO[str]] = {}
        self._names: dict[str, str] = {}
        self.folder.mkdir(mode=0o700, parents=True)
        _prune(runs)

    def notice(self, text: str, job: str = "") -> None:
        """Keep a notice."""
        self._notices.append(Notice(text, job))

    def run_started(self, pipeline: str, jobs: Sequence[tuple[str, str]]) -> None:
        """Choose the names of the logs."""
        self._names = {name: log_name(number, name) for number, (_, name) in enumerate(jobs)}

    def line(self, name: str, line: LogLine) -> None:
        """Keep a line of a job; only one thread tells those of one job."""
        if name not in self._files:
            file = self.folder / self._names.get(name, log_name(0, name))
            self._files[name] = file.open("w", encoding="utf-8", errors="replace")
        self._files[name].write(f"{plain(line.text)}\n")

    def job_finished(self, report: JobReport) -> None:
        """Close its log."""
        if file := self._files.pop(report.name, None):
            file.close()

    def run_finished(self, report: RunReport) -> None:
        """Keep the report."""
        self.report = replace(report, id=self.id, notices=tuple(self._notices))
        write(self.report, self.folder / "run.json")

    def close(self) -> None:
        """Close what is open; a run that never began leaves nothing."""
        for file in self._files.values():
            file.close()
        with suppress(OSError):
            self.folder.rmdir()


def log_name(number: int, job: str) -> str:
    """Return the name of the file that holds a job's log."""
    return f"{number:02}-{_UNSAFE.sub('_', job).strip('._')[:80] or 'job'}.log"


def write_logs(report: RunReport, folder: Path) -> None:
    """Write the log of each job into a file of its own.

    Raises:
        UsageError: they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, job in enumerate(report.jobs):
            text = "".join(f"{plain(line.text)}\n" for line in job.log)
            if text:
                (folder / log_name(number, job.name)).write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror}") from None


def kept(runs: Path) -> list[str]:
    """Return the ids of the runs that are kept whole, the latest first."""
    return sorted((each.parent.name for each in runs.glob("*/run.json")), reverse=True)


def load(runs: Path, run: str) -> RunReport:
    """Return a run that was kept, with its logs.

    Args:
        runs: the folder of all runs.
        run: its id, or the beginning of one; empty is the latest.

    Raises:
        UsageError: there is no such run, or it cannot be read.
    """
    ids = kept(runs)
    found = next((each for each in ids if each.startswith(run)), None)
    if found is None:
        if not ids:
            raise UsageError(f"no run is kept in {runs}", "`gocdnext-plugin run` keeps each")
        near = closest(run, ids)
        advice = f"did you mean {near}?" if near else "`gocdnext-plugin report --list` shows them"
        raise UsageError(f"there is no run {run}", advice)
    try:
        report = from_dict(json.loads((runs / found / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"run {found} cannot be read: {error}", "remove its directory") from None
    jobs = (_with_log(job, runs / found / log_name(at, job.name)) for at, job in enumerate(report.jobs))
    return replace(report, jobs=tuple(jobs))


def _with_log(job: JobReport, file: Path) -> JobReport:
    with suppress(OSError):
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        return replace(job, log=tuple(LogLine("stdout", line) for line in lines))
    return job


def _prune(runs: Path) -> None:
    old = sorted((each for each in runs.iterdir() if each.is_dir()), reverse=True)[KEPT:]
    for each in old:
        shutil.rmtree(each, ignore_errors=True)
