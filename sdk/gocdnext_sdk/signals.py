"""Signals of a process that may be PID 1: forwarded, obeyed, and every child reaped.

Kubernetes cancels with SIGTERM and some seconds of grace; the plugin is PID 1, for which the kernel has
no default actions. Between tools a signal ends the job at once; while a tool runs it is handed on, the
tool is given time, and the job ends when the tool has.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

from gocdnext_sdk.errors import Cancelled

CANCELLING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

GRACE = 10.0
"""Seconds a tool has to end after a signal before it is killed. Kubernetes gives 30 for everything."""


class Signals:
    """The job's signal handling. A context manager; leaving it restores what was there."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._shielded = False
        self._before: dict[int, Any] = {}
        self._killer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in CANCELLING:
                self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._killer is not None:
            self._killer.cancel()
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def check(self) -> None:
        """Raise if a signal has come: no step starts after one.

        Raises:
            Cancelled: with the signal's number.
        """
        if self.received is not None and not self._shielded:
            raise Cancelled(self.received)

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        """Let clean-up steps run although a signal has come; a signal meanwhile waits until they end."""
        before, self._shielded = self._shielded, True
        try:
            yield
        finally:
            self._shielded = before

    @contextlib.contextmanager
    def child(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Hand signals on to `process`, the leader of its own process group, while the block runs.

        Raises:
            Cancelled: at the end of the block, if a signal came while it ran.
        """
        self._child = process
        if self.received is not None and not self._shielded:  # it came between the check and the start
            self._forward(self.received)
        try:
            yield
        finally:
            self._child = None
            if self._killer is not None:
                self._killer.cancel()
                self._killer = None
            _end_group(process.pid)
        self.check()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        repeated = self.received is not None
        self.received = self.received or signum
        if self._shielded:
            return
        if self._child is None:
            if not repeated:
                raise Cancelled(signum)
        elif repeated:
            _signal_group(self._child.pid, signal.SIGKILL)
        else:
            self._forward(signum)

    def _forward(self, signum: int) -> None:
        child = self._child
        if child is not None:
            _signal_group(child.pid, signum)
            self._killer = threading.Timer(GRACE, _signal_group, (child.pid, signal.SIGKILL))
            self._killer.daemon = True
            self._killer.start()


def _signal_group(pgid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signum)


def _end_group(pgid: int) -> None:
    """End what the tool left running, and reap what has become ours as PID 1."""
    _signal_group(pgid, signal.SIGKILL)
    if os.getpid() == 1:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
