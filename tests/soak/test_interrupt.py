"""Ctrl-C in a run's first two seconds: what has passed stays so, nothing starts any more, nothing is left."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.soak.ledger import Record, Verdict, slice_of

from gocdnext_sdk.host.harness.engine.interface import OWNER_LABEL, RUN_LABEL

SUITE = "ctrl-c"
STEP, LAST, TIMES = 0.05, 2.0, 100
PATIENCE = 60.0

PIPELINE = """
stages: [work, publish]
jobs:
  work:
    stage: work
    image: BASE
    script:
      - trap 'exit 143' TERM
      - for each in 1 2 3 4 5 6 7 8; do sleep 0.1; done
  publish:
    stage: publish
    image: BASE
    script:
      - trap '' TERM
      - echo published
"""


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=60)
    yield client
    client.close()


def interrupted(file: Path, report: Path, moment: float) -> tuple[subprocess.Popen[str], str]:
    """Run the command, and press Ctrl-C so many seconds after it has begun with its jobs."""
    command = [sys.executable, "-m", "gocdnext_sdk.host.cli", "run", file, "--json", report, "--no-record"]
    process = subprocess.Popen(
        [*map(str, command), "--verbose"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    shown = "".join(iter(lambda: _until_jobs(process), ""))
    time.sleep(moment)
    os.kill(process.pid, signal.SIGINT)
    try:
        rest, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        process.returncode = None  # type: ignore[assignment]  # it had to be killed
    return process, shown + rest


def _until_jobs(process: subprocess.Popen[str]) -> str:
    """Return the next line; none once it is the one that lists the jobs."""
    assert process.stdout is not None
    line = process.stdout.readline()
    return "" if line.startswith("pipeline ") else line


def judge(process: subprocess.Popen[str], shown: str, report: Path) -> tuple[Verdict, str]:
    code: int | None = process.returncode
    if code is None:
        return Verdict.HANG, f"still there after {PATIENCE:.0f} s"
    jobs: dict[str, Any] = (
        {each["name"]: each for each in json.loads(report.read_text())["jobs"]} if report.exists() else {}
    )
    statuses = tuple(each["status"] for each in jobs.values())
    if ("published" in shown) != (jobs.get("publish", {}).get("status") == "passed"):
        return Verdict.HALF_DONE, f"{statuses}, and it has {'' if 'published' in shown else 'not '}published"
    passed = statuses == ("passed", "passed")
    fine = {0: passed, 128 + signal.SIGINT: statuses in {(), ("canceled",) * 2, ("passed", "canceled")}}
    return (Verdict.FINE, "") if fine.get(code) else (Verdict.WRONG_EXIT, f"exit {code} with {statuses}")


def left_by(client: docker.DockerClient, process: subprocess.Popen[str]) -> list[str]:
    filters = {"label": RUN_LABEL}
    found = [
        *client.api.containers(all=True, filters=filters),
        *(client.api.volumes(filters=filters)["Volumes"] or ()),
        *client.api.networks(filters=filters),
    ]
    return [str(each) for each in found if f" {process.pid} " in each["Labels"][OWNER_LABEL]]


def test_ctrl_c_at_any_moment(tmp_path: Path, client: docker.DockerClient, record: Record) -> None:
    file = tmp_path / "project" / ".gocdnext" / "test.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(PIPELINE.replace("BASE", json.dumps(os.environ["BASE"])))
    moments = itertools.cycle(round(STEP * number, 2) for number in range(int(LAST / STEP) + 1))
    failures = []
    for number, moment in slice_of(enumerate(itertools.islice(moments, TIMES)), 3):
        report = tmp_path / f"{number}.json"
        process, shown = interrupted(file, report, moment)
        verdict, why = judge(process, shown, report)
        if verdict is Verdict.FINE and (left := left_by(client, process)):
            verdict, why = Verdict.LEAK, f"left {left}"
        record(SUITE, verdict)
        if verdict is not Verdict.FINE:
            failures.append(f"{moment} s: {verdict}: {why}\n{shown}")
    assert not failures, "\n\n".join(failures)
