"""Which builders are orphans: those whose owner is gone, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.runtime import orphans
from gocdnext_sdk.runtime.orphans import builder_name, remove_orphans

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@dataclass
class SmallDaemon:
    """As much of a daemon as this needs."""

    builders: list[str] = field(default_factory=list)
    running: tuple[str, ...] = ()
    connected: tuple[str, ...] = ()
    removed: list[str] = field(default_factory=list)

    def volumes(self, part: str) -> list[str]:
        return [f"buildx_buildkit_{each}0_state" for each in self.builders]

    def is_running(self, name: str) -> bool:
        return name in self.running

    def is_connected(self, name: str) -> bool:
        return name in [f"buildx_buildkit_{each}0" for each in self.connected]

    def remove_container(self, name: str) -> None:
        self.removed.append(name)

    def remove_volume(self, name: str) -> None:
        self.removed.append(name)


def removed(daemon: Any) -> list[str]:
    return [each.removesuffix("0") for each in remove_orphans(daemon, NOW)]


def test_a_builder_of_a_process_lives_as_long_as_it_does() -> None:
    """Even before buildx has started anything for it."""
    code = (
        "from unittest.mock import Mock; from gocdnext_sdk.runtime.orphans import builder_name;"
        "daemon = Mock(); daemon.is_running.return_value = False;"
        "print(builder_name(daemon), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        theirs = process.stdout.readline().strip()
        daemon: Any = SmallDaemon()
        daemon.builders = [builder_name(daemon), theirs]
        assert removed(daemon) == []
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table
        assert removed(daemon) == [theirs]
    assert daemon.removed == [f"buildx_buildkit_{theirs}0", f"buildx_buildkit_{theirs}0_state"]


def test_one_of_a_container_lives_as_long_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "_own_container", lambda: "0123456789ab")
    daemon: Any = SmallDaemon(running=("0123456789ab",))
    daemon.builders = [builder_name(daemon)]
    assert removed(daemon) == []
    daemon.running = ()
    assert removed(daemon) == daemon.builders


def test_a_container_that_the_daemon_does_not_know_owns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Kubernetes the job has a daemon beside it."""
    monkeypatch.setattr(orphans, "_own_container", lambda: "0123456789ab")
    daemon: Any = SmallDaemon()
    daemon.builders = [builder_name(daemon)]
    assert removed(daemon) == []


@pytest.mark.parametrize(("hours", "connected", "gone"), [(0.9, False, 0), (1.1, False, 1), (30, True, 0)])
@pytest.mark.parametrize("owner", ["-p00000000.1.1", ""])
def test_whose_owner_cannot_be_asked_for_goes_after_an_hour_without_use(
    hours: float, connected: bool, gone: int, owner: str
) -> None:
    name = f"gocdnext-{NOW - timedelta(hours=hours):%Y%m%dt%H%M%S}{owner}-0badcafe"
    daemon: Any = SmallDaemon([name], connected=(name,) if connected else ())
    assert removed(daemon) == [name] * gone


@pytest.mark.parametrize("name", ["mine", "gocdnext-mine", "gocdnext-x-y-z", "gocdnext-nodate-0badcafe"])
def test_what_other_people_made_stays(name: str) -> None:
    daemon: Any = SmallDaemon([name])
    assert removed(daemon) == []


class Refusing(SmallDaemon):
    """Keeps one of them, as it does while another job removes it."""

    def remove_container(self, name: str) -> None:
        if "0badcafe" in name:
            raise DaemonError("removal is in progress")
        super().remove_container(name)


def test_one_that_cannot_be_removed_fails_no_job_and_keeps_no_other() -> None:
    refused, next_ = "gocdnext-20200101t000000-0badcafe", "gocdnext-20200101t000000-feedbeef"
    daemon: Any = Refusing([refused, next_])
    assert removed(daemon) == [next_]


def test_a_daemon_that_lists_nothing_fails_no_job() -> None:
    class Silent(SmallDaemon):
        def volumes(self, part: str) -> list[str]:
            raise DaemonError("no")

    daemon: Any = Silent()
    assert removed(daemon) == []
