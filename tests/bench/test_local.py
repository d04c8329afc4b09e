"""What the local runner costs beside the engine and other runners, in the same rounds: ``make bench``."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from testbed import runners
from testbed.pins import ROOT

from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine

ROUNDS = 15
FILES, JOBS = 50_000, 4
BASE = os.environ.get("BASE", "")

NOOP_LIMIT = 1.1
"""Times `docker run`, for a job that does nothing."""
FIXED_LIMIT = 1.0
"""Seconds around the jobs of a run."""
PLAN_LIMITS = {"script": 1.0, "uses": 5.0}
"""CPU seconds for a thousand jobs after start-up: scripts, and a plugin whose code is called for each."""
MEMORY_LIMIT = 200
"""MB, of the process that plans."""


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def print_now(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")

    return print_now


def write(folder: Path, jobs: dict[str, dict[str, object]]) -> Path:
    file = folder / ".gocdnext" / "bench.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    stages = list(dict.fromkeys(str(job["stage"]) for job in jobs.values()))
    file.write_text(yaml.safe_dump({"stages": stages, "jobs": jobs}, sort_keys=False))
    return file


def noops(count: int) -> dict[str, dict[str, object]]:
    return {f"j{n}": {"stage": f"s{n}", "image": BASE, "script": ["true"]} for n in range(count)}


def timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def ours(file: Path) -> RunReport:
    with Session(DockerEngine()) as session:
        report = run_pipeline(file, RunOptions(), session=session)
    assert report.passed
    return report


def test_a_job_that_does_nothing(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Beside `docker run --rm` of the same script, which starts a container as bare as can be."""
    file = write(tmp_path, noops(1))
    raw = ["docker", "run", "--rm", "--workdir", "/workspace", BASE, "sh", "-c", "true"]
    rounds = []
    for _ in range(ROUNDS + 1):
        bare = timed(lambda: subprocess.run(raw, check=True))
        began = time.perf_counter()
        job = ours(file)["j0"].seconds
        rounds.append((bare, job, time.perf_counter() - began - job))
    ratio = statistics.median(job / bare for bare, job, _ in rounds[1:])
    bare, job, fixed = (statistics.median(each) for each in zip(*rounds[1:], strict=True))
    say(f"no-op job: {job:.3f} s, docker run {bare:.3f} s: {ratio:.2f} of it (at most {NOOP_LIMIT}); "
        f"around the job {fixed:.3f} s (at most {FIXED_LIMIT})")  # fmt: skip
    assert ratio <= NOOP_LIMIT
    assert fixed <= FIXED_LIMIT


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of many files, with the same pipeline for three runners."""
    folder = tmp_path_factory.mktemp("large")
    for number in range(FILES):
        inner = folder / f"d{number // 500}" / f"s{number // 50 % 10}"
        if not number % 50:
            inner.mkdir(parents=True, exist_ok=True)
        (inner / f"f{number}.txt").write_text(f"{number}\n" * 20)
    write(folder, noops(JOBS))
    chain = {f"j{n}": ({"needs": [f"j{n - 1}"]} if n else {}) for n in range(JOBS)}
    gitlab: dict[str, object] = {
        name: {"image": BASE, "script": ["true"], **more} for name, more in chain.items()
    }
    (folder / ".gitlab-ci.yml").write_text(yaml.safe_dump(gitlab))
    (folder / ".gitignore").write_text(".gitlab-ci-local\n")
    steps = {"runs-on": "ubuntu-latest", "steps": [{"uses": "actions/checkout@v4"}, {"run": "true"}]}
    workflow = folder / ".github" / "workflows" / "bench.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(
        yaml.safe_dump({"on": "push", "jobs": {name: {**steps, **more} for name, more in chain.items()}})
    )
    who = ["-c", "user.name=ci", "-c", "user.email=ci@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    subprocess.run(
        ["git", "remote", "add", "origin", "https://example.com/org/app.git"], cwd=folder, check=True
    )
    return folder


def act(folder: Path, home: Path) -> None:
    command = [runners.act(), "push", "--pull=false", "--rm", "--no-cache-server"]
    command += [
        "-P",
        f"ubuntu-latest={runners.image()}",
        "--container-daemon-socket",
        os.environ["DOCKER_HOST"],
    ]
    _quietly(command, folder, home)


def gitlab_ci_local(folder: Path, home: Path) -> None:
    command = [runners.gitlab_ci_local(), "--home", home, "--pull-policy", "if-not-present"]
    command += ["--helper-image", runners.image(), "--shell-executor-no-image=false"]
    _quietly(command, folder, home)


def _quietly(command: list[object], folder: Path, home: Path) -> None:
    home.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "DOCKER_HOST": os.environ["DOCKER_HOST"]}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()[-2000:]


def test_a_large_checkout(large: Path, tmp_path: Path, say: Callable[[str], None]) -> None:
    """Four jobs that do nothing, one after the other, in a checkout of 50,000 files."""
    runners.act(), runners.gitlab_ci_local(), runners.image()  # made before anything is timed
    file = large / ".gocdnext" / "bench.yaml"
    reports: list[RunReport] = []
    whole = timed(lambda: reports.append(ours(file)))
    first, *others = (job.seconds for job in reports[0].jobs)
    theirs = {
        "gitlab-ci-local": timed(lambda: gitlab_ci_local(large, tmp_path / "gitlab")),
        "act": timed(lambda: act(large, tmp_path / "act")),
    }
    shown = ", ".join(f"{name} {seconds:.1f} s ({whole / seconds:.2f})" for name, seconds in theirs.items())
    say(f"{FILES} files, {JOBS} jobs: {whole:.1f} s; {shown}")
    say(f"the first job, which unpacks them: {first:.1f} s; the others: {max(others):.1f} s at most")
    assert max(others) < first / 2


PLANNING = """
import contextlib, io, json, resource, sys, time
from gocdnext_sdk.host.cli import main

def seconds(file):
    sys.argv = ["gocdnext-plugin", "plan", file]
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            assert not end.code, end.code
    return time.process_time() - began

few, many = sys.argv[1:]
seconds(few)
print(json.dumps([seconds(many), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


@pytest.mark.parametrize("kind", PLAN_LIMITS)
def test_a_thousand_jobs_are_planned(tmp_path: Path, say: Callable[[str], None], kind: str) -> None:
    trivy = {"uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1", "with": {"scan-type": "fs", "target": "."}}
    action = {"image": BASE, "script": ["true"]} if kind == "script" else trivy
    files = [
        write(tmp_path / str(count), {f"j{n}": {"stage": f"s{n % 2}", **action} for n in range(count)})
        for count in (1, 1000)
    ]
    found = subprocess.run(
        [sys.executable, "-c", PLANNING, *files], cwd=ROOT, check=True, capture_output=True, text=True
    )
    took, memory = yaml.safe_load(found.stdout)
    say(f"1,000 jobs ({kind}): {took:.2f} s (at most {PLAN_LIMITS[kind]}), {memory:.0f} MB")
    assert took <= PLAN_LIMITS[kind]
    assert memory < MEMORY_LIMIT
