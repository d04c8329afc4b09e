"""Stopping running containers when the session is asked to stop."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from typing import Literal, Self

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.report.interface import Listener
from gocdnext_sdk.host.harness.session import Session

GRACE = 10.0
"""Seconds between a container's SIGTERM and its SIGKILL, as of `docker stop`. What a plugin gives its tool is
a rule of its own: `runtime.signals.GRACE`."""

_AGAIN = 0.5
"""Seconds until a signal that may have been lost is sent again."""

_YOUNG = 3.0
"""Seconds in which a container may miss a signal: the kernel drops one for which PID 1 has no handler yet.

An older container gets the signal once: many programs exit immediately on a second signal.
"""


class RunningContainers:
    """The running containers of a run, which end when the session is asked to stop. A context manager.

    Within it, a request to stop does not raise; it ends what runs and keeps anything else from starting.

    Args:
        session: carries the requests to stop.
        listener: is notified of them.
    """

    def __init__(self, session: Session, listener: Listener) -> None:
        self._session = session
        self._listener = listener
        self._requests: SimpleQueue[int | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._hearing = ExitStack()

    def __enter__(self) -> Self:
        self._hearing.enter_context(self._session.stop.heard_by(self._requests.put))
        if self._session.stop.requested():
            self._requests.put(self._session.stop.signum)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._hearing.close()
        self._requests.put(None)
        self._thread.join()

    def start(self, container: str) -> bool:
        """Start a container unless the session was asked to stop; return whether it was started.

        Raises:
            DaemonError: the engine cannot start it.
        """
        with self._lock:
            if self._session.stop.requested():
                return False
            self._started[container] = time.monotonic()
        self._session.engine.start(container)
        with self._lock:
            self._started[container] = time.monotonic()
        return True

    def discard(self, container: str) -> None:
        """Forget a container that ended."""
        with self._lock:
            self._started.pop(container, None)

    def kill(self) -> None:
        """Kill all running containers."""
        self._tell("SIGKILL")

    def _watch(self) -> None:
        if self._requests.get() is None:
            return
        self._listener.notice("stopping; Ctrl-C again kills")
        kill_at = time.monotonic() + GRACE
        signal: Literal["SIGTERM", "SIGKILL"] = "SIGTERM"
        while True:
            self._tell(signal)
            try:
                request = self._requests.get(timeout=_AGAIN)
            except Empty:
                if time.monotonic() >= kill_at:
                    signal = "SIGKILL"
                continue
            if request is None:
                return
            signal = "SIGKILL"

    def _tell(self, signal: Literal["SIGTERM", "SIGKILL"]) -> None:
        with self._lock:
            running = dict(self._started)
        for container, started in running.items():
            if signal == "SIGTERM" and container in self._told:
                continue
            with suppress(DaemonError):  # the next round tries again
                self._session.engine.signal(container, signal)
                if time.monotonic() - started > _YOUNG:
                    self._told.add(container)
