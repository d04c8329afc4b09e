"""Run a plugin on this machine: ``plugin.py`` as a separate process, or in this one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    chdir,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
)
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from gocdnext_sdk.host.harness.invocation.interface import Invocation, Outcome
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.plugin import execute
from gocdnext_sdk.runtime.signals import CANCELLING, handled
from gocdnext_sdk.runtime.tool import INHERITED

_FRESH = INHERITED - {"HOME", "TMPDIR", "LANG", "LC_ALL", "TZ"}
"""Variables of this machine that a fresh environment still needs: trusted CAs and proxies."""


def in_function(invocation: Invocation) -> Outcome:
    """Run it in this process, which temporarily takes on the job's environment and directory.

    This is the fastest way, and a debugger can step through it. Tools are real processes.
    """
    plugin = load_plugin(invocation.folder)
    log = io.BytesIO()
    with invocation.written() as files:
        with (
            _environment(_environ(invocation, files)),
            chdir(invocation.workspace),
            _printing_to(log),
        ):
            exit_code = execute(plugin(), dict(os.environ), invocation.workspace)
        return Outcome.of(exit_code, log.getvalue().decode(errors="replace"), _read(files), invocation.left)


def captured(invocation: Invocation) -> Outcome:
    """Run it as a process; everything it prints is in the log. Works in any thread."""
    with TemporaryFile(prefix="gocdnext-") as log:
        return _run(invocation, log, nullcontext)


def attached(invocation: Invocation) -> Outcome:
    """Run it as a process with this process's output streams. Signals are forwarded."""
    return _run(
        invocation, None, lambda process: handled(CANCELLING, lambda signum, _: process.send_signal(signum))
    )


def _run(
    invocation: Invocation,
    log: IO[bytes] | None,
    while_it_runs: Callable[[subprocess.Popen[bytes]], AbstractContextManager[object]],
) -> Outcome:
    with invocation.written() as files:
        process = subprocess.Popen(
            [sys.executable, "-m", "gocdnext_sdk.host.harness.start", str(invocation.folder.resolve())],
            cwd=invocation.workspace,
            env=_environ(invocation, files),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=None if log is None else subprocess.STDOUT,
            process_group=0,  # or Ctrl-C would reach it twice
        )
        with while_it_runs(process):
            code = process.wait()
        printed = b""
        if log is not None:
            log.seek(0)
            printed = log.read()
        # A shell reports a process that died of signal n as 128 + n; so does a container.
        exit_code = 128 - code if code < 0 else code
        return Outcome.of(exit_code, printed.decode(errors="replace"), _read(files), invocation.left)


def _environ(invocation: Invocation, files: Mapping[str, Path]) -> dict[str, str]:
    """Return the complete environment of a run on this machine."""
    wanted = {*_FRESH, "PATH"} if invocation.home else {*INHERITED, "PATH"}
    environ = {name: os.environ[name] for name in wanted if name in os.environ}
    for name, folder in invocation.left.items():
        folder.mkdir(parents=True, exist_ok=True)
        environ[name] = str(folder)
    if invocation.path:
        environ["PATH"] = os.pathsep.join([*map(str, invocation.path), environ.get("PATH", os.defpath)])
    if invocation.docker:
        from gocdnext_sdk.host.harness.engine.docker import endpoint

        environ["DOCKER_HOST"] = endpoint()
    return {**environ, **{name: str(path) for name, path in files.items()}, **invocation.environ}


def _read(files: Mapping[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files.items() if path.exists()}


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment by `environ`; restore it afterwards, even if a variable is refused."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environ)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _printing_to(log: io.BytesIO) -> Iterator[None]:
    stream = io.TextIOWrapper(log, encoding="utf-8", write_through=True)
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            yield
    finally:
        stream.detach()
