"""What is to run once, and what it came to, whichever way it ran.

The ways are functions that take an `Invocation` and return an `Outcome`: `in_function`, `captured` and
`attached` (as a process), and an `InContainer`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from gocdnext_sdk.contract import ContractError, outputs
from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.runtime.recording import VARIABLE as TRACE_VARIABLE


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One run of a plugin, with its surroundings."""

    name: str
    """Names the job in messages."""
    folder: Path
    """The plugin's, with its ``plugin.py``; a container runs an image instead."""
    workspace: Path
    """The checkout; what the plugin writes is there afterwards."""
    environ: Mapping[str, str] = field(repr=False)
    """The job's variables."""
    docker: bool = False
    """Whether it gets the engine."""
    home: Path | None = None
    """A folder for a fresh home and a fresh place for temporary files, as a container has; without one, this
    machine's own. Of no account in a container."""
    path: tuple[Path, ...] = ()
    """Folders in which tools are looked for before those of `PATH`; of no account in a container."""
    masks: tuple[str, ...] = field(default=(), repr=False)
    """What the platform hides in its log."""
    private: Collection[Path] = ()
    """Files of the checkout that a container must not get."""

    @property
    def files(self) -> tuple[str, ...]:
        """The variables that name a file for the plugin to write, and are not given otherwise."""
        return tuple(name for name in (outputs.VARIABLE, TRACE_VARIABLE) if name not in self.environ)

    @property
    def left(self) -> dict[str, Path]:
        """The folders beside the workspace in which a run on this machine may leave something."""
        return {"HOME": self.home / "home", "TMPDIR": self.home / "tmp"} if self.home else {}

    @contextmanager
    def written(self) -> Iterator[dict[str, Path]]:
        """Have an empty file for each of the variables `files`, outside the workspace."""
        with TemporaryDirectory(prefix="gocdnext-") as folder:
            paths = {name: Path(folder) / name for name in self.files}
            for path in paths.values():
                path.touch(mode=0o600)
            yield paths


@dataclass(frozen=True)
class ToolStart:
    """One start of a wrapped tool."""

    tool: str
    argv: tuple[str, ...]
    environ: frozenset[str]
    """The names of the variables it got, and of no others."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that is over."""

    exit_code: int
    """The plugin's own; 128+n after signal n."""
    log: str
    """All it printed; empty where that went straight to the terminal."""
    outputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What it wrote for later jobs."""
    starts: tuple[ToolStart, ...] = ()
    """The tools it started, in order."""
    left: Mapping[str, Path] = field(default_factory=dict)
    """Folders beside the workspace that it may have left something in, by what they are called."""

    @classmethod
    def of(
        cls,
        exit_code: int,
        log: str,
        written: Mapping[str, bytes],
        left: Mapping[str, Path] | None = None,
    ) -> Outcome:
        """Return the outcome of a run.

        Args:
            exit_code: as a container reports it.
            log: all it printed.
            written: the content of the files `Invocation.files` names, by variable.
            left: see `Outcome.left`.

        Raises:
            ToolError: the platform could not read the outputs either.
        """
        try:
            values = outputs.parse(written.get(outputs.VARIABLE, b""))
        except ContractError as error:
            raise ToolError(f"exited with {exit_code}; its outputs cannot be read: {error}") from None
        lines = map(json.loads, written.get(TRACE_VARIABLE, b"").splitlines())
        starts = (ToolStart(each["tool"], tuple(each["argv"]), frozenset(each["environ"])) for each in lines)
        return cls(exit_code=exit_code, log=log, outputs=values, starts=tuple(starts), left=dict(left or {}))


class Invoke(Protocol):
    """A way to run a plugin once."""

    def __call__(self, invocation: Invocation) -> Outcome:
        """Run it to its end.

        Raises:
            Error: it could not be run at all.
        """
