"""The harness on the real engine: what jobs get, what they leave, and what is left when they are stopped.

Jobs run in the base image of the examples (`BASE`), which has a shell and Python.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from gocdnext_sdk.host.harness import NullListener, Pull, RunOptions, RunReport, Session, Status, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.engine.interface import OWNER_LABEL, RUN_LABEL

COMMAND = [sys.executable, "-m", "gocdnext_sdk.host.cli", "run"]


@pytest.fixture(scope="session")
def base() -> str:
    if found := os.environ.get("BASE"):
        return found
    pytest.fail('BASE is not set: run `make test`, or eval "$(python -m testbed env)" first', pytrace=False)


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(DockerEngine()) as session:
        yield session


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / ".gocdnext").mkdir(parents=True)
    return tmp_path / "project"


def write(project: Path, base: str, text: str) -> Path:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(text.replace("BASE", json.dumps(base)))
    return file


def run(session: Session, file: Path, **options: Any) -> RunReport:
    return run_pipeline(file, RunOptions(**options), session=session)


def test_outputs_cross_jobs_and_matrix_cells_and_files_do_not(
    session: Session, project: Path, base: str
) -> None:
    file = write(
        project,
        base,
        """
stages: [make, use]
jobs:
  make:
    stage: make
    image: BASE
    outputs: {digest: DIGEST}
    script:
      - test "$PWD" = /workspace
      - echo made > made.txt
      - printf 'DIGEST="sha256:12 34"\\n' > "$GOCDNEXT_OUTPUT_FILE"
  cell:
    stage: make
    image: BASE
    parallel: {matrix: [{ARCH: [amd64, arm64]}]}
    outputs: {arch: A}
    script: ["echo A=$ARCH-$GOCDNEXT_MATRIX > $GOCDNEXT_OUTPUT_FILE"]
  use:
    stage: use
    image: BASE
    needs: [make, cell]
    variables:
      DIGEST: ${{ needs.make.outputs.digest }}
      ARM: ${{ needs.cell.matrix[ARCH=arm64].outputs.arch }}
    script:
      - test "$DIGEST" = "sha256:12 34"
      - test "$ARM" = "arm64-ARCH=arm64"
      - test ! -e made.txt
      - test -z "$GOCDNEXT_OUTPUT_FILE"
""",
    )
    report = run(session, file)
    assert report.passed, [(job.name, job.reason, job.text) for job in report.jobs]
    assert report["make"].outputs == {"digest": "sha256:12 34"}
    assert (project / "made.txt").read_text() == "made\n"


def test_artifacts_cross_jobs_with_their_modes_and_links(session: Session, project: Path, base: str) -> None:
    (project / "dist").mkdir()
    (project / "dist" / "old").write_text("of the checkout")
    file = write(
        project,
        base,
        """
stages: [make, use]
jobs:
  make:
    stage: make
    image: BASE
    script:
      - mkdir -p dist web/out
      - echo app > dist/app && chmod 755 dist/app && ln -s app dist/link && mkfifo dist/pipe
      - echo page > web/out/index.html && echo other > web/other
    artifacts: {paths: [dist/, web/out], optional: [nothing.xml]}
  use:
    stage: use
    image: BASE
    needs_artifacts:
      - {from_job: make, paths: [dist]}
      - {from_job: make, paths: [web/out], dest: site}
    script:
      - test -x dist/app && test "$(cat dist/link)" = app && test "$(readlink dist/link)" = app
      - test -f dist/old && test ! -e dist/pipe && test ! -e web/other
      - test "$(cat site/web/out/index.html)" = page && test ! -e web/out
""",
    )
    report = run(session, file)
    assert report.passed, [each.text for each in report.jobs]
    assert "not kept: artifact nothing.xml is missing" in report["make"].text


def test_a_script_stops_at_its_first_failing_line(session: Session, project: Path, base: str) -> None:
    file = write(
        project,
        base,
        """
stages: [a, b]
jobs:
  fails: {stage: a, image: BASE, script: ["echo first", "sh -c 'exit 7'", "echo second"]}
  never: {stage: b, image: BASE, script: ["echo never"]}
