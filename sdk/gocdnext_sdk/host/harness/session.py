"""What one process creates on the engine.

Everything is created with the session's labels and removed, in one place, when the session ends. What a
killed session left is removed by the next one on the same host.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from gocdnext_sdk.errors import Cancelled, DaemonError
from gocdnext_sdk.host.harness.engine.interface import OWNER_LABEL, RUN_LABEL, Engine
from gocdnext_sdk.host.harness.local_registry import LocalRegistry, free_port

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore


_PAUSES = (0.2, 1.0)
"""Seconds to wait before trying again to remove something."""


class Stop:
    """A request to stop, made by a signal handler.

    While there is a listener (`heard_by`), a request is passed to it; otherwise it raises `Cancelled` in the
    main thread, which ends any preparation.
    """

    def __init__(self) -> None:
        self.requests: list[int] = []
        self._hear: Callable[[int], None] | None = None

    @property
    def signum(self) -> int:
        """The first signal, or 0."""
        return self.requests[0] if self.requests else 0

    def request(self, signum: int) -> None:
        """Ask to stop; a second request means immediately. Safe to call from a signal handler."""
        self.requests.append(signum)
        if self._hear is None:
            raise Cancelled(signum)
        self._hear(signum)

    def requested(self) -> bool:
        """Return whether there was a request."""
        return bool(self.requests)

    @contextmanager
    def heard_by(self, hear: Callable[[int], None]) -> Iterator[None]:
        """Pass requests to `hear`, which must be safe in a signal handler, instead of raising."""
        before, self._hear = self._hear, hear
        try:
            yield
        finally:
            self._hear = before


class Session:
    """A context manager that owns what is created with its `labels`.

    Args:
        engine: the engine; its connections are closed at the end.
        stop: carries requests to stop.
    """

    def __init__(self, engine: Engine, stop: Stop | None = None) -> None:
        self.engine = engine
        self.stop = stop or Stop()
        self.id = uuid4().hex[:12]
        self.labels = {RUN_LABEL: self.id, OWNER_LABEL: _owner()}

    def __enter__(self) -> Self:
        for run, owner in self.engine.owners().items():
            if _is_gone(owner):
                with suppress(DaemonError):  # another session may be removing it
                    self.engine.remove(RUN_LABEL, run)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        with self.stop.heard_by(lambda _: None):
            try:
                self._remove()
            except DaemonError:
                if kind is None:  # the error that ended the block says more
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
        """Return a name on the engine for something in this session."""
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

    def start_registries(self, count: int) -> tuple[LocalRegistry, ...]:
        """Start several throw-away registries that jobs reach in one network, each with a login of its own.

        Raises:
            DaemonError: one does not start.
        """
        ports = [free_port() for _ in range(count)]
        names = [self.name(f"registry-{uuid4().hex[:4]}") for _ in ports]
        start = partial(LocalRegistry.start, self.engine, labels=self.labels)
        first = start(names[0], port=ports[0], further=tuple(ports[1:]))
        return (first, *(start(n, port=p, within=first) for n, p in zip(names[1:], ports[1:], strict=True)))

    def start_sigstore(self, network: str | None = None, host: str | None = None) -> LocalSigstore:
        """Start a private Sigstore FOR LOCAL USE AND TESTS ONLY that lives as long as the session.

        Args:
            network: the jobs' network, such as that of a registry; by default a new one.
            host: its host name for jobs; two on one network need different ones.

        Raises:
            DaemonError: it does not start.
        """
        from gocdnext_sdk.host.harness.local_sigstore import HOST, LocalSigstore

        name = self.name(f"sigstore-{uuid4().hex[:4]}")
        if network is None:
            self.engine.create_network(name, self.labels)
        return LocalSigstore.start(self.engine, name, self.labels, network or name, host or HOST)


def _started(pid: int) -> str:
    """Return when process `pid` started, in clock ticks since boot; empty where the system does not say."""
    try:
        # Field 22; the second is the command in parentheses and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _owner() -> str:
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}".strip()


def _is_gone(owner: str) -> bool:
    """Return whether the process in an owner label has certainly ended."""
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
