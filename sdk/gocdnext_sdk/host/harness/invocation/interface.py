"""One run of a plugin, and its outcome, however it runs.

A runner is a function that takes an `Invocation` and returns an `Outcome`: `in_function`, `captured` and
`attached` (as a process), or an `InContainer`.
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
from gocdnext_sdk.runtime.runner import TRACE_VARIABLE


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One run of a plugin, with its environment."""

    name: str
    """The job's name in messages."""
    folder: Path
    """The plugin's directory, with its ``plugin.py``; a container runs an image instead."""
    workspace: Path
    """The checkout; what the plugin writes is there afterwards."""
    environ: Mapping[str, str] = field(repr=False)
    """The job's variables."""
    docker: bool = False
    """Whether it has access to the engine."""
    home: Path | None = None
    """A directory for a fresh home and fresh temporary files, as a container has them; without one, this
    machine's own are used. Ignored in a container."""
    path: tuple[Path, ...] = ()
    """Directories that are searched for tools before `PATH`; ignored in a container."""
    masks: tuple[str, ...] = field(default=(), repr=False)
    """Values that the platform masks in its log."""
    private: Collection[Path] = ()
    """Files of the checkout that a container must not see."""

    @property
    def files(self) -> tuple[str, ...]:
        """The variables that name a file for the plugin to write, unless `environ` sets them."""
        return tuple(name for name in (outputs.VARIABLE, TRACE_VARIABLE) if name not in self.environ)

    @property
    def left(self) -> dict[str, Path]:
        """The directories besides the workspace in which a run on this machine may leave files."""
        return {"HOME": self.home / "home", "TMPDIR": self.home / "tmp"} if self.home else {}

    @contextmanager
    def written(self) -> Iterator[dict[str, Path]]:
        """Create an empty file for each of the variables `files`, outside the workspace."""
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
    """The names of all variables in its environment."""


@dataclass(frozen=True)
class RequestSent:
    """One request to a web service, secrets masked."""

    method: str
    url: str
    headers: frozenset[str]
    """The names of its header fields."""
    body: str
    """What was sent, or the path of the file that was."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    """The plugin's own; 128+n after signal n."""
    log: str
    """Everything it printed; empty if that went straight to the terminal."""
    outputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Its outputs for later jobs."""
    starts: tuple[ToolStart, ...] = ()
    """The tools it started, in order."""
    requests: tuple[RequestSent, ...] = ()
    """The requests that it sent to web services, in order."""
    left: Mapping[str, Path] = field(default_factory=dict)
    """The directories besides the workspace in which it may have left files, by display name."""

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
            log: everything it printed.
            written: the content of the files `Invocation.files` names, by variable.
            left: see `Outcome.left`.

        Raises:
            ToolError: the outputs cannot be read, and the platform could not read them either.
        """
        try:
            values = outputs.parse(written.get(outputs.VARIABLE, b""))
        except ContractError as error:
            raise ToolError(f"exited with {exit_code}; its outputs cannot be read: {error}") from None
        lines = [*map(json.loads, written.get(TRACE_VARIABLE, b"").splitlines())]
        starts = tuple(
            ToolStart(each["tool"], tuple(each["argv"]), frozenset(each["environ"]))
            for each in lines
            if "tool" in each
        )
        requests = tuple(
            RequestSent(each["method"], each["url"], frozenset(each["headers"]), each["body"])
            for each in lines
            if "method" in each
        )
        return cls(
            exit_code=exit_code,
            log=log,
            outputs=values,
            starts=starts,
            requests=requests,
            left=dict(left or {}),
        )


class Invoke(Protocol):
    """Runs a plugin once."""

    def __call__(self, invocation: Invocation) -> Outcome:
        """Run it to its end.

        Raises:
            Error: it could not be run at all.
        """
