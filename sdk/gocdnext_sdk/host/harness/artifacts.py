"""What jobs hand on to one another: paths under `artifacts:`, unpacked for those that name them.

As the platform's agent does: each declared path is kept by itself, under its whole name; a consumer names it
as it was declared, or takes all that a job kept; files and links go over the checkout, below `dest`.

Source: upstream `agent/internal/runner/artifacts.go`, `server/internal/scheduler/scheduler_resolve.go`.
"""

from __future__ import annotations

import posixpath
import tarfile
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

from gocdnext_sdk.errors import Error
from gocdnext_sdk.host.harness.archive import BROKEN, END, Escapes, TooLarge, rerooted, store
from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.model import Artifacts, NeededArtifacts


class ArtifactError(Error):
    """Artifacts that a job declares or needs are not there, or cannot be handed on."""


@dataclass(frozen=True)
class Kept:
    """One declared path of one job, as the engine packed it.

    Args:
        path: as it is declared.
        tar: the file.
    """

    path: str
    tar: Path

    def unpacked(self, dest: str) -> Iterator[bytes]:
        """Yield it as a tar for the workspace.

        Args:
            dest: the directory below which it goes.

        Raises:
            ArtifactError: it would leave that directory.
        """
        try:
            with tarfile.open(self.tar, mode="r:") as archive:
                yield from rerooted(archive, self.path, dest)
        except Escapes as error:
            raise ArtifactError(f"artifact {self.path}: {error}") from error
        except BROKEN as error:
            raise ArtifactError(f"artifact {self.path}: the engine packed it wrongly: {error}") from error
        yield END


class ArtifactStore:
    """What the jobs of one run have kept, in temporary files. A context manager. Thread-safe."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Kept]] = {}
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="gocdnext-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._folder.cleanup()

    def keep(self, job: str, path: str, tar: Iterable[bytes]) -> int:
        """Keep a declared path of a job.

        Args:
            job: its name in the pipeline; the cells of a matrix share it.
            path: as it is declared.
            tar: the path as the engine packs it: under its last name.

        Returns:
            Its size in bytes, packed.

        Raises:
            ArtifactError: it leaves the workspace, is neither a file nor a directory, or too large.
            DaemonError: there is nothing at that path, or the engine is gone.
        """
        if wrong := syntax.relative_path(path):
            raise ArtifactError(f"artifact {path} {wrong}")
        file = Path(self._folder.name) / uuid4().hex
        try:
            with file.open("wb") as stream:
                size = store(stream, tar)
        except TooLarge as error:
            raise ArtifactError(f"artifact {path}: {error}") from None
        try:
            with tarfile.open(file, mode="r:") as archive:
                first = archive.next()
        except BROKEN as error:
            raise ArtifactError(f"artifact {path}: the engine packed it wrongly: {error}") from error
        if first is None or not (first.isreg() or first.isdir()):
            raise ArtifactError(f"artifact {path} is neither a file nor a directory")
        with self._lock:
            self._kept.setdefault(job, []).append(Kept(path, file))
        return size

    def of(self, job: str) -> tuple[Kept, ...]:
        """Return what a job has kept."""
        with self._lock:
            return tuple(self._kept.get(job, ()))

    def take(self, job: str, kept: Iterable[Kept]) -> None:
        """Take what a job has kept in an earlier run."""
        with self._lock:
            self._kept.setdefault(job, []).extend(kept)

    def needed(self, needs: NeededArtifacts) -> list[Iterator[bytes]]:
        """Return what a job needs of another one, as tars for its workspace.

        Raises:
            ArtifactError: there is nothing that fits, or `dest` leaves the workspace.
        """
        if needs.from_pipeline:
            raise ArtifactError(
                f"needs_artifacts: job {needs.from_job} of pipeline {needs.from_pipeline} has not run here",
                "a local run has the jobs of one pipeline",
            )
        dest = needs.dest or "."
        if wrong := syntax.relative_path(dest):
            raise ArtifactError(f"needs_artifacts.dest {dest} {wrong}")
        with self._lock:
            kept = list(self._kept.get(needs.from_job, ()))
        wanted = {posixpath.normpath(path) for path in needs.paths}
        found = [each for each in kept if not wanted or posixpath.normpath(each.path) in wanted]
        if not found:
            what = f" at {', '.join(needs.paths)}" if needs.paths else ""
            there = ", ".join(each.path for each in kept) or "none"
            raise ArtifactError(
                f"needs_artifacts: job {needs.from_job} has kept nothing{what}; it kept: {there}",
                "name the paths as that job declares them",
            )
        return [each.unpacked(dest) for each in found]


def declared(artifacts: Artifacts | None, *, passed: bool) -> Iterator[tuple[str, bool]]:
    """Yield the paths to keep of a job that has ended, and whether each is required.

    Of a job that failed, none is: its own failure is what there is to say.
    """
    if artifacts is None or artifacts.when == ("on_failure" if passed else "on_success"):
        return
    yield from ((path, passed) for path in artifacts.paths)
    yield from ((path, False) for path in artifacts.optional)