""",
    )
    report = run(session, file)
    assert report.exit_code == 1
    assert (report["fails"].status, report["fails"].exit_code) == (Status.FAILED, 7)
    assert [line.text for line in report["fails"].log if not line.text.startswith(("$", "sh", "echo"))] == [
        "first"
    ]
    assert report["never"].status is Status.CANCELED


def test_every_job_has_services_of_its_own(session: Session, project: Path, base: str) -> None:
    """The service counts its callers: two jobs run side by side, and each is the first caller."""
    file = write(
        project,
        base,
        """
stages: [a]
services:
  - name: count
    image: BASE
    command:
      - python3
      - -c
      - |
        import itertools, socket
        server = socket.create_server(("", 7000))
        for number in itertools.count(1):
            server.accept()[0].sendall(str(number).encode())
jobs:
  one: &job
    stage: a
    image: BASE
    script:
      - |
        python3 - <<'END'
        import socket, time
        for attempt in range(100):
            try:
                there = socket.create_connection(("count", 7000), timeout=60)
                break
            except OSError:
                time.sleep(0.1)
        assert there.recv(2) == b"1"
        END
  two: *job
""",
    )
    report = run(session, file)
    assert report.passed, [job.text for job in report.jobs]
    one, two = report.jobs
    assert max(one.began, two.began) < min(one.began + one.seconds, two.began + two.seconds)


def test_docker_true_reaches_the_engine_and_other_jobs_do_not(
    session: Session, project: Path, base: str
) -> None:
    file = write(
        project,
        base,
        """
stages: [a]
jobs:
  with:
    stage: a
    docker: true
    image: BASE
    outputs: {version: VERSION}
    script:
      - test "$DOCKER_HOST" = unix:///var/run/docker.sock
      - python3 -c 'assert "host.docker.internal" in open("/etc/hosts").read()'
      - |
        python3 - <<'END'
        import http.client, json, os, socket
        connection = http.client.HTTPConnection("engine")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect("/var/run/docker.sock")
        connection.request("GET", "/version")
        version = json.load(connection.getresponse())["Version"]
        open(os.environ["GOCDNEXT_OUTPUT_FILE"], "w").write(f"VERSION={version}")
        END
  without:
    stage: a
    image: BASE
    script:
      - test ! -e /var/run/docker.sock
      - test -z "$DOCKER_HOST"
      - python3 -c 'assert "host.docker.internal" not in open("/etc/hosts").read()'
""",
    )
    report = run(session, file)
    assert report.passed, [job.text for job in report.jobs]
    assert report["with"].outputs["version"] in DockerEngine().describe()


def test_files_belong_to_the_user_and_keep_their_mode(session: Session, project: Path, base: str) -> None:
    owner = 4321 if os.geteuid() == 0 else os.getuid()
    file = write(
        project,
        base,
        """
stages: [a]
jobs:
  x:
    stage: a
    image: BASE
    script:
      - mkdir -p out/deep && echo text > out/deep/report.txt && chmod 640 out/deep/report.txt
      - printf '#!/bin/sh\\n' > tool && chmod 755 tool
      - ln -s /etc/passwd stolen; mkdir -p .git && echo evil > .git/config
""",
    )
    if os.geteuid() == 0:
        for each in (project, *project.rglob("*")):
            os.chown(each, owner, owner)
    report = run(session, file)
    assert report.passed
    found = {path.relative_to(project).as_posix(): path.lstat() for path in project.rglob("*")}
    assert set(found) == {
        ".gocdnext",
        ".gocdnext/test.yaml",
        "out",
        "out/deep",
        "out/deep/report.txt",
        "tool",
    }
    assert {status.st_uid for status in found.values()} == {owner}
    assert found["out/deep/report.txt"].st_mode & 0o777 == 0o640
    assert found["tool"].st_mode & 0o777 == 0o755


PEM = "-----BEGIN PRIVATE KEY-----\nTUlJRXZRSUJBREFOQmdrcWhraUc5dzBCQVFFRkFBU0M=\n-----END PRIVATE KEY-----\n"


def test_a_pem_and_its_base64_are_masked(session: Session, project: Path, base: str) -> None:
    file = write(
        project,
        base,
        """
