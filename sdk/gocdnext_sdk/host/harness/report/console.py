"""A run on the terminal: a line for each step, the running jobs, why a job failed, and a table at the end."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, TextIO, TypeAlias, cast

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gocdnext_sdk.host.harness.report.interface import JobReport, LogLine, RunReport, Status
from gocdnext_sdk.host.harness.report.outcome import is_step
from gocdnext_sdk.host.harness.report.text import CONTROL, details, plain

Detail: TypeAlias = Literal["steps", "everything"]
"""Which lines of jobs are shown: those that tell a step, and the end of a job that failed; or all."""

HEARTBEAT = 30.0
"""Seconds after which a silent job is said to be still running, where there is no terminal."""

_FILE_WIDTH = 200
"""Width of the table without a terminal."""

_TAIL = 60
"""Lines of a failed job that are shown."""

_COLOURS = ("cyan", "magenta", "yellow", "blue", "green", "bright_cyan", "bright_magenta")
_STYLES = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.ERROR: "bold red",
    Status.CANCELED: "yellow",
}


def open_console(colour: Literal["auto", "never"] = "auto") -> Console:
    """Return a console on stdout; without a terminal it is wide enough for the table.

    A run goes on in silence when nobody reads any more (`run | head`, a terminal that is closed): what prints
    are the threads that wait for jobs and that stop them.
    """
    return Console(
        file=cast("IO[str]", _Lasting(sys.stdout)),
        highlight=False,
        no_color=True if colour == "never" else None,
        force_terminal=False if colour == "never" else None,
        width=None if sys.stdout.isatty() else _FILE_WIDTH,
    )


class _Lasting:
    """A stream whose text goes to nowhere from when it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            return self._stream.write(text)
        except OSError:
            self._lose()
            return len(text)

    def flush(self) -> None:
        """Flush what was written, or lose it."""
        try:
            self._stream.flush()
        except OSError:
            self._lose()

    def _lose(self) -> None:
        # Below the stream, so that what it still holds can be flushed, by Python's own end too.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@dataclass
class _Running:
    """A job that runs.

    Args:
        since: when it began.
        last: what it printed last.
        shown: when a line of it was shown.
    """

    since: float
    shown: float
    last: str = ""


