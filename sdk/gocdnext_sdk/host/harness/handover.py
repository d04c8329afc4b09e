"""What the jobs of earlier runs left for one another, so that one of them can be redone alone.

Of each job the latest: its outputs and its artifacts, for one checkout and pipeline, in a folder of the
user's. An output that is masked may be a secret, and no file keeps it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness.artifacts import Kept

_NOTE = "job.json"


@dataclass(frozen=True)
class Handed:
    """What one job left.

    Args:
        checkout: where it ran.
        pipeline: its pipeline.
        job: its name.
        passed: whether it passed, in all cells of its matrix.
        outputs: what others may refer to, without what is masked.
        masked: the aliases of masked outputs.
        artifacts: what it kept.
        folder: where all of that is.
    """

    checkout: str
    pipeline: str
    job: str
    passed: bool
    outputs: JobOutputs
    masked: tuple[str, ...]
    artifacts: tuple[Kept, ...]
    folder: Path

    @property
    def plain(self) -> frozenset[str]:
        """The values of its outputs; none of them is masked."""
        cells = self.outputs.cells or {"": self.outputs.values}
        return frozenset(value for values in cells.values() for value in values.values())

    @property
    def size(self) -> int:
        """The bytes of its artifacts."""
        return sum(each.tar.stat().st_size for each in self.artifacts)

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Handover:
    """What the jobs of one checkout's pipeline left.

    Args:
        folder: where all of the user's are.
        checkout: the directory whose jobs they are.
        pipeline: its name.
    """

    folder: Path
    checkout: Path
    pipeline: str

    def keep(
        self,
        job: str,
        *,
        passed: bool,
        outputs: JobOutputs,
        masked: Iterable[str],
        artifacts: Iterable[Kept],
    ) -> None:
        """Replace what a job left; the files of its artifacts move here."""
        hidden = frozenset(masked)
        target = self._of(job)
        new = target.with_name(f"{target.name}.{uuid4().hex[:8]}")
        new.mkdir(mode=0o700, parents=True)
        files = []
        for at, each in enumerate(artifacts):
            shutil.move(each.tar, new / str(at))
            files.append((each.path, str(at)))
        note = {
            "checkout": str(self.checkout),
            "pipeline": self.pipeline,
            "job": job,
            "passed": passed,
            "values": _without(outputs.values, hidden),
            "cells": outputs.cells and {key: _without(each, hidden) for key, each in outputs.cells.items()},
            "dimensions": outputs.dimensions,
            "masked": sorted(hidden),
            "artifacts": files,
        }
        (new / _NOTE).write_text(json.dumps(note))
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)

    def load(self, job: str) -> Handed:
        """Return what a job left.

        Raises:
            UsageError: it did not run, did not pass, or what it left is not all here.
        """
        found = _read(self._of(job))
        if found is None or not found.passed:
            what = "has not run yet" if found is None else "did not pass"
            raise UsageError(f"--reuse: job {job} {what}", "run it without --reuse first")
        if found.masked:
            raise UsageError(
                f"--reuse: job {job} has masked outputs ({', '.join(found.masked)}), which no file keeps",
                "leave out --reuse",
            )
        return found

    def _of(self, job: str) -> Path:
        return self.folder / _name(str(self.checkout), self.pipeline) / _name(job)


def entries(folder: Path) -> Iterator[Handed]:
    """Yield what every job left, by checkout, pipeline and job."""
    found = filter(None, (_read(note.parent) for note in folder.glob(f"*/*/{_NOTE}")))
    yield from sorted(found, key=lambda each: (each.checkout, each.pipeline, each.job))


def _read(folder: Path) -> Handed | None:
    try:
        note: dict[str, Any] = json.loads((folder / _NOTE).read_text())
        return Handed(
            checkout=note["checkout"],
            pipeline=note["pipeline"],
            job=note["job"],
            passed=note["passed"],
            outputs=JobOutputs(note["values"], note["cells"], tuple(note["dimensions"])),
            masked=tuple(note["masked"]),
            artifacts=tuple(Kept(path, folder / file) for path, file in note["artifacts"]),
            folder=folder,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # half written, or being removed


def _name(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def _without(values: Mapping[str, str], hidden: frozenset[str]) -> dict[str, str]:
    return {alias: value for alias, value in values.items() if alias not in hidden}
