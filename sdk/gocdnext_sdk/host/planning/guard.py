"""Ensure that nothing is started, contacted or written while a plan is made.

This is a second line of defence: a plugin that works through its job never triggers it, since the plan's
runner, registry and daemon do nothing. Only the thread that makes the plan is watched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any


class PlanEnds(Exception):
    """The plan ends here: the next step depends on something that only a run can know."""


_STARTS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"})
_CONTACTS = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
    | {"socket.getnameinfo", "socket.sendto", "socket.sendmsg"}
)
"""A look-up of a name contacts a server too."""

_CHANGES = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink"})

_guarded: ContextVar[str | None] = ContextVar("_guarded", default=None)
"""The workspace while a plan is made. (An audit hook cannot be removed.)"""


@contextmanager
def guard(workspace: str) -> Iterator[None]:
    """End the plan if code in the block bypasses its job.

    Args:
        workspace: the checkout; writing elsewhere is allowed.

    Raises:
        PlanEnds: the code starts a process, opens a connection, or writes into the workspace.
    """
    _install()
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    token = _guarded.set(os.path.realpath(workspace) + os.sep)
    try:
        yield
    finally:
        _guarded.reset(token)
        sys.dont_write_bytecode = writes_bytecode


@cache
def _install() -> None:
    sys.addaudithook(_audit)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    workspace = _guarded.get()
    if workspace is None:
        return
    if event in _STARTS:
        raise PlanEnds(f"run() starts {args[0]} by itself; `job.tool` would show it")
    if event in _CONTACTS:
        if event == "socket.connect":
            args[0].close()  # the docker package leaves it open
        raise PlanEnds("run() opens a network connection by itself; `job.http` would show it")
    if event == "open" and isinstance(args[0], str | bytes) and isinstance(args[2], int):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _refuse_write(os.fsdecode(args[0]), workspace)
    elif event in _CHANGES and isinstance(args[0], str | bytes | os.PathLike):
        _refuse_write(os.fsdecode(args[0]), workspace)


def _refuse_write(path: str, workspace: str) -> None:
    resolved = os.path.abspath(path)  # noqa: PTH100 - no look at the file system from inside the hook
    if resolved.startswith(workspace):
        raise PlanEnds(f"run() writes {resolved.removeprefix(workspace)}")
