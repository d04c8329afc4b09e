"""What the runner decides: order, outputs, skips, masks, stopping. No container runs here."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import Cancelled, UsageError
from gocdnext_sdk.host.harness import NullListener, RunOptions, RunReport, Session, Status, run_pipeline
from gocdnext_sdk.host.pipeline import PipelineError
from gocdnext_sdk.host.pipeline.model import Profile


def run(engine: Any, project: Path, text: str, **options: Any) -> RunReport:
    session = options.pop("session", None) or Session(engine)
    listener = options.pop("listener", None)
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(text)
    with session:
        return run_pipeline(file, RunOptions(**options), session=session, listener=listener)


def statuses(report: RunReport) -> dict[str, str]:
    return {job.name: job.status.value for job in report.jobs}


TWO_STAGES = """
stages: [build, ship]
jobs:
  b1: {stage: build, uses: "one/first@v1"}
  b2: {stage: build, uses: "one/second@v1"}
  b3: {stage: build, uses: "one/third@v1", needs: [b1]}
  s1: {stage: ship, uses: "one/ship@v1"}
"""


def test_stages_run_in_order_and_needs_gate_inside_a_stage(engine: Any, project: Path) -> None:
    report = run(engine, project, TWO_STAGES)
    assert report.passed
    assert engine.order.index("one/first:v1") < engine.order.index("one/third:v1")
    assert engine.order[-1] == "one/ship:v1"


def test_jobs_of_a_stage_run_side_by_side(engine: Any, project: Path) -> None:
    both = threading.Barrier(2, timeout=10)
    for image in ("one/first:v1", "one/second:v1"):
        engine.behaviours[image] = lambda box: both.wait() and 0
    assert run(engine, project, TWO_STAGES).passed


def test_parallel_limits_how_many_jobs_run_at_once(engine: Any, project: Path) -> None:
    assert run(engine, project, TWO_STAGES, parallel=1).passed
    assert engine.most_at_once == 1


def test_a_failed_job_skips_what_needs_it_and_later_stages_but_not_its_siblings(
    engine: Any, project: Path
) -> None:
    engine.behaviours["one/first:v1"] = lambda box: 4
    report = run(engine, project, TWO_STAGES)
    assert statuses(report) == {"b1": "failed", "b2": "passed", "b3": "canceled", "s1": "canceled"}
    assert report["b1"].exit_code == 4
    assert report["b3"].reason == "needs b1, which did not pass"
    assert report["s1"].reason == "stage build failed"
    assert report.exit_code == 1


def test_a_stage_of_one_failed_job_ends_the_run(engine: Any, project: Path) -> None:
    text = """
stages: [a, b, c]
jobs:
  x: {stage: a, uses: one/x@v1}
  y: {stage: b, uses: one/y@v1}
  z: {stage: c, uses: one/z@v1}
"""
    engine.behaviours["one/x:v1"] = lambda box: 1
    assert statuses(run(engine, project, text)) == {"x": "failed", "y": "canceled", "z": "canceled"}
    assert engine.order == ["one/x:v1"]


OUTPUTS = """
stages: [a, b]
jobs:
  make:
    stage: a
    uses: one/make@v1
    outputs: {digest: DIGEST}
  cells:
    stage: a
    uses: one/cell@v1
    parallel: {matrix: [{ARCH: [amd64, arm64]}]}
    outputs: {name: NAME}
  use:
    stage: b
    needs: [make, cells]
    uses: one/use@v1
    with:
      digest: ${{ needs.make.outputs.digest }}
      arm: ${{ needs.cells.matrix[ARCH=arm64].outputs.name }}