class ConsoleListener:
    """Prints a run: on a terminal with a line for each running job below, elsewhere as plain text.

    Args:
        console: the output.
        detail: which lines of jobs are shown.
        heartbeat: see `HEARTBEAT`.
    """

    def __init__(self, console: Console, detail: Detail = "steps", heartbeat: float = HEARTBEAT) -> None:
        self._console = console
        self._detail = detail
        self._heartbeat = heartbeat
        self._lock = threading.RLock()
        self._running: dict[str, _Running] = {}
        self._jobs = 0
        self._done = 0
        self._width = 0
        self._colours: dict[str, str] = {}
        self._ended = threading.Event()
        self._live = Live(
            console=console, get_renderable=self._now_running, transient=True, refresh_per_second=8
        )

    def notice(self, text: str, job: str = "") -> None:
        """Print a notice."""
        with self._lock:
            self._print(("note: ", "yellow"), (f"{job}: " if job else "", "bold"), _shown(text))

    def run_started(self, pipeline: str, jobs: Sequence[tuple[str, str]]) -> None:
        """Print what is going to run. A second run of the same listener begins anew."""
        with self._lock:
            self._jobs, self._done = len(jobs), 0
            self._running.clear()
            self._ended = threading.Event()
            self._width = max((len(name) for _, name in jobs), default=0)
            self._colours = {name: _COLOURS[at % len(_COLOURS)] for at, (_, name) in enumerate(jobs)}
            stages: dict[str, list[str]] = {}
            for stage, name in jobs:
                stages.setdefault(stage, []).append(name)
            order = " → ".join(f"{stage} ({', '.join(names)})" for stage, names in stages.items())
            self._print((f"pipeline {pipeline}: {order}", "bold"))
        if self._console.is_terminal:
            self._live.start()
        else:
            threading.Thread(target=self._beat, args=(self._ended,), daemon=True).start()

    def job_started(self, name: str) -> None:
        """Show that a job runs."""
        with self._lock:
            now = time.monotonic()
            self._running[name] = _Running(now, now)

    def line(self, name: str, line: LogLine) -> None:
        """Print a line behind its job's name, if it tells a step or everything is shown."""
        with self._lock:
            job = self._running.get(name)
            if job is not None:
                job.last = plain(line.text) or job.last
            if self._detail == "everything" or is_step(line):
                self._lines(name, [line])
                if job is not None:
                    job.shown = time.monotonic()

    def job_finished(self, report: JobReport) -> None:
        """Print how a job ended; of one that failed, the end of its log."""
        with self._lock:
            self._running.pop(report.name, None)
            self._done += report.name in self._colours
            failed = report.status in {Status.FAILED, Status.ERROR}
            if failed and self._detail == "steps":
                left = len(report.log) - _TAIL
                if left > 0:
                    more = f"({left} lines before these; `gocdnext-plugin report --log-dir` has all)"
                    self._print(self._prefix(report.name), (more, "dim"))
                self._lines(report.name, report.log[-_TAIL:])
            status = f"{report.status}" + (f" in {report.seconds:.1f} s" if report.seconds else "")
            reason = f": {plain(report.reason)}" if report.reason else ""
            self._print(self._prefix(report.name), (status + reason, _STYLES[report.status]))

    def ask(self, question: str, stopping: Callable[[], bool]) -> bool:
        """Ask on the terminal while other jobs go on; anything but a yes, and a stop, is a no."""
        with self._lock:
            self._live.stop()
            self._console.print(Text(f"{plain(question)} [y/N] ", style="bold"), end="")
        try:
            while not stopping():
                if select.select([sys.stdin], [], [], 0.2)[0]:
                    return sys.stdin.readline().strip().lower() in {"y", "yes"}
            return False
        finally:
            with self._lock:
                if self._console.is_terminal and not self._ended.is_set():
                    self._live.start()

    def run_finished(self, report: RunReport) -> None:
        """Print the table."""
        self._ended.set()
        with self._lock:
            self._live.stop()
            self._console.print()
            self._console.print(_table(report))
            counts = f"{report.count(Status.PASSED)} of {len(report.jobs)} jobs passed"
            others = ((each, report.count(each)) for each in (Status.FAILED, Status.ERROR, Status.CANCELED))
            counts += "".join(f", {count} {each}" for each, count in others if count)
            self._console.print(
                Text(
                    f"{report.pipeline} {report.verdict}: {counts}, {report.seconds:.1f} s",
                    style="green" if report.passed else "bold red",
                )
            )

    def close(self) -> None:
        """Restore the terminal, even after an exception."""
        self._ended.set()
        self._live.stop()

    def _lines(self, name: str, lines: Iterable[LogLine]) -> None:
        for line in lines:
            self._print(self._prefix(name), _shown(line.text))

    def _prefix(self, name: str) -> tuple[str, str]:
        return f"{name:<{self._width}} │ ", self._colours.get(name, "")

    def _print(self, *parts: str | Text | tuple[str, str]) -> None:
        """Print a line; on a terminal, what does not fit goes on below, behind the same first part."""
        text = Text.assemble(*parts)
        first = Text.assemble(parts[0])
        room = self._console.width - len(first)
        if (
            not self._console.is_terminal
            or len(parts) < 2
            or text.cell_len <= self._console.width
            or room < 20
        ):
            self._console.print(text, soft_wrap=True)
            return
        for line in text[len(first) :].wrap(self._console, room, no_wrap=False):
            self._console.print(Text.assemble(first, line), soft_wrap=True)

    def _beat(self, ended: threading.Event) -> None:
        """Say of a silent job that it runs, so that nobody takes the run for dead."""
        while not ended.wait(self._heartbeat / 4):
            with self._lock:
                now = time.monotonic()
                for name, job in self._running.items():
                    if now - job.shown >= self._heartbeat:
                        job.shown = now
                        said = f"still running, {now - job.since:.0f} s"
                        self._print(self._prefix(name), f"{said}: {job.last}" if job.last else said)

    def _now_running(self) -> Table:
        table = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, None, None, 1):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for name, job in tuple(self._running.items()):
            seconds = f"{time.monotonic() - job.since:.0f} s"
            row = (
                Spinner("dots"),
                Text(name),
                Text(seconds, style="dim", justify="right"),
                Text(job.last, style="dim"),
            )
            table.add_row(*row)
        table.add_row("", Text(f"{self._done} of {self._jobs} jobs", style="bold"), "", "")
        return table


def _shown(text: str) -> Text:
    """Return a text of a job with its colours, without other escape sequences."""
    return Text.from_ansi(CONTROL.sub(lambda found: found["colour"] or "", text))


def _table(report: RunReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("STAGE", "JOB", "RESULT", "EXIT", "TIME", "DETAILS"):
        table.add_column(title, justify="right" if title in {"EXIT", "TIME"} else "left")
    for job in report.jobs:
        table.add_row(
            Text(job.stage),
            Text(job.name),
            Text(job.status, style=_STYLES[job.status]),
            "" if job.exit_code is None else str(job.exit_code),
            f"{job.seconds:.1f} s" if job.seconds else "",
            Text(details(job), overflow="fold"),
        )
    return table
