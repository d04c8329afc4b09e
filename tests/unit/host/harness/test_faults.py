"""The engine may go away at any call: nothing is left behind, and the report says what failed."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness import NullListener, RunOptions, RunReport, Session, Status, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine

PIPELINE = """
stages: [make, use]
services: [{name: db, image: one/db:v1}]
jobs:
  make: {stage: make, uses: one/make@v1, outputs: {digest: DIGEST}}
  beside: {stage: make, uses: one/beside@v1}
  use: {stage: use, uses: one/use@v1, needs: [make], with: {digest: "${{ needs.make.outputs.digest }}"}}
"""


BEFORE_JOBS = {"owners", "create_network", "networks_of", "ensure_image", "create", "start"}
"""Without a network and its services no job can run; from the first job on there is a report."""


class Heard(NullListener):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str, job: str = "") -> None:
        self.notices.append(text)


def make(container: MemoryContainer) -> None:
    container.print("made\n")
    container.files["made.txt"] = b"made" * 10_000
    container.set_outputs("DIGEST=sha256:1234\n")


def within(seconds: float, work: Any) -> Any:
    """Return what `work` returns or raises, unless it hangs."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001 - the caller looks at it
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it hangs"
    return found[0]


def run(engine: MemoryEngine, file: Path, listener: Heard) -> RunReport:
    with Session(engine) as session:
        return run_pipeline(file, RunOptions(parallel=1), session=session, listener=listener)


def test_whichever_call_fails_nothing_is_left_and_it_is_told(project: Path) -> None:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(PIPELINE)
    told: dict[str, set[str]] = {}
    for number in itertools.count(1):
        engine = MemoryEngine({"one/make:v1": make}, fail_at=number)
        listener = Heard()
        result = within(30, lambda e=engine, heard=listener: run(e, file, heard))
        assert engine.labels == {}, f"call {number}, {engine.calls[number - 1]}"
        if len(engine.calls) < number:
            break
        name = engine.calls[number - 1]
        if isinstance(result, RunReport):
            failed = [job for job in result.jobs if job.status is Status.ERROR]
            reasons = [*(job.reason for job in failed), *listener.notices]
            # A failure after the job's end, while cleaning up, changes no result.
            assert result.exit_code == (3 if failed else 0), (number, name)
        else:
            assert isinstance(result, DaemonError), (number, name, result)
            assert name in BEFORE_JOBS, (number, name)
            reasons = [str(result)]
        silent = not any(f"failed at call {number} " in reason for reason in reasons)
        told.setdefault(name, set()).add("silent" if silent else "told")
    assert {name for name, how in told.items() if "silent" in how} <= {"remove", "close"}
    assert {"create_network", "create", "put", "attach", "attach …", "start", "wait", "get", "get …"} <= set(
        told
    )