"""


def test_outputs_feed_jobs_that_need_them(engine: Any, project: Path) -> None:
    engine.behaviours["one/make:v1"] = lambda box: box.set_outputs("DIGEST=sha256:1234\n")
    engine.behaviours["one/cell:v1"] = lambda box: box.set_outputs(f"NAME=image-{box.env['ARCH']}\n")
    engine.behaviours["one/use:v1"] = lambda box: box.print(box.env["PLUGIN_DIGEST"] + "\n")
    report = run(engine, project, OUTPUTS)
    assert report.passed
    assert report["make"].outputs == {"digest": "sha256:1234"}
    used = next(box for box in engine.containers.values() if box.spec.image == "one/use:v1")
    assert (used.env["PLUGIN_DIGEST"], used.env["PLUGIN_ARM"]) == ("sha256:1234", "image-arm64")
    # As on the platform: needed outputs of eight bytes and more are masked downstream.
    assert report["use"].log[-1].text == "***"


def test_an_output_that_was_declared_and_not_written_fails_the_job(engine: Any, project: Path) -> None:
    report = run(engine, project, OUTPUTS)
    assert report["make"].status is Status.FAILED
    assert "DIGEST" in report["make"].reason
    assert report["use"].status is Status.CANCELED


def test_the_output_file_is_there_only_for_jobs_that_declare_outputs(engine: Any, project: Path) -> None:
    seen: dict[str, Any] = {}
    engine.behaviours["one/make:v1"] = lambda box: seen.update(make=dict(box.files)) or 1
    engine.behaviours["one/ship:v1"] = lambda box: seen.update(ship=dict(box.env))
    run(engine, project, OUTPUTS)
    run(engine, project, TWO_STAGES)
    outputs = [name for name in seen["make"] if name.startswith(".gocdnext/outputs/")]
    assert len(outputs) == 1
    assert seen["make"][outputs[0]] == b""
    assert "GOCDNEXT_OUTPUT_FILE" not in seen["ship"]


PEM = "-----BEGIN KEY-----\nTUlJRXZRSUJBREFO\nQmdrcWhraUc5dzBC\n-----END KEY-----\n"
SECRETS = """
stages: [a]
jobs:
  j: {stage: a, uses: one/j@v1, secrets: [KEY], with: {key: "${{ KEY }}"}}
"""


def test_a_multi_line_secret_is_masked_also_when_it_comes_in_pieces(engine: Any, project: Path) -> None:
    def show(box: Any) -> None:
        for character in box.env["PLUGIN_KEY"]:
            box.print(character)

    engine.behaviours["one/j:v1"] = show
    report = run(engine, project, SECRETS, secrets={"KEY": PEM})
    assert "***" in report["j"].text
    assert "TUlJ" not in report["j"].text


def test_everything_wrong_is_told_before_anything_starts(engine: Any, project: Path) -> None:
    text = """
stages: [a]
jobs:
  x: {stage: a, uses: one/x@v1, secrets: [TOKEN]}
  y: {stage: a, uses: one/y@v1, id_tokens: {T: {aud: sigstore}}}
"""
    with pytest.raises(PipelineError) as caught:
        run(engine, project, text)
    first, second = caught.value.lines()
    assert ":4:" in first
    assert "needs the secret TOKEN, which is not given" in first
    assert "identity token" in second
    assert engine.containers == {}


def test_a_secret_that_is_not_given_is_told_once_and_its_neighbour_is_named(
    engine: Any, project: Path
) -> None:
    text = """
stages: [a]
jobs:
  x: {stage: a, uses: one/x@v1, secrets: [TOKEN, OTHER]}
  y: {stage: a, uses: one/y@v1, secrets: [TOKEN]}
"""
    with pytest.raises(PipelineError) as caught:
        run(engine, project, text, secrets={"TOKN": "x"})
    other, token = caught.value.lines()
    assert "job `x` needs the secret OTHER, which is not given; put it into a file" in other
    assert "jobs `x` and `y` need the secret TOKEN" in token
    assert token.endswith("there is TOKN: did you mean that?")


def test_a_bad_reference_is_told_before_anything_starts(engine: Any, project: Path) -> None:
    text = "stages: [a]\njobs:\n  x: {stage: a, uses: one/x@v1, with: {a: '${{ NOPE }}'}}\n"
    with pytest.raises(PipelineError, match="NOPE"):
        run(engine, project, text)
    assert engine.containers == {}


def test_a_replacement_that_no_job_uses_is_a_mistake(engine: Any, project: Path) -> None:
    with pytest.raises(UsageError, match="no job uses an image named thrid; the jobs use first, second"):
        run(engine, project, TWO_STAGES, use_images={"thrid": "x"})


def test_a_replacement_that_only_another_job_uses_is_none(engine: Any, project: Path) -> None:
    run(
        engine,
        project,
        TWO_STAGES,
        jobs=("b1",),
        use_images={"second": "x", "first": "localhost/first:dev"},
    )
    assert "localhost/first:dev" in engine.order


def test_use_image_replaces_by_the_last_segment_whatever_registry_and_tag(engine: Any, project: Path) -> None:
    run(engine, project, TWO_STAGES, use_images={"first": "localhost/first:dev"})
    assert "localhost/first:dev" in engine.order
    assert "one/first:v1" not in engine.order


def test_variables_given_replace_the_pipelines_but_not_the_jobs(engine: Any, project: Path) -> None:
    text = """
