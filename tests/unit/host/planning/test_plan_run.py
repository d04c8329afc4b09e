"""A plan runs a plugin's own code and does nothing."""

from __future__ import annotations

import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import Credentials, Input, InputError, Job, Plugin, Reference, RegistryLoginInputs, Secret
from gocdnext_sdk.host.planning import Login, Placeholders, RunPlan, Step, plan_run
from gocdnext_sdk.host.planning.guard import PlanEnds, guard

IMAGE = "ghcr.io/org/app:v1"
DIGEST = f"<digest of {IMAGE}>"


class Inputs(RegistryLoginInputs):
    image: Reference = Input(IMAGE, description="The image.")
    act: str = Input("", description="What the run does beside.")


class Inspector(Plugin[Inputs]):
    """Looks at an image, then does what the test says."""

    name = "gocdnext-plugin-inspector"
    inputs = Inputs
    outputs = {"DIGEST": "…", "LINES": "…"}

    def run(self, inputs: Inputs, job: Job) -> dict[str, str]:
        login = inputs.credentials(inputs.image.registry)
        digest = job.registry(login).resolve(inputs.image).digest
        job.output(DIGEST=digest)
        tool = job.tool("inspector", env=job.docker_config(login), inherit=["INSPECTOR_MODE"])
        key = job.secret_file(Secret("key material"), "key.pem")
        done = tool.capture("look", "--key", key, "--config", job.scratch() / "c.json", f"{inputs.image}")
        ACTS[inputs.act](job, login)
        return {"LINES": str(done.stdout.count(b"\n"))} if inputs.act == "read" else {}


def _connect(job: Job, login: Credentials) -> None:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", 9))


ACTS: dict[str, Any] = {
    "": lambda job, login: None,
    "read": lambda job, login: None,
    "connect": _connect,
    "start": lambda job, login: subprocess.run(["true"], check=True),
    "write": lambda job, login: (job.workspace / "report.json").write_text("{}"),
    "mkdir": lambda job, login: (job.workspace / "reports").mkdir(),
    "scratch": lambda job, login: (job.scratch() / "c.json").write_text("{}"),
    "relative": lambda job, login: Path("report.txt").read_text(),
    "missing": lambda job, login: (job.scratch() / "result.json").read_text(),
    "daemon": lambda job, login: job.daemon().run("alpine", ["true"]),
}


def plan(workspace: Path, shown: Placeholders | None = None, **environ: str) -> RunPlan:
    return plan_run(Inspector, environ, workspace, shown or Placeholders())


class TestSteps:
    def test_a_tool_is_shown_with_its_arguments_and_the_names_of_its_variables(self, tmp_path: Path) -> None:
        found = plan(tmp_path, PATH="/bin", INSPECTOR_MODE="x", OTHER="y")
        look = found.steps[-1]
        assert look == Step(
            "run",
            ("inspector", "look", "--key", "<memory: key.pem>", "--config", "<scratch>/c.json", IMAGE),
            environ=("HOME", "INSPECTOR_MODE", "PATH"),
        )
        assert found.ends == ""

    def test_a_digest_stands_there_as_what_it_is(self, tmp_path: Path) -> None:
        found = plan(tmp_path)
        assert found.steps[0] == Step("look up", (IMAGE,), DIGEST)
        assert found.outputs == {"DIGEST": DIGEST}

    def test_a_digest_that_is_given_is_no_stand_in(self, tmp_path: Path) -> None:
        given = "sha256:" + "a" * 64
        found = plan(tmp_path, PLUGIN_IMAGE=f"{IMAGE}@{given}")
        assert found.outputs == {"DIGEST": given}

    def test_wrong_inputs_are_told_as_by_a_run(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="did you mean `image`"):
            plan(tmp_path, PLUGIN_IMGE=IMAGE)