stages: [a]
jobs:
  x:
    stage: a
    image: BASE
    secrets: [KEY, TOKEN]
    script:
      - printf %s "$KEY"
      - printf %s "$KEY" | base64 -w0; echo
      - printf %s "user:$TOKEN" | base64 -w0; echo
      - |
        python3 -c '
        import os, time
        for character in os.environ["TOKEN"]:
            print(character, end="", flush=True)
            time.sleep(0.02)
        print()'
      - printf %s "$TOKEN" >&2
""",
    )
    report = run(session, file, secrets={"KEY": PEM, "TOKEN": "correct-horse"})
    text = report["x"].text
    assert report.passed, text
    assert text.count("***") >= 5
    assert "correct-horse" not in text
    assert PEM.splitlines()[1] not in text
    assert base64.b64encode(PEM.encode()).decode()[4:40] not in text
    assert base64.b64encode(b"user:correct-horse").decode()[8:24] not in text


def test_the_registry_is_the_same_for_the_user_and_for_jobs(
    session: Session, project: Path, base: str
) -> None:
    registry = session.start_registry()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://{registry.address}/v2/")
    file = write(
        project,
        base,
        """
stages: [a]
jobs:
  x:
    stage: a
    image: BASE
    secrets: [REGISTRY_USERNAME, REGISTRY_PASSWORD]
    script:
      - |
        python3 - <<'END'
        import base64, os, urllib.request
        login = f"{os.environ['REGISTRY_USERNAME']}:{os.environ['REGISTRY_PASSWORD']}".encode()
        headers = {"Authorization": "Basic " + base64.b64encode(login).decode()}
        url = f"http://{os.environ['REGISTRY']}/v2/team/app/blobs/uploads/"
        with urllib.request.urlopen(urllib.request.Request(url, b"", headers)) as answer:
            assert answer.status == 202
        END
""",
    )
    report = run(session, file, registry=registry)
    assert report.passed, report["x"].text
    assert registry.password not in repr(registry)


def test_a_plugin_is_built_from_its_folder(
    session: Session, project: Path, base: str, client: docker.DockerClient
) -> None:
    folder = project / "plugins" / "echo"
    folder.mkdir(parents=True)
    nowhere = "docker.io/library/nowhere:1@sha256:" + "0" * 64
    (folder / "Dockerfile").write_text(
        f'FROM {nowhere} AS base\nFROM base\nENTRYPOINT ["sh", "-c", "echo said: $PLUGIN_WORD"]\n'
    )
    file = write(
        project,
        base,
        """
stages: [a]
jobs:
  x: {stage: a, uses: "ghcr.io/acme/gocdnext-plugin-e2e-echo@v1", with: {word: hello}}
""",
    )
    report = run(
        session,
        file,
        local={"gocdnext-plugin-e2e-echo": folder},
        build_contexts=(f"base=docker-image://{base}",),
    )
    client.images.remove("localhost/gocdnext-plugin-e2e-echo:dev", force=True)
    assert report.passed
    assert [line.text for line in report["x"].log] == [
        "$ plugin localhost/gocdnext-plugin-e2e-echo:dev",
        "said: hello",
    ]


def test_an_image_that_is_not_there_is_the_engines_failure(session: Session, project: Path) -> None:
    file = write(project, "", "stages: [a]\njobs:\n  x: {stage: a, uses: localhost/absent@v1}\n")
    report = run(session, file, pull=Pull.NEVER)
    assert (report.exit_code, report["x"].status) == (3, Status.ERROR)
    assert "no image localhost/absent:v1" in report["x"].reason


def test_an_image_that_cannot_be_pulled_may_come_from_elsewhere(session: Session, project: Path) -> None:
    file = write(project, "", "stages: [a]\njobs:\n  x: {stage: a, uses: localhost:1/absent@v1}\n")
    report = run(session, file)
    assert (report.exit_code, report["x"].status) == (3, Status.ERROR)
    assert "cannot pull localhost:1/absent:v1" in report["x"].reason
    assert "--local NAME=DIRECTORY" in report["x"].reason


SLOW = """
stages: [a]
services: [{name: idle, image: BASE, command: [sleep, "600"]}]
jobs:
  x:
    stage: a
    image: BASE
    script:
      - trap 'echo wiping; exit 143' TERM
      - echo ready
      - while true; do sleep 0.1; done
