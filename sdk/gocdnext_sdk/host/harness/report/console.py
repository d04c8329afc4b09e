"""A run on the terminal: every line as it comes, the running jobs, and a table at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gocdnext_sdk.host.harness.report.interface import JobReport, LogLine, RunReport, Status
from gocdnext_sdk.host.harness.report.text import CONTROL, details

_FILE_WIDTH = 200
"""Width of the table without a terminal."""

_COLOURS = ("cyan", "magenta", "yellow", "blue", "green", "bright_cyan", "bright_magenta")
_STYLES = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.ERROR: "bold red",
    Status.SKIPPED: "dim",
    Status.CANCELLED: "yellow",
}


def open_console(colour: Literal["auto", "never"] = "auto") -> Console:
    """Return a console on stdout; without a terminal it is wide enough for the table."""
    return Console(
        highlight=False,
        no_color=True if colour == "never" else None,
        force_terminal=False if colour == "never" else None,
        width=None if sys.stdout.isatty() else _FILE_WIDTH,
    )


class ConsoleListener:
    """Prints a run: on a terminal with a line of running jobs below, elsewhere as plain text.

    Args:
        console: the output.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}
        self._width = 0
        self._colours: dict[str, str] = {}
        self._live = Live(
            console=console, get_renderable=self._now_running, transient=True, refresh_per_second=8
        )

    def notice(self, text: str, job: str = "") -> None:
        """Print a notice."""
        with self._lock:
            self._print(("note: ", "yellow"), (f"{job}: " if job else "", "bold"), _shown(text))

    def run_started(self, pipeline: str, jobs: Sequence[tuple[str, str]]) -> None:
        """Print what is going to run."""
        with self._lock:
            self._width = max((len(name) for _, name in jobs), default=0)
            for at, (_, name) in enumerate(jobs):
                self._colours[name] = _COLOURS[at % len(_COLOURS)]
            stages: dict[str, list[str]] = {}
            for stage, name in jobs:
                stages.setdefault(stage, []).append(name)
            order = " → ".join(f"{stage} ({', '.join(names)})" for stage, names in stages.items())
            self._print((f"pipeline {pipeline}: {order}", "bold"))
            if self._console.is_terminal:
                self._live.start()

    def job_started(self, name: str) -> None:
        """Show that a job runs."""
        with self._lock:
            self._running[name] = time.monotonic()

    def line(self, name: str, line: LogLine) -> None:
        """Print a line behind its job's name."""
        with self._lock:
            self._print(self._prefix(name), _shown(line.text))

    def job_finished(self, report: JobReport) -> None:
        """Print how a job ended."""
        with self._lock:
            self._running.pop(report.name, None)
            status = f"{report.status}" + (f" in {report.seconds:.1f} s" if report.seconds else "")
            reason = f": {_shown(report.reason)}" if report.reason else ""
            self._print(self._prefix(report.name), (status + reason, _STYLES[report.status]))

    def run_finished(self, report: RunReport) -> None:
        """Print the table."""
        with self._lock:
            self._live.stop()
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
            self._console.print()
            self._console.print(table)
            passed = sum(job.status is Status.PASSED for job in report.jobs)
            skipped = sum(job.status is Status.SKIPPED for job in report.jobs)
            counts = f"{passed} of {len(report.jobs)} jobs passed, {skipped} skipped"
            self._console.print(
                Text(
                    f"{report.pipeline} {report.verdict}: {counts}, {report.seconds:.1f} s",
                    style="green" if report.passed else "bold red",
                )
            )

    def close(self) -> None:
        """Restore the terminal, even after an exception."""
        self._live.stop()

    def _prefix(self, name: str) -> tuple[str, str]:
        return f"{name:<{self._width}} │ ", self._colours.get(name, "")

    def _print(self, *parts: str | Text | tuple[str, str]) -> None:
        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def _now_running(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for name, since in tuple(self._running.items()):
            table.add_row(Spinner("dots"), Text(name), Text(f"{time.monotonic() - since:.0f} s", style="dim"))
        return table


def _shown(text: str) -> Text:
    """Return a text of a job with its colours, without other escape sequences."""
    return Text.from_ansi(CONTROL.sub(lambda found: found["colour"] or "", text))
