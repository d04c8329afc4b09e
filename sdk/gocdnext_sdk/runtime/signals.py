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
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, Self

from gocdnext_sdk.errors import Cancelled, TimedOut

CANCELLING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

GRACE = 10.0
"""Seconds a tool has to end after a signal before it is killed. Kubernetes gives 30 for everything."""

_SOON = 0.05
"""Seconds until a signal that was lost comes again."""


class Signals:
    """The job's signal handling. A context manager; leaving it restores what was there.

    It only raises within `cancelling`: what follows the job's work (wiping, the report) is not torn.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._limit = 0.0
        self._cancelling = False
        self._waiting = False
        self._children: list[subprocess.Popen[bytes]] = []
        self._before: dict[int, Any] = {}
        self._hook = sys.unraisablehook
        self._killer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in CANCELLING:
                self._before[signum] = signal.signal(signum, self._handle)
            self._hook, sys.unraisablehook = sys.unraisablehook, self._raise_again
        return self

    def __exit__(self, *exc: object) -> None:
        self._rest()
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        if self._before:
            sys.unraisablehook = self._hook

    @contextlib.contextmanager
    def cancelling(self) -> Iterator[None]:
        """Let a signal end the block.

        Raises:
            Cancelled: within the block, where it stands between tools, or at the end of a tool.
        """
        with self._set_cancelling(True):
            self.check()
            try:
                yield
            except Exception as error:
                if not isinstance(error, Cancelled):
                    self.check()  # a library made another error of it, as pydantic does of any
                raise
            self.check()

    @contextlib.contextmanager
    def limited(self, seconds: float | None) -> Iterator[None]:
        """End the block after `seconds`, as a signal would; None: no limit.

        Raises:
            TimedOut: within the block, or at the end of a tool.
        """
        if seconds is None or not self._before:
            yield
            return
        self._limit = seconds
        with handled((signal.SIGALRM,), self._handle):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        """Let clean-up steps run after a signal. One meanwhile waits; a second ends their tool.

        Raises:
            Cancelled: at the end of the block, if a signal came meanwhile. What an earlier one raised knows
                what was being done, and goes on by itself.
        """
        before = self.received
        with self._set_cancelling(False):
            yield
        if before is None:
            self.check()

    @property
    def reach_this_thread(self) -> bool:
        """Whether what is started here can be ended by a signal; in a test, nothing is handled anywhere."""
        return not self._before or threading.current_thread() is threading.main_thread()

    def check(self) -> None:
        """Raise if a signal has come: no step starts after one.

        Raises:
            Cancelled: with the signal's number.
        """
        if self.received is not None and self._cancelling:
            raise self._end(self.received)

    @contextlib.contextmanager
    def child(self, start: Callable[[], subprocess.Popen[bytes]]) -> Iterator[subprocess.Popen[bytes]]:
        """Hand signals on to a child while the block runs. At its end nothing of the child's group is left.

        It does not end the block, which is taken to wait for the child; `meanwhile` may stand in it, and
        further children in that. A signal is for all there are.

        Args:
            start: makes it, as the leader of its own process group.

        Raises:
            Cancelled: before it is started, or at the end of the block, if a signal came.
        """
        self.check()
        # Raised between the fork and our knowing the child, a signal would lose it.
        with self._set_cancelling(False):
            self._install(self._handle)  # before: what is ignored would be ignored by the tool too
            process = start()
            self._children.append(process)
            before, self._waiting = self._waiting, True
        try:
            if self.received is not None and self._cancelling:
                self._forward(self.received)
            yield process
        finally:
            self.end_group(process.pid)
            with process:  # waits for it and closes its pipes
                pass
            self._children.remove(process)
            self._waiting = before
            if not self._children:
                self._rest()
        self.check()

    @contextlib.contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Do something else than wait for the child. A signal ends the block, and is handed on as well.

        Raises:
            Cancelled: within the block, or at its end.
        """
        before, self._waiting = self._waiting, False
        try:
            self.check()
            yield
        finally:
            self._waiting = before
        self.check()

    @contextlib.contextmanager
    def _set_cancelling(self, value: bool) -> Iterator[None]:
        before, self._cancelling = self._cancelling, value
        try:
            yield
        finally:
            self._cancelling = before

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        # Handlers interrupt each other: a flood of signals would nest them without end.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, CANCELLING)
        try:
            self._take(signum)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _take(self, signum: int) -> None:
        repeated = self.received is not None
        self.received = self.received or signum
        if repeated or (not self._children and self._cancelling):
            # All that a signal can do is done until the next tool starts; what goes on below is not torn.
            self._install(signal.SIG_IGN)
        if self._children:
            if repeated:
                self._signal_children(signal.SIGKILL)
            elif self._cancelling:
                self._forward(signum)
        if self._cancelling and not self._waiting and not repeated:
            raise self._end(signum)

    def _end(self, signum: int) -> Cancelled:
        return TimedOut(self._limit) if signum == signal.SIGALRM else Cancelled(signum)

    def _raise_again(self, lost: sys.UnraisableHookArgs) -> None:
        """Let a signal come once more that was raised where Python throws it away: in a destructor."""
        if not isinstance(lost.exc_value, Cancelled):
            self._hook(lost)
        elif self._cancelling and self.received is not None:
            signum, self.received = self.received, None
            self._install(self._handle)
            # Not here: it would be thrown away again.
            again = threading.Timer(_SOON, os.kill, (os.getpid(), signum))
            again.daemon = True
            again.start()

    def _install(self, handler: Any) -> None:
        for signum in self._before:
            signal.signal(signum, handler)

    def _forward(self, signum: int) -> None:
        if self._children and self._killer is None:
            self._signal_children(signal.SIGTERM if signum == signal.SIGALRM else signum)
            self._killer = threading.Timer(GRACE, self._signal_children, (signal.SIGKILL,))
            self._killer.daemon = True
            self._killer.start()

    def end_group(self, pgid: int) -> None:
        """End what a tool left running in its process group, and reap what has become ours as PID 1.

        A tool that has ended beside it is not reaped: its exit code would be lost, and taken for 0.
        """
        _signal_group(pgid, signal.SIGKILL)
        if os.getpid() != 1:
            return
        tools, look = {each.pid for each in self._children}, os.WEXITED | os.WNOHANG | os.WNOWAIT
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, look)) and ended.si_pid not in tools:
                os.waitpid(ended.si_pid, os.WNOHANG)

    def _signal_children(self, signum: int) -> None:
        for process in self._children:
            _signal_group(process.pid, signum)

    def _rest(self) -> None:
        if self._killer is not None:
            self._killer.cancel()
            self._killer = None


@contextlib.contextmanager
def handled(
    signals: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], object]
) -> Iterator[None]:
    """Have `handler` called for `signals` within the block; afterwards all is as before.

    Only the main thread can have handlers.
    """
    before = {signum: signal.signal(signum, handler) for signum in signals}
    try:
        yield
    finally:
        for signum, former in before.items():
            signal.signal(signum, former)


def _signal_group(pgid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signum)