"""


def started(project: Path, base: str) -> subprocess.Popen[str]:
    """Start the command on a pipeline that never ends; return once its job runs."""
    process = subprocess.Popen(
        [*COMMAND, write(project, base, SLOW), "--registry", "--verbose"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.rstrip().endswith("│ ready"):
            return process
    raise AssertionError(f"ended with {process.wait()} before the job ran")


def owned_by(client: docker.DockerClient, process: subprocess.Popen[str]) -> list[str]:
    """Return what `process` has on the engine, by one listing each: others come and go meanwhile."""
    filters = {"label": RUN_LABEL}
    found = [
        *client.api.containers(all=True, filters=filters),
        *(client.api.volumes(filters=filters)["Volumes"] or ()),
        *client.api.networks(filters=filters),
    ]
    return [
        each.get("Name") or each["Names"][0]
        for each in found
        if f" {process.pid} " in each["Labels"][OWNER_LABEL]
    ]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_leaves_nothing(
    project: Path, base: str, client: docker.DockerClient, signum: signal.Signals
) -> None:
    process = started(project, base)
    assert len(owned_by(client, process)) >= 5  # job, volume, service, registry, network
    process.send_signal(signum)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert "wiping" in output
    assert "canceled" in output
    assert owned_by(client, process) == []


HEARS_LATE = """
stages: [a]
jobs:
  x:
    stage: a
    image: BASE
    script:
      - |
        exec python3 -c '
        import signal, sys, time
        time.sleep(0.4)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        time.sleep(60)'
"""


class StopsLater(NullListener):
    """Asks the session to stop some time after its job has begun."""

    def __init__(self, session: Session, seconds: float) -> None:
        self._timer = threading.Timer(seconds, session.stop.request, (signal.SIGTERM,))

    def job_started(self, name: str) -> None:
        self._timer.start()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0])
def test_a_stop_is_heard_whenever_it_comes(
    project: Path, base: str, client: docker.DockerClient, delay: float
) -> None:
    """PID 1 hears nothing until it has a handler, so the signal comes again; SIGKILL would be 137."""
    file = write(project, base, HEARS_LATE)
    with Session(DockerEngine()) as session:
        report = run_pipeline(file, session=session, listener=StopsLater(session, delay))
        labels = {"label": f"{RUN_LABEL}={session.id}"}
    assert report.exit_code == 143
    assert (report["x"].status, report["x"].exit_code) in {(Status.CANCELED, 143), (Status.CANCELED, None)}
    assert report.seconds < delay + 8
    assert client.api.containers(all=True, filters=labels) == []


def test_what_the_platform_would_lose_is_noted(session: Session, project: Path, base: str) -> None:
    class Notices(NullListener):
        texts: list[str] = []

        def notice(self, text: str, job: str = "") -> None:
            self.texts.append(text)

    text = "stages: [a]\njobs:\n  x: {stage: a, image: BASE, script: [\"printf 'a\\\\351b\\\\0c\\\\n'\"]}\n"
    report = run_pipeline(write(project, base, text), session=session, listener=Notices())
    assert report["x"].log[-1].text == "a\ufffdb\ufffdc"
    assert {"UTF-8", "NUL"} <= set(" ".join(Notices.texts).replace(";", "").split())


def test_what_a_killed_run_left_is_removed_by_the_next(
    project: Path, base: str, client: docker.DockerClient
) -> None:
    process = started(project, base)
    assert len(owned_by(client, process)) >= 5
    process.kill()
    process.communicate()
    with Session(DockerEngine()):
        assert owned_by(client, process) == []


def test_the_command_reports_mistakes_in_one_line_each(project: Path, tmp_path: Path) -> None:
    file = write(project, "", "stages: [a]\njobs:\n  x: {stage: b, uses: one/x@v1, secrets: [T]}\n")
    begun = time.monotonic()
    result = subprocess.run([*COMMAND, file], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "test.yaml:3:" in result.stderr
    assert "Traceback" not in result.stderr
    assert time.monotonic() - begun < 30


def test_the_command_writes_a_report_for_machines(project: Path, base: str, tmp_path: Path) -> None:
    file = write(
        project,
        base,
        """
