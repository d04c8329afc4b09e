"""Sessions own what they create, and clean up after those that could not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from gocdnext_sdk.host.harness import Session
from gocdnext_sdk.host.harness.engine.interface import OWNER_LABEL, RUN_LABEL
from gocdnext_sdk.host.harness.engine.memory import MemoryEngine


def leave(engine: MemoryEngine, run: str, owner: str) -> None:
    engine.create_volume(run, {RUN_LABEL: run, OWNER_LABEL: owner})


def test_what_a_killed_process_left_is_removed(engine: MemoryEngine) -> None:
    script = f"from gocdnext_sdk.host.harness import Session;print(Session(None).labels['{OWNER_LABEL}'])"
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    leave(engine, "dead", ended.stdout.strip())
    with Session(engine):
        assert "dead" not in engine.owners()


def test_what_others_still_use_or_own_elsewhere_stays(engine: MemoryEngine) -> None:
    alive = Session(engine).labels[OWNER_LABEL]
    for run, owner in {"alive": alive, "elsewhere": "another-host 1 1", "unknown": ""}.items():
        leave(engine, run, owner)
    with Session(engine):
        assert set(engine.owners()) == {"alive", "elsewhere", "unknown"}


def test_a_recycled_process_id_is_not_the_owner(engine: MemoryEngine) -> None:
    leave(engine, "recycled", f"{socket.gethostname()} {os.getpid()} 1")
    with Session(engine):
        assert "recycled" not in engine.owners()
