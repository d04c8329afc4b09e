"""Every error a user can meet, and the exit code it ends with.

    Error
    ├── Findings          1   the tool did its work and found what the job forbids
    ├── InputError        2   the `with:` map (or a file it names) is wrong; nothing was touched
    ├── ToolError         3   a wrapped tool failed or is missing
    ├── DaemonError       3   the Docker daemon cannot be used
    ├── RegistryError     3   a registry cannot be reached or refused
    └── Cancelled       128+n the job was stopped by signal n

A message says what happened, where, and what to do next. Users never see a traceback;
``GOCDNEXT_DEBUG=1`` shows it.

Public through `gocdnext_sdk` (docs/api.md).
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass


class Error(Exception):
    """Base of all errors that are reported as a message and an exit code."""

    exit_code: int = 3

    def lines(self) -> list[str]:
        """Return the message, one line per mistake."""
        return [str(self)]


class Findings(Error):
    """The tool worked and found what the job forbids.

    Args:
        message: what was found.
        exit_code: the job's own exit code for findings, 1 unless an input says otherwise.
    """

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Problem:
    """One mistake in the inputs.

    Args:
        key: the `with:` key as the user writes it; empty when no single key is to blame.
        what: what is wrong.
        advice: what to do next.
    """

    key: str
    what: str
    advice: str = ""

    def __str__(self) -> str:
        where = f"with.{self.key}: " if self.key else ""
        advice = f"; {self.advice}" if self.advice else ""
        return " ".join(f"{where}{self.what}{advice}".splitlines())


class InputError(Error):
    """The inputs are wrong. Carries every mistake, not only the first."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def lines(self) -> list[str]:
        """Return one line per mistake."""
        return [str(problem) for problem in self.problems]


class ToolError(Error):
    """A wrapped tool failed, or is not there."""


class DaemonError(Error):
    """The Docker daemon cannot be reached or refused."""


class RegistryError(Error):
    """A registry cannot be reached, or refused."""


class Cancelled(Error):
    """The job was stopped by a signal.

    Args:
        signum: the signal's number; the exit code is 128 + signum, as a shell reports it.
    """

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self.exit_code = 128 + signum
        super().__init__(f"stopped by {signal.Signals(signum).name}")
