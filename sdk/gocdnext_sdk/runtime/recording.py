"""An audit log of the tools that a job has started.

``GOCDNEXT_TRACE_FILE`` names a file, which gets one line of JSON per start: ``tool``, its ``argv``, and the
names, not the values, of the variables in its ``environ``. Argvs contain no secrets. The pytest plugin reads
the file.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

from gocdnext_sdk.runtime.runner import Command, Completed, Runner


class RecordingRunner:
    """Records each start and passes it on to `runner`.

    Args:
        runner: starts the tools.
        path: the file to which lines are appended.
    """

    def __init__(self, runner: Runner, path: str) -> None:
        self._runner = runner
        self._path = path

    def run(self, command: Command) -> Completed:
        """Record it, then run it."""
        self._record(command)
        return self._runner.run(command)

    def capture(self, command: Command, assumed: bytes | None = None) -> Completed:
        """Record it, then capture it."""
        self._record(command)
        return self._runner.capture(command, assumed)

    def running(self, command: Command) -> AbstractContextManager[None]:
        """Record it, then run it while the block runs."""
        self._record(command)
        return self._runner.running(command)

    def _record(self, command: Command) -> None:
        line = {"tool": command.name, "argv": command.argv, "environ": sorted(command.environ)}
        with open(self._path, "a", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(json.dumps(line) + "\n")
