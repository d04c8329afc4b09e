"""One run under another CI system than gocdnext: its environment, its directory, and what it is told.

Not imported on gocdnext.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from gocdnext_sdk.contract.dialects.base import OUTPUTS_FILE, Dialect, OutputTarget
from gocdnext_sdk.contract.dialects.commands import CommandBreaker
from gocdnext_sdk.errors import InputError, Problem
from gocdnext_sdk.inputs.model import PluginInputs, with_key
from gocdnext_sdk.inputs.translation import OUTPUTS_VARIABLE, translate
from gocdnext_sdk.runtime.docker_client import default_socket
from gocdnext_sdk.runtime.log import GuardedSink
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.workspace import holds_no_files, read_text, workspace_path


@dataclass(frozen=True)
class Surroundings:
    """What a run is given, as on gocdnext.

    Args:
        environ: the job's environment.
        workspace: the checkout.
        targets: where outputs go besides.
        summary: a file that takes a summary in Markdown.
    """

    environ: Mapping[str, str]
    workspace: Path
    targets: tuple[OutputTarget, ...] = ()
    summary: str | None = None


@dataclass(frozen=True)
class System:
    """The CI system that started this process.

    Args:
        dialect: its rules.
        masker: hides secrets in what it is told.
        out: standard output, guarded.
        err: standard error, guarded.
    """

    dialect: Dialect
    masker: Masker
    out: GuardedSink
    err: GuardedSink

    @classmethod
    def behind(cls, dialect: Dialect, masker: Masker, out: BinaryIO, err: BinaryIO) -> System:
        """Return the system as seen from behind the two streams of the log, which then give it no command.

        Args:
            dialect: its rules.
            masker: hides secrets.
            out: standard output.
            err: standard error.
        """
        breaker = CommandBreaker()
        return cls(dialect, masker, GuardedSink(out, breaker), GuardedSink(err, breaker))

    def surroundings(
        self, model: type[PluginInputs], environ: Mapping[str, str], workspace: Path
    ) -> Surroundings:
        """Return what gocdnext would have given; the process then works in the checkout.

        Args:
            model: the plugin's inputs.
            environ: the container's.
            workspace: the directory in which it was started.

        Raises:
            InputError: see `translate`.
        """
        checkout = self._checkout(environ, workspace)
        given = translate(model, environ, self.dialect, self._event(environ))
        if not given.get("DOCKER_HOST"):
            given |= default_socket()
        targets = self.dialect.outputs(environ)
        if OUTPUTS_FILE not in map(with_key, model.model_fields) and (
            path := given.pop(OUTPUTS_VARIABLE, "").strip()
        ):
            try:
                targets = (*targets, OutputTarget(workspace_path(path, checkout), "file"))
            except ValueError as error:
                raise InputError(Problem.of(OUTPUTS_FILE, error)) from None
        if checkout != workspace:
            os.chdir(checkout)
        return Surroundings(given, checkout, targets, self.dialect.summary(environ))

    def _event(self, environ: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what started the run, as the system's file says; nothing if it cannot be read."""
        try:
            found = json.loads(read_text(self.dialect.event_file(environ) or ""))
        except (OSError, ValueError, RecursionError):
            found = None
        return found if isinstance(found, dict) else {}

    def _checkout(self, environ: Mapping[str, str], workspace: Path) -> Path:
        """Return the checkout: the directory the system names, if nobody has chosen another one.

        A job starts in the image's own directory where the system does not set one, and that is empty.
        """
        stated = Path(self.dialect.workspace(environ) or workspace)
        chosen = workspace.is_relative_to(stated) or not (workspace == Path("/") or holds_no_files(workspace))
        return workspace if chosen or not stated.is_dir() else stated

    def command(self, line: str) -> None:
        """Give the system a command of the SDK's own."""
        self.out.command(self.masker.mask(line))

    def show(self, level: Literal["error", "warning"], line: str) -> None:
        """Print a message in the words of the system, so that it stands out where that is possible."""
        line = self.masker.mask(self.dialect.in_its_words(line))
        if command := self.dialect.annotation(level, line):
            self.err.command(command)
        else:
            print(f"{level}: {line}", file=sys.stderr)
