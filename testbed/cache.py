"""The cache folder that all clones on a host share, its locks, and progress lines."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 30
ROOM = 4 * 10**9  # what a run of all tests takes at most, four times: measured, with everything made before


class SetupError(Exception):
    """The host lacks something; the message says what to do."""


def cache_dir() -> Path:
    if explicit := os.environ.get("GOCDNEXT_CACHE"):
        folder = Path(explicit).absolute()
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "gocdnext-plugin-sdk"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def short_of_room() -> str:
    """Say what disk has too little left for what would end in the middle, with errors that do not say why."""
    for folder in (cache_dir(), Path(tempfile.gettempdir())):
        free = shutil.disk_usage(folder).free
        if free < ROOM:
            return f"the disk of {folder} has {free / 10**9:.1f} GB left, and needs {ROOM / 10**9:.0f} GB"
    return ""


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Let one process at a time work on *name*."""
    folder = cache_dir() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say that a long step starts, that it goes on, and how long it took."""
    start = time.monotonic()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            say(f"    {what} … {time.monotonic() - start:.0f} s")

    say(f"==> {what}")
    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        done.set()
    say(f"    {what}: {time.monotonic() - start:.1f} s")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def arriving(target: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes *target* in one step once the block is through.

    The caller holds the lock of *target*, so a scratch folder that is there is of a process that died.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.????????"):
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    scratch.chmod(0o755)
    try:
        yield scratch
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run(*argv: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run *argv*, give its standard output; SetupError with the end of what it said when it fails."""
    words: Sequence[str] = [str(word) for word in argv]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SetupError(f"`{' '.join(words)}` failed with exit code {done.returncode}:\n{tail}")
    return done.stdout


def on_path(name: str) -> str | None:
    """Find a program, in the administrator's folders too."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(name, path=path)
