"""A run as the platform's Kubernetes jobs: what a container gets, and what stands beside it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import NullListener, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.pipeline import PipelineError, Run
from gocdnext_sdk.host.pipeline.modes import MODES, ModeName

DAEMON = "docker:24-dind"
RUN = Run(id="run-1", pipeline_id="pipeline-1")


class Told(NullListener):
    def __init__(self) -> None:
        self.notices: list[tuple[str, str]] = []

    def notice(self, text: str, job: str = "") -> None:
        self.notices.append((job, text))


def run(
    engine: MemoryEngine, project: Path, text: str, mode: ModeName, **options: Any
) -> tuple[RunReport, Told]:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(f"stages: [s]\n{text}")
    told = Told()
    with Session(engine) as session:
        found = RunOptions(mode=MODES[mode], run=RUN, **options)
        return run_pipeline(file, found, session=session, listener=told), told


def boxes(engine: MemoryEngine, image: str) -> list[MemoryContainer]:
    return [each for each in engine.containers.values() if each.spec.image == image and each.started.is_set()]


def box(engine: MemoryEngine, image: str) -> MemoryContainer:
    (found,) = boxes(engine, image)
    return found


@pytest.mark.parametrize(
    ("mode", "variable", "checkout"),
    [
        ("docker", "PLUGIN_TARGET_ENV", "/workspace"),
        ("k8s-shared", "PLUGIN_TARGET_ENV", "/workspace/run-1/*/src/*"),
        ("k8s-isolated", "PLUGIN_TARGETENV", "/workspace/src/*"),
    ],
)
def test_names_and_paths_are_the_modes_own(
    engine: MemoryEngine, project: Path, mode: ModeName, variable: str, checkout: str
) -> None:
    seen: list[Mapping[str, bytes]] = []

    def plugin(box: MemoryContainer) -> None:
        seen.append(dict(box.files))
        box.files["out/made.txt"] = b"made"
        box.set_outputs("KEY=value\n")

    engine.behaviours["one/a:v1"] = plugin
    more = "outputs: {key: KEY}, artifacts: {paths: [out]}"
    text = f"jobs:\n  a: {{stage: s, uses: one/a@v1, with: {{targetEnv: x}}, {more}}}"
    report, _ = run(engine, project, text, mode)
    spec = box(engine, "one/a:v1").spec
    assert report.passed
    assert spec.env[variable] == "x"
    assert Path(str(spec.working_dir)).match(checkout)
    assert spec.env["GOCDNEXT_OUTPUT_FILE"].startswith(f"{spec.working_dir}/.gocdnext/outputs/")
    assert seen[0]["source.txt"] == b"source\n"
    assert report["a"].outputs == {"key": "value"}
    assert (project / "out/made.txt").read_bytes() == b"made"


def test_the_jobs_of_a_run_have_one_material_and_folders_of_their_own(
    engine: MemoryEngine, project: Path
) -> None:
    text = "jobs:\n  a: {stage: s, uses: one/a@v1}\n  b: {stage: s, uses: one/b@v1}"
    run(engine, project, text, "k8s-shared")
    first, second = (str(box(engine, f"one/{name}:v1").spec.working_dir) for name in "ab")
    assert first != second
    assert first.rpartition("/")[2] == second.rpartition("/")[2]


@pytest.mark.parametrize("mode", ["k8s-shared", "k8s-isolated"])
def test_kubernetes_rewrites_what_a_pod_is_given_and_the_run_says_so(
    engine: MemoryEngine, project: Path, mode: ModeName
) -> None:
    engine.behaviours["one/a:v1"] = lambda box: box.print(box.env["PLUGIN_PASSWORD"] + "\n")
    with_ = "{password: '${{ S }}', tag: '$(CI_JOB_NAME)', plain: $x}"
    text = f"jobs:\n  a: {{stage: s, uses: one/a@v1, secrets: [S], with: {with_}}}"
    report, told = run(engine, project, text, mode, secrets={"S": "hunter22$$end"})
    env = box(engine, "one/a:v1").spec.env
    assert (env["PLUGIN_PASSWORD"], env["PLUGIN_TAG"], env["PLUGIN_PLAIN"]) == ("hunter22$end", "a", "$x")
    said, masked = [text for job, text in told.notices if job == "a"]
    assert all(name in said for name in ("PLUGIN_PASSWORD", "PLUGIN_TAG", "S"))
    assert "PLUGIN_PLAIN" not in said
    # What the platform masks is another text; here both are masked, and the difference is told.
    assert "the platform" in masked
    assert "hunter22" not in report["a"].text


def test_docker_rewrites_nothing(engine: MemoryEngine, project: Path) -> None:
    text = "jobs:\n  a: {stage: s, uses: one/a@v1, with: {tag: '$(CI_JOB_NAME) $$'}}"
    _, told = run(engine, project, text, "docker")
    assert box(engine, "one/a:v1").spec.env["PLUGIN_TAG"] == "$(CI_JOB_NAME) $$"
    assert told.notices == []


def test_a_script_replaces_the_entrypoint_and_is_rewritten_in_a_pod(
    engine: MemoryEngine, project: Path
) -> None:
    text = "jobs:\n  a: {stage: s, image: one/a, script: ['echo $$ $(CI_JOB_NAME) $(date)']}"
    _, told = run(engine, project, text, "k8s-isolated")
    spec = box(engine, "one/a").spec
    assert spec.entrypoint == ("sh", "-c", "--", "set -e\necho $ a $(date)")
    assert spec.command == ()
    assert "script" in told.notices[-1][1]
    run(engine, project, text, "docker")
    spec = boxes(engine, "one/a")[-1].spec
    assert spec.entrypoint == ()
    assert spec.command[:3] == ("sh", "-c", "--")
    assert spec.command[3].endswith("echo $$ $(CI_JOB_NAME) $(date)")
    assert "safe.directory" in spec.command[3]


@pytest.mark.parametrize(
    ("mode", "host", "shared"),
    [
        ("k8s-shared", "tcp://localhost:2375", ""),
        ("k8s-isolated", "unix:///run/dind/docker.sock", "/run/dind"),
    ],
)
def test_a_job_with_docker_gets_a_daemon_of_its_own_in_its_network(
    engine: MemoryEngine, project: Path, mode: ModeName, host: str, shared: str
) -> None:
    text = "jobs:\n  a: {stage: s, uses: one/a@v1, docker: true}\n  b: {stage: s, uses: one/b@v1}"
    report, _ = run(engine, project, text, mode)
    job, daemon = box(engine, "one/a:v1").spec, box(engine, DAEMON).spec
    assert report.passed
    assert daemon.privileged
    assert not job.privileged
    assert job.env["DOCKER_HOST"] == host
    assert job.env["DOCKER_TLS_CERTDIR"] == daemon.env["DOCKER_TLS_CERTDIR"] == ""
    assert "TESTCONTAINERS_HOST_OVERRIDE" not in job.env
    assert job.engine_socket is None
    assert job.network == f"container:{daemon.name}"
    assert f"--host={host.replace('localhost', '0.0.0.0')}" in daemon.command
    assert [path for path in job.volumes.values() if path != job.working_dir] == ([shared] if shared else [])
    assert [*daemon.volumes.values()] == ([shared] if shared else [])
    assert "DOCKER_HOST" not in box(engine, "one/b:v1").spec.env
    assert engine.labels == {}  # nothing of it stays


def test_the_daemons_image_can_be_replaced(engine: MemoryEngine, project: Path) -> None:
    text = "jobs:\n  a: {stage: s, uses: one/a@v1, docker: true}"
    run(engine, project, text, "k8s-shared", use_images={DAEMON: "localhost/dind:1"})
    assert boxes(engine, DAEMON) == []
    assert box(engine, "localhost/dind:1").spec.privileged


def test_daemons_in_one_network_take_turns(engine: MemoryEngine, project: Path) -> None:
    at_once, most, lock = 0, 0, threading.Event()

    def plugin(_: MemoryContainer) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        lock.wait(0.05)
        at_once -= 1

    for name in "abc":
        engine.behaviours[f"one/{name}:v1"] = plugin
    jobs = "".join(f"\n  {name}: {{stage: s, uses: one/{name}@v1, docker: true}}" for name in "abc")
    report, _ = run(engine, project, f"jobs:{jobs}", "k8s-shared", network="container:shared")
    assert report.passed
    assert most == 1
    assert {each.spec.network for each in boxes(engine, DAEMON)} == {"container:shared"}


def test_a_daemon_never_gets_the_network_of_this_machine(engine: MemoryEngine, project: Path) -> None:
    text = "jobs:\n  a: {stage: s, uses: one/a@v1, docker: true}"
    with pytest.raises(UsageError, match="--network host"):
        run(engine, project, text, "k8s-isolated", network="host")
    assert engine.containers == {}
    assert run(engine, project, text.replace("true", "false"), "k8s-isolated", network="host")[0].passed
    assert run(engine, project, text, "docker", network="host")[0].passed


def test_all_jobs_of_a_run_share_its_services(engine: MemoryEngine, project: Path) -> None:
    text = (
        "services: [{name: db, image: 'db:1', env: {P: $$x}, command: [serve, $(P)]}]\n"
        "jobs:\n  a: {stage: s, uses: one/a@v1}\n  b: {stage: s, uses: one/b@v1}"
    )
    run(engine, project, text, "k8s-isolated")
    service = box(engine, "db:1").spec
    assert service.env == {"P": "$x"}
    assert service.command == ("serve", "$x")
    assert service.network == box(engine, "one/a:v1").spec.network
    run(engine, project, text, "docker")
    assert len(boxes(engine, "db:1")) == 3


def test_a_variable_that_no_pod_may_have_is_refused_before_anything_starts(
    engine: MemoryEngine, project: Path
) -> None:
    text = "jobs:\n  a: {stage: s, uses: one/a@v1, with: {café: x}}"
    with pytest.raises(PipelineError, match="PLUGIN_CAFé"):
        run(engine, project, text, "k8s-isolated")
    assert engine.containers == {}
    assert run(engine, project, text, "docker")[0].passed


def test_an_isolated_job_of_any_user_can_write_its_outputs() -> None:
    isolated, shared = MODES["k8s-isolated"], MODES["k8s-shared"]
    assert (isolated.output_directory, isolated.output_file) == (0o777, 0o666)
    assert (shared.output_directory, shared.output_file) == (0o700, 0o600)
