"""Where jobs get their checkout from: a copy each, or one copy under a layer of each job's own.

A copy costs the engine some time for each file, three times a job: to unpack it, to send it back, to delete
it. For a large checkout, the engine unpacks it once and mounts it under a layer (overlayfs) for each job: a
job sees and changes its own files only, and what it changed is the layer.
"""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Protocol
from uuid import uuid4

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import ContainerSpec, Engine, NoSuchPath
from gocdnext_sdk.host.harness.report.interface import Listener
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.snapshot import Snapshot, directory

_PROBED_AT: Final = "/workspace"
_LAYER: Final = "/layer"


class Workspace(Protocol):
    """The checkout of one job."""

    @property
    def volume(self) -> str:
        """The volume to mount where the job has its checkout."""

    def fill(self, container: str) -> None:
        """Put the checkout into the job's container, which is created and not started."""

    def changed(self, container: str) -> Iterator[bytes]:
        """Yield what the job may have changed as a tar, every path below one directory."""


@dataclass(frozen=True)
class _Copy:
    engine: Engine
    snapshot: Snapshot
    volume: str
    path: str

    def fill(self, container: str) -> None:
        self.engine.put(container, self.path, self.snapshot.stream())

    def changed(self, container: str) -> Iterator[bytes]:
        return self.engine.get(container, self.path)


@dataclass(frozen=True)
class _Layer:
    engine: Engine
    keeper: str
    """A container, never started, through which the layer itself is reached."""
    volume: str

    def fill(self, container: str) -> None:
        """Do nothing: the checkout lies below."""

    def changed(self, container: str) -> Iterator[bytes]:
        return self.engine.get(self.keeper, f"{_LAYER}/{UPPER}")


UPPER: Final = "upper"
WORK: Final = "work"
"""The directories of a layer's volume: what was changed, and what the mount itself needs."""


class Workspaces:
    """The checkouts of all jobs of a run. Thread-safe.

    Args:
        session: owns what is created.
        snapshot: what jobs get.
        layered_from: the number of files from which on jobs share a copy; None: never.
        listener: is told if the engine cannot do that.
    """

    def __init__(
        self, session: Session, snapshot: Snapshot, layered_from: int | None, listener: Listener
    ) -> None:
        self.snapshot = snapshot
        self._session = session
        self._listener = listener
        self._layered = layered_from is not None and len(snapshot.entries) >= layered_from
        self._lock = threading.Lock()
        self._base = ""

    def create(self, name: str, labels: Mapping[str, str], image: str, path: str) -> Workspace:
        """Create the volume of one job.

        Args:
            name: on the engine.
            labels: of what is created for this job.
            image: any that the engine has.
            path: where the job will have it.

        Raises:
            DaemonError: the engine refuses.
        """
        engine = self._session.engine
        with self._lock:
            if self._layered and not self._base:
                self._have_base(image)
        if self._layered:
            return self._layer(name, labels, image, self._base)
        engine.create_volume(name, labels)
        return _Copy(engine, self.snapshot, name, path)

    def _have_base(self, image: str) -> None:
        """Unpack the checkout, if the engine can put layers over it."""
        engine, labels = self._session.engine, self._session.labels
        number = uuid4().hex[:6]  # a session may have several runs
        base, probe = self._session.name(f"checkout-{number}"), self._session.name(f"probe-{number}")
        engine.create_volume(base, labels)
        try:
            layer = self._layer(probe, labels, image, base)
            looking = engine.create(
                ContainerSpec(name=probe, image=image, labels=labels, volumes={layer.volume: _PROBED_AT})
            )
            for _ in engine.get(looking, f"{_PROBED_AT}/nothing"):  # mounts it
                pass
        except NoSuchPath:
            keeper = engine.create(
                ContainerSpec(name=base, image=image, labels=labels, volumes={base: _PROBED_AT})
            )
            engine.put(keeper, _PROBED_AT, self.snapshot.stream())
            self._base = base
        except DaemonError as error:
            self._layered = False
            self._listener.notice(f"every job gets a copy of the checkout; they cannot share one: {error}")

    def _layer(self, name: str, labels: Mapping[str, str], image: str, base: str) -> _Layer:
        engine = self._session.engine
        volume = f"{name}-layer"
        engine.create_volume(volume, labels)
        keeper = engine.create(
            ContainerSpec(name=f"{name}-keeper", image=image, labels=labels, volumes={volume: _LAYER})
        )
        engine.put(keeper, _LAYER, _empty_layer())
        engine.create_overlay(name, labels, lower=base, upper=f"{volume}/{UPPER}", work=f"{volume}/{WORK}")
        return _Layer(engine, keeper, name)


def _empty_layer() -> Iterator[bytes]:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in (UPPER, WORK):
            tar.addfile(directory(name))
    yield buffer.getvalue()
