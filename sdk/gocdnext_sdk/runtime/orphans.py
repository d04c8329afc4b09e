"""Builders that killed jobs left on a daemon: whose each is, and how the next job removes it.

A job that is killed cannot clean up. The name of its builder says who it was to others on the same daemon:
its container, which the daemon can be asked for, or else its process, which its neighbours can see. So no
moment in the life of a builder looks like an orphan's: the owner is there before the builder is.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.runtime.daemon import Daemon

CONTAINER = "buildx_buildkit_"
"""What buildx puts before a builder's name to call its container."""

_PREFIX = "gocdnext-"
_STAMP = "%Y%m%dt%H%M%S"
_NAME = re.compile(rf"{CONTAINER}{_PREFIX}(?P<stamp>\w+)-(?:(?P<owner>[cp][\w.]+)-)?[0-9a-f]+0")
_LONG = timedelta(hours=1)
"""How old a builder must be whose owner cannot be asked for, and that nobody is connected to."""

_OWN_CONTAINER = re.compile(r"/([0-9a-f]{64})/\S+ /etc/(?:hostname|hosts|resolv\.conf) ")


def builder_name(daemon: Daemon) -> str:
    """Return a new name for a builder of this process on `daemon`.

    Raises:
        DaemonError: the daemon does not answer.
    """
    return f"{_PREFIX}{datetime.now(UTC):{_STAMP}}-{_owner(daemon)}-{secrets.token_hex(4)}"


def remove_orphans(daemon: Daemon, now: datetime | None = None) -> Iterator[str]:
    """Remove the builders of jobs that are gone, with their volumes; yield the name of each.

    Several jobs may do so at once, and no job fails because it cannot: one builder that cannot be removed,
    such as one that another job is removing, does not keep the others.

    Args:
        daemon: where to look.
        now: the time to compare with, which has a time zone.
    """
    volumes: list[str] = []
    with suppress(DaemonError):
        volumes = daemon.volumes(CONTAINER + _PREFIX)
    for volume in volumes:
        container = volume.removesuffix("_state")
        with suppress(DaemonError):
            if _is_orphan(daemon, container, now or datetime.now(UTC)):
                daemon.remove_container(container)
                daemon.remove_volume(volume)
                yield container.removeprefix(CONTAINER)


def _is_orphan(daemon: Daemon, container: str, now: datetime) -> bool:
    found = _NAME.fullmatch(container)
    if not found:
        return False
    owner = found["owner"] or ""
    if owner.startswith("c"):
        return not daemon.is_running(owner.removeprefix("c"))
    if owner.startswith("p"):
        process = _Process.parse(owner)
        if process and process.place == _place():
            return not process.is_alive()
    try:
        made = datetime.strptime(found["stamp"], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return False
    return now - made >= _LONG and not daemon.is_connected(container)


def _owner(daemon: Daemon) -> str:
    """Return who this process is to others on the daemon."""
    container = _own_container()
    # In a job beside a daemon of its own, such as on Kubernetes, the daemon does not know the container.
    if container and daemon.is_running(container):
        return f"c{container}"
    return str(_Process(_place(), os.getpid(), _started(os.getpid()) or 0))


def _own_container() -> str | None:
    """Return the id of the container that this process is in, from the files that Docker mounts into it."""
    try:
        found = _OWN_CONTAINER.search(Path("/proc/self/mountinfo").read_text())
    except OSError:
        return None
    return found[1][:12] if found else None


@dataclass(frozen=True)
class _Process:
    """A process.

    Args:
        place: which system's, see `_place`.
        pid: its number there.
        started: when it started, in ticks since that system did; numbers are used again.
    """

    place: str
    pid: int
    started: int

    @classmethod
    def parse(cls, text: str) -> _Process | None:
        """Return the process that `text` names, None if it names none."""
        found = re.fullmatch(r"p([0-9a-f]+)\.(\d+)\.(\d+)", text)
        return cls(found[1], int(found[2]), int(found[3])) if found else None

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return _started(self.pid) == self.started

    def __str__(self) -> str:
        return f"p{self.place}.{self.pid}.{self.started}"


def _place() -> str:
    """Return what names the system and the namespace in which numbers of processes mean something here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.sha256(f"{boot}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:8]  # noqa: PTH115
    except OSError:
        return "0"


def _started(pid: int) -> int | None:
    """Return when a process started, None if it has ended, be it that nobody has asked how."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[18])
