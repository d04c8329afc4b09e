"""What a process of ours has on the engine, from its first network to the last volume.

Everything is created under the session's labels and removed when the session ends, in one place. A session
that was killed is cleaned up by the next one on the same host.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from gocdnext_sdk.errors import Cancelled, DaemonError
from gocdnext_sdk.host.harness.engine.interface import OWNER_LABEL, RUN_LABEL, Engine
from gocdnext_sdk.host.harness.local_registry import LocalRegistry

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore


_PAUSES = (0.2, 1.0)
"""Seconds to wait before what could not be removed is tried again."""


class Stop:
    """The wish to stop, as a signal handler states it.

    While somebody listens (`heard_by`), a request is passed on; otherwise it raises `Cancelled` in the main
    thread, which unwinds whatever was being prepared.
    """

    def __init__(self) -> None:
        self.requests: list[int] = []
        self._hear: Callable[[int], None] | None = None

    @property
    def signum(self) -> int:
        """The first signal that asked, or 0."""
        return self.requests[0] if self.requests else 0

    def request(self, signum: int) -> None:
        """Ask to stop; asking twice means at once. Made to be called from a signal handler."""
        self.requests.append(signum)
        if self._hear is None:
            raise Cancelled(signum)
        self._hear(signum)

    def requested(self) -> bool:
        """Return whether anybody asked."""
        return bool(self.requests)

    @contextmanager
    def heard_by(self, hear: Callable[[int], None]) -> Iterator[None]:
        """Pass requests to `hear` (which must be safe in a signal handler) instead of raising."""
        before, self._hear = self._hear, hear
        try:
            yield
        finally:
            self._hear = before


class Session:
    """A context manager that owns what is created under `labels`.

    Args:
        engine: where; its connections are closed at the end.
        stop: through which its work is asked to end.
    """

    def __init__(self, engine: Engine, stop: Stop | None = None) -> None:
        self.engine = engine
        self.stop = stop or Stop()
        self.id = uuid4().hex[:12]
        self.labels = {RUN_LABEL: self.id, OWNER_LABEL: _owner()}

    def __enter__(self) -> Self:
        for run, owner in self.engine.owners().items():
            if _is_gone(owner):
                with suppress(DaemonError):  # another session may be at it
                    self.engine.remove(RUN_LABEL, run)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        with self.stop.heard_by(lambda _: None):
            try:
                self._remove()
            except DaemonError:
                if kind is None:  # what ended the block says more
                    raise
            finally:
                with suppress(DaemonError):
                    self.engine.close()

    def _remove(self) -> None:
        for pause in _PAUSES:
            try:
                self.engine.remove(RUN_LABEL, self.id)
            except DaemonError:
                time.sleep(pause)
            else:
                return
        try:
            self.engine.remove(RUN_LABEL, self.id)
        except DaemonError as error:
            raise DaemonError(
                f"what has the label {RUN_LABEL}={self.id} is still on the engine: {error}",
                "the next run on this machine removes it",
            ) from error

    def name(self, what: str) -> str:
        """Return a name on the engine for something of this session."""
        return f"gocdnext-{self.id}-{what}"

    def start_registry(self, port: int = 0) -> LocalRegistry:
        """Start a throw-away registry that lives as long as the session.

        Args:
            port: 0 takes a free one.

        Raises:
            DaemonError: it does not start.
        """
        return LocalRegistry.start(
            self.engine, self.name(f"registry-{uuid4().hex[:4]}"), self.labels, port=port
        )

    def start_sigstore(self, network: str | None = None, host: str | None = None) -> LocalSigstore:
        """Start a private Sigstore FOR LOCAL USE AND TESTS ONLY that lives as long as the session.

        Args:
            network: the jobs', such as that of a registry; by default a new one.
            host: the name under which jobs find it; two on one network need two.

        Raises:
            DaemonError: it does not start.
        """
        from gocdnext_sdk.host.harness.local_sigstore import HOST, LocalSigstore

        name = self.name(f"sigstore-{uuid4().hex[:4]}")
        if network is None:
            self.engine.create_network(name, self.labels)
        return LocalSigstore.start(self.engine, name, self.labels, network or name, host or HOST)


def _started(pid: int) -> str:
    """Return when process `pid` began, in clock ticks since boot; empty where the system does not tell."""
    try:
        # Field 22; the second is the command in parentheses and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _owner() -> str:
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}".strip()


def _is_gone(owner: str) -> bool:
    """Return whether the process named by an owner label certainly ended."""
    host, _, process = owner.partition(" ")
    pid, _, started = process.partition(" ")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return started != _started(int(pid))