stages: [a]
variables: {A: pipeline, B: pipeline}
jobs:
  x: {stage: a, uses: one/x@v1, variables: {B: job}}
"""
    run(engine, project, text, variables={"A": "given", "B": "given"})
    (box,) = (box for box in engine.containers.values() if box.spec.image == "one/x:v1")
    assert (box.env["A"], box.env["B"]) == ("given", "job")


def test_every_job_starts_from_the_checkout_as_it_was(engine: Any, project: Path) -> None:
    seen = {}
    engine.behaviours["one/first:v1"] = lambda box: box.files.update({"new.txt": b"new", "source.txt": b"x"})
    engine.behaviours["one/ship:v1"] = lambda box: seen.update(box.files)
    report = run(engine, project, TWO_STAGES)
    assert report["b1"].written == ("source.txt", "new.txt")
    assert (project / "new.txt").read_text() == "new"
    assert "new.txt" not in seen
    assert seen["source.txt"] == b"source\n"


class Notices:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, text: str, job: str = "") -> None:
        self.texts.append(f"{job}: {text}")

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def test_two_jobs_that_write_one_file_are_told(engine: Any, project: Path) -> None:
    engine.behaviours["one/first:v1"] = lambda box: box.files.update({"r.txt": b"1"})
    engine.behaviours["one/ship:v1"] = lambda box: box.files.update({"r.txt": b"2"})
    notices = Notices()
    run(engine, project, TWO_STAGES, listener=notices)
    assert (project / "r.txt").read_text() == "2"
    assert "s1: r.txt: replaces what job b1 wrote" in notices.texts


def test_a_gate_passes_with_a_notice(engine: Any, project: Path) -> None:
    text = """
stages: [a, b]
jobs:
  gate: {stage: a, approval: {approvers: [me]}}
  x: {stage: b, uses: one/x@v1, needs: [gate]}
"""
    notices = Notices()
    assert run(engine, project, text, listener=notices).passed
    assert "gate: approval gate: passed without asking anybody; --ask asks you" in notices.texts


def test_what_the_platform_ignores_is_noted_with_its_place(engine: Any, project: Path) -> None:
    notices = Notices()
    text = "stages: [a]\njobs:\n  x: {stage: a, uses: one/x@v1, retry: 3}\n"
    assert run(engine, project, text, listener=notices).passed
    assert any("test.yaml:3:" in each and "retry" in each for each in notices.texts), notices.texts


def test_docker_true_gets_the_socket_and_its_variables(engine: Any, project: Path) -> None:
    text = (
        "stages: [a]\njobs:\n  x: {stage: a, uses: one/x@v1, docker: true}\n  y: {stage: a, uses: one/y@v1}\n"
    )
    run(engine, project, text)
    specs = {box.spec.image: box.spec for box in engine.containers.values()}
    assert specs["one/x:v1"].engine_socket == "/var/run/docker.sock"
    assert specs["one/x:v1"].env["DOCKER_HOST"] == "unix:///var/run/docker.sock"
    assert specs["one/x:v1"].extra_hosts == {"host.docker.internal": "host-gateway"}
    assert specs["one/y:v1"].engine_socket is None
    assert "DOCKER_HOST" not in specs["one/y:v1"].env


def test_services_join_the_network_of_the_container_that_jobs_share(engine: Any, project: Path) -> None:
    text = """
stages: [a]
services: [{name: db, image: "postgres:17"}]
jobs:
  x: {stage: a, uses: one/x@v1}
"""
    engine.networks["registry"] = ["theirs"]
    run(engine, project, text, network="container:registry")
    specs = {box.spec.image: box.spec for box in engine.containers.values()}
    assert (specs["postgres:17"].network, specs["postgres:17"].aliases) == ("theirs", ("db",))
    assert specs["one/x:v1"].network == "container:registry"


def test_every_job_has_services_of_its_own(engine: Any, project: Path) -> None:
    text = """
stages: [a, b]
services: [{name: db, image: "postgres:17"}]
jobs:
  x: {stage: a, uses: one/x@v1}
  y: {stage: b, uses: one/y@v1}