class TestSecrets:
    ENVIRON = {"PLUGIN_USERNAME": "bot", "PLUGIN_PASSWORD": "canary-Zk3pQ"}

    def test_a_login_is_named_with_its_only_host(self, tmp_path: Path) -> None:
        shown = Placeholders()
        shown.secret("canary-Zk3pQ", "secret GHCR_TOKEN")
        found = plan(tmp_path, shown, **self.ENVIRON)
        assert found.logins == (Login("ghcr.io", "bot", "<secret GHCR_TOKEN>"),)
        assert "DOCKER_CONFIG" in found.steps[-1].environ

    def test_no_form_of_a_secret_is_anywhere_in_a_plan(self, tmp_path: Path) -> None:
        found = plan(tmp_path, PLUGIN_ACT="read", **self.ENVIRON)
        text = json.dumps(found.as_dict())
        assert "canary" not in text
        assert "Ym90OmNhbmFyeS1aazNwUQ" not in text  # bot:… in base64


class TestWhereAPlanEnds:
    def test_what_a_tool_prints_is_not_made_up(self, tmp_path: Path) -> None:
        found = plan(tmp_path, PLUGIN_ACT="read")
        assert found.ends == "what follows depends on what `inspector look` prints"
        assert found.unknown == ("LINES",)

    def test_the_daemon_answers_whatever_a_plugin_asks(self, tmp_path: Path) -> None:
        found = plan(tmp_path, PLUGIN_ACT="daemon")
        assert found.ends == ""
        assert ("start a container of", ("alpine", "true")) in [(e.action, e.words) for e in found.steps]

    @pytest.mark.parametrize(
        ("act", "message"),
        [
            ("connect", "run() opens a network connection by itself; `job.http` would show it"),
            ("start", "run() starts true by itself; `job.tool` would show it"),
            ("write", "run() writes report.json"),
            ("mkdir", "run() writes reports"),
            ("relative", 'run() opens "report.txt" in the current directory; open it below job.workspace'),
            ("missing", "what follows depends on <scratch>/result.json, which only a run writes"),
        ],
    )
    def test_past_the_job_nothing_is_touched(self, tmp_path: Path, act: str, message: str) -> None:
        checked_out = tmp_path / "report.txt"
        checked_out.touch()
        found = plan(tmp_path, PLUGIN_ACT=act)
        assert found.ends == message
        assert found.outputs == {"DIGEST": DIGEST}
        assert list(tmp_path.iterdir()) == [checked_out]

    def test_scratch_files_may_be_written_and_are_gone_afterwards(self, tmp_path: Path) -> None:
        assert plan(tmp_path, PLUGIN_ACT="scratch").ends == ""

    def test_afterwards_everything_works_again(self, tmp_path: Path) -> None:
        plan(tmp_path, PLUGIN_ACT="write")
        (tmp_path / "report.json").write_text("{}")
        assert subprocess.run(["true"], check=True).returncode == 0


def test_only_the_thread_that_plans_is_watched(tmp_path: Path) -> None:
    with guard(str(tmp_path)), ThreadPoolExecutor() as others:
        others.submit(subprocess.run, ["true"], check=True).result()
        others.submit((tmp_path / "written").write_text, "elsewhere").result()
        with pytest.raises(PlanEnds):
            (tmp_path / "refused").write_text("")


def test_a_connection_that_is_refused_is_closed(tmp_path: Path) -> None:
    connection = socket.socket()
    with guard(str(tmp_path)), pytest.raises(PlanEnds):
        connection.connect(("127.0.0.1", 9))
    assert connection.fileno() == -1


def test_the_workspace_is_no_part_of_another_path() -> None:
    shown = Placeholders()
    shown.alias("/work/app", "/workspace")
    assert shown.show("/work/app /work/app/x /work/app-2/x /work/apple") == (
        "/workspace /workspace/x /work/app-2/x /work/apple"
    )


def test_a_passing_name_is_shown_only_while_it_lasts_and_thousands_of_digests_are() -> None:
    shown = Placeholders()
    digests = [shown.digest(f"image {number}") for number in range(3000)]
    with shown.aliased("/tmp/scratch-1", "<scratch>"):
        assert shown.show("/tmp/scratch-1/x") == "<scratch>/x"
    assert shown.show("/tmp/scratch-1/x") == "/tmp/scratch-1/x"
    assert shown.show(digests[2999]) == "<digest of image 2999>"
    assert shown.show(f"sha256:{'0' * 64}") == f"sha256:{'0' * 64}"