stages: [a]
jobs:
  x:
    stage: a
    image: BASE
    outputs: {k: {env: K, masked: true}}
    script: ["echo K=v > $GOCDNEXT_OUTPUT_FILE"]
""",
    )
    report = tmp_path / "report.json"
    result = subprocess.run(
        [*COMMAND, file, "--json", report, "--no-color"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    told = json.loads(report.read_text())
    assert told["passed"] is True
    assert told["jobs"][0]["outputs"] == {"k": "***"}


def test_limits_and_reports_of_a_job(session: Session, project: Path, base: str) -> None:
    file = write(
        project,
        base,
        """
stages: [a]
jobs:
  unit:
    stage: a
    image: BASE
    resources: {limits: {cpu: 500m, memory: 64Mi}}
    test_reports: ["**/junit-*.xml"]
    coverage_report: {path: out/cover.out, format: go-cover, fail_under: 80}
    script:
      - cd /sys/fs/cgroup
      - test "$(cat memory.max memory/memory.limit_in_bytes 2>/dev/null)" = 67108864
      - cd /workspace
      - mkdir -p out/deep
      - echo "<testsuite><testcase name='a'/><testcase name='b'/></testsuite>" > out/deep/junit-1.xml
      - |
        printf 'mode: set\\na.go:1.1,2.2 3 1\\na.go:3.1,4.2 1 0\\n' > out/cover.out
""",
    )
    unit = run(session, file)["unit"]
    assert unit.reason == "coverage 75.0% is below fail_under 80.0%", unit.text
    assert str(unit.tests) == "2 passed in 1 file"


@pytest.mark.parametrize("layered_from", [0, None])
def test_a_job_changes_its_own_files_only_whether_copied_or_layered(
    session: Session, project: Path, base: str, layered_from: int | None
) -> None:
    (project / "kept").mkdir()
    for name in ("changed.txt", "deleted.txt", "renamed.txt", "kept/same.txt"):
        (project / name).write_text("before\n")
    file = write(
        project,
        base,
        """
stages: [a, b]
jobs:
  change:
    stage: a
    image: BASE
    artifacts: {paths: [kept]}
    script:
      - echo after > changed.txt
      - rm deleted.txt
      - mv renamed.txt new.txt
      - mv kept moved
      - mkdir kept && echo new > kept/new.txt
      - mkdir -p out && cp moved/same.txt out/ && ln out/same.txt out/twin.txt && ln -s same.txt out/link
  look:
    stage: b
    image: BASE
    needs_artifacts: [{from_job: change, dest: got}]
    script:
      - test "$(cat changed.txt deleted.txt renamed.txt kept/same.txt | sort | uniq -c | tr -d ' ')" = 4before
      - test ! -e out && test ! -e kept/new.txt && test -e got/kept/new.txt && test ! -e got/kept/same.txt
      - test "$(stat -c %u:%a .)" = "$(stat -c %u .):755"
""",
    )
    report = run(session, file, layered_from=layered_from)
    assert report.passed, [(job.name, job.reason, job.text) for job in report.jobs]
    assert sorted(report["change"].written) == [
        "changed.txt", "kept/new.txt", "moved/same.txt", "new.txt",
        "out/link", "out/same.txt", "out/twin.txt",
    ]  # fmt: skip
    assert (project / "changed.txt").read_text() == "after\n"
    assert (project / "deleted.txt").exists()  # what jobs delete stays in the user's tree
    assert report["look"].written == ("got/kept/new.txt",)
