"""An audit log of the tools that a job has started, and of the requests that it has sent.

``GOCDNEXT_TRACE_FILE`` names a file, which gets one line of JSON per start: ``tool``, its ``argv``, and the
names, not the values, of the variables in its ``environ``. Argvs contain no secrets. A request is a line with
its ``method``, ``url``, ``body`` and the names of its ``headers``, secrets masked. The pytest plugin reads
it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.runtime.runner import Command, Completed, Runner

if TYPE_CHECKING:
    from gocdnext_sdk.oci.transport import Request, Response
    from gocdnext_sdk.runtime.http import Sender


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

    def capture_each(
        self, commands: Sequence[Command], assumed: bytes | None = None
    ) -> list[Completed | ToolError]:
        """Record all, then capture them."""
        for command in commands:
            self._record(command)
        return self._runner.capture_each(commands, assumed)

    def running(self, command: Command) -> AbstractContextManager[None]:
        """Record it, then run it while the block runs."""
        self._record(command)
        return self._runner.running(command)

    def _record(self, command: Command) -> None:
        line = {"tool": command.name, "argv": command.argv, "environ": sorted(command.environ)}
        _append(self._path, line)


class RecordingSender:
    """Records each request and passes it on to `sender`.

    Args:
        sender: sends them.
        path: the file to which lines are appended.
        mask: hides secrets.
    """

    def __init__(self, sender: Sender, path: str, mask: Callable[[str], str]) -> None:
        self._sender = sender
        self._path = path
        self._mask = mask

    def send(self, request: Request, deadline: float, assumed: bytes | None = None) -> Response:
        """Record it, then send it."""
        body = request.body if isinstance(request.body, bytes | None) else str(request.body).encode()
        line = {
            "method": request.method,
            "url": self._mask(request.url),
            "headers": sorted(request.headers),
            "body": self._mask((body or b"").decode(errors="replace")),
        }
        _append(self._path, line)
        return self._sender.send(request, deadline, assumed)


def _append(path: str, line: Mapping[str, object]) -> None:
    with open(path, "a", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(json.dumps(line) + "\n")