"""
    assert run(engine, project, text, use_images={"postgres": "mirror/postgres:17"}).passed
    specs = [box.spec for box in engine.containers.values()]
    databases = [each for each in specs if each.image == "mirror/postgres:17"]
    jobs = [each for each in specs if each.image.startswith("one/")]
    assert [each.aliases for each in databases] == [("db",), ("db",)]
    assert [(each.network,) for each in databases] == [each.further_networks for each in jobs]
    assert databases[0].network != databases[1].network
    assert jobs[0].network == jobs[1].network


def test_stopping_terminates_what_runs_and_starts_nothing_more(engine: Any, project: Path) -> None:
    session = Session(engine)

    def linger(box: Any) -> int:
        session.stop.request(signal.SIGTERM)
        box.signalled.wait(10)
        return 143

    engine.behaviours["one/first:v1"] = linger
    report = run(engine, project, TWO_STAGES, session=session, parallel=1)
    assert report.exit_code == 128 + signal.SIGTERM
    assert statuses(report) == {"b1": "canceled", "b2": "canceled", "b3": "canceled", "s1": "canceled"}
    (box,) = (box for box in engine.containers.values() if box.spec.image == "one/first:v1")
    assert box.signals == ["SIGTERM"]
    assert engine.labels == {}


def test_asking_twice_kills_at_once(engine: Any, project: Path) -> None:
    session = Session(engine)

    def stubborn(box: Any) -> int:
        session.stop.request(signal.SIGINT)
        box.signalled.wait(10)
        box.signalled.clear()
        session.stop.request(signal.SIGINT)
        box.signalled.wait(10)
        return 137

    engine.behaviours["one/first:v1"] = stubborn
    report = run(engine, project, TWO_STAGES, session=session, parallel=1)
    assert report.exit_code == 130
    (box,) = (box for box in engine.containers.values() if box.spec.image == "one/first:v1")
    assert box.signals == ["SIGTERM", "SIGKILL"]


def test_nothing_is_left_on_the_engine(engine: Any, project: Path) -> None:
    engine.behaviours["one/first:v1"] = lambda box: 1
    run(engine, project, TWO_STAGES)
    assert engine.labels == {}


def test_before_jobs_run_a_request_to_stop_unwinds() -> None:
    with pytest.raises(Cancelled) as caught:
        Session(None).stop.request(signal.SIGHUP)  # type: ignore[arg-type]
    assert caught.value.exit_code == 128 + signal.SIGHUP


SERVICES = """
stages: [a]
services:
  - {name: db, image: "postgres:16"}
  - {name: web, image: "nginx:1"}
jobs: {it: {stage: a, uses: one/it@v1, secrets: [TOKEN]}}
"""


def test_a_failed_job_tells_of_its_services(engine: Any, project: Path) -> None:
    over = threading.Event()
    engine.behaviours["postgres:16"] = lambda box: box.print("FATAL: no password hunter2-hunter2\n") or 1
    engine.behaviours["nginx:1"] = lambda box: (box.print("starting\nready\n"), over.wait(10))[0]
    engine.behaviours["one/it:v1"] = lambda box: 1
    told: list[str] = []

    class Notices(NullListener):
        def notice(self, text: str, job: str = "") -> None:
            told.append(text)

    run(engine, project, SERVICES, listener=Notices(), secrets={"TOKEN": "hunter2-hunter2"})
    over.set()
    assert "service db has ended; its last lines: FATAL: no password ***" in told
    assert "service web runs; its last line: ready" in told


PROFILE = """
stages: [a]
variables: {B: pipeline}
jobs: {x: {stage: a, agent: {profile: fast}, script: [make]}}
"""


def test_a_runner_profile_gives_image_and_variables(engine: Any, project: Path) -> None:
    profiles = {"fast": Profile("builder:v1", {"A": "profile", "B": "profile"})}
    assert run(engine, project, PROFILE, profiles=profiles).passed
    (box,) = engine.containers.values()
    assert (box.spec.image, box.env["A"], box.env["B"]) == ("builder:v1", "profile", "pipeline")


def test_a_profile_that_is_not_known_is_told_of(engine: Any, project: Path) -> None:
    told: list[str] = []

    class Notices(NullListener):
        def notice(self, text: str, job: str = "") -> None:
            told.append(text)

    assert run(engine, project, PROFILE, default_image="builder:v1", listener=Notices()).passed
    assert [each for each in told if "agent.profile fast" in each]
    with pytest.raises(PipelineError, match="image"):
        run(engine, project, PROFILE)
