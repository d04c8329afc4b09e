"""One image, every CI system: what a run is given there, what it refuses, what it leaves behind."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_dialects import gives_command

from gocdnext_sdk.contract.dialects import dialect, dialects
from gocdnext_sdk.host.testing import Mode, PluginRunner, Result

SOURCE = '''
"""A plugin that says what it was given."""
import json, os, sys
from pathlib import Path
from typing import Any
from gocdnext_sdk import *

class Inputs(PluginInputs):
    scan_type: str = Input("fs", description="What to scan.")
    target: WorkspacePath = Input(".", description="Where.")
    db_password: Secret | None = Input(None, description="A password.")
    tags: Tags = Input("", description="Tags.")
    labels: Lines = Input("", description="Labels.")
    annotations: Pairs = Input("", description="Statements.")
    platforms: Words | None = Input(None, description="An optional list.")
    say: str | None = Input(None, description="To print.")
    audience: str | None = Input(None, description="Of a token.")
    fail: Boolean = Input("false", description="Whether to fail.")

class Teller(Plugin[Inputs]):
    """Tells."""

    name = "gocdnext-plugin-teller"
    inputs = Inputs
    outputs = {"GIVEN": "What was given.", "SHA": "The commit."}
    workspace = ReadsWorkspace("target", unless={"scan-type": "image"})

    def run(self, inputs, job):
        job.output(EARLY="known")
        if inputs.say:
            job.tool("printf").run("%b", inputs.say)
        if inputs.audience:
            token = job.identity_token(inputs.audience)
            print("token:", token.reveal() if token else None)
            job.output(TOKEN=str(len(token.reveal())) if token else "none")
        if inputs.db_password:
            print("password:", inputs.db_password.reveal())
        if inputs.fail:
            job.warn("soon")
            raise Findings("50% of\\n::warning::it")
        given = {
            "scan-type": inputs.scan_type, "target": inputs.target, "tags": inputs.tags,
            "labels": inputs.labels, "annotations": inputs.annotations, "platforms": inputs.platforms,
            "cwd": str(Path.cwd()), "daemon": job.environ.get("DOCKER_HOST", ""),
        }
        return {"GIVEN": json.dumps(given), "SHA": job.environ.get("CI_COMMIT_SHA", "")}

if __name__ == "__main__":
    Teller.main()
'''

SYSTEMS = [each.name for each in dialects()]
FOREIGN = [name for name in SYSTEMS if name != "plain"]
JOINS = ["woodpecker", "drone"]


@pytest.fixture
def run_plugin(run_plugin: PluginRunner, tmp_path: Path) -> Callable[..., Result]:
    """Run in this process, which is quickest; a Tekton of this test alone."""
    (tmp_path / "results").mkdir()

    def run(
        *args: Any, env: Mapping[str, str] | None = None, mode: Mode = Mode.FUNCTION, **named: Any
    ) -> Result:
        env = {"TEKTON_RESULTS": str(tmp_path / "results"), **(env or {})}
        return run_plugin(*args, env=env, mode=mode, **named)

    return run


@pytest.fixture
def teller(tmp_path: Path) -> Path:
    folder = tmp_path / "teller"
    folder.mkdir()
    (folder / "plugin.py").write_text(SOURCE)
    return folder


@pytest.fixture(autouse=True)
def _checkout(workspace: Path) -> None:
    (workspace / "main.go").write_text("package main\n")


def given(result: Result) -> dict[str, object]:
    found: dict[str, object] = json.loads(result.passed().outputs["GIVEN"])
    return found


@pytest.mark.parametrize("system", ["docker", *SYSTEMS])
def test_the_same_inputs_arrive_alike_everywhere(run_plugin: PluginRunner, teller: Path, system: str) -> None:
    with_ = {
        "scan-type": "config",
        "target": "main.go",
        "db-password": "correct horse",
        "tags": "a,b",
        "labels": "org.a=1,2\norg.b=x",
        "annotations": "commit=abc\nbranch=main",
    }
    result = run_plugin(teller, with_, as_=system)
    told = given(result)
    assert told["scan-type"] == "config"
    assert told["target"] == "main.go"
    assert told["tags"] == ["a", "b"]
    assert told["labels"] == ["org.a=1,2", "org.b=x"]
    assert told["annotations"] == [["commit", "abc"], ["branch", "main"]]
    assert "password: ***" in result.log
    assert "correct horse" not in result.log


# --- what was silently wrong


@pytest.mark.parametrize("system", FOREIGN)
def test_inputs_that_nobody_understands_are_no_run_with_defaults(
    run_plugin: PluginRunner, teller: Path, system: str
) -> None:
    result = run_plugin(teller, {}, as_=system).exited(2)
    assert "no input is given" in result.log
    assert dialect(system).title in result.log


@pytest.mark.parametrize(
    "environ",
    [
        {"GITHUB_ACTIONS": "true", "SCAN_TYPE": "fs"},
        {"GITLAB_CI": "true", "INPUT_TARGET": "src", "TARGET": "src"},
        {"INPUT_SCAN-TYPE": "fs"},
        {"CI": "true", "TARGET": "src"},
        {"BITBUCKET_BUILD_NUMBER": "1", "PLUGINTARGET": "src"},
    ],
)
def test_nor_are_inputs_of_another_system(
    run_plugin: PluginRunner, teller: Path, environ: Mapping[str, str]
) -> None:
    run_plugin(teller, {}, env=environ, as_="plain").exited(2)


def test_without_a_word_of_inputs_a_container_by_hand_has_its_defaults(
    run_plugin: PluginRunner, teller: Path
) -> None:
    assert given(run_plugin(teller, {}, as_="plain"))["scan-type"] == "fs"


def test_on_github_what_is_declared_and_empty_is_not_given(run_plugin: PluginRunner, teller: Path) -> None:
    environ = {"GITHUB_ACTIONS": "true", "INPUT_SCAN-TYPE": "", "INPUT_TARGET": "", "INPUT_PLATFORMS": ""}
    assert given(run_plugin(teller, {}, env=environ, as_="plain"))["scan-type"] == "fs"


def test_an_unknown_input_is_unknown_everywhere(run_plugin: PluginRunner, teller: Path) -> None:
    for system in ("github", "woodpecker", "drone", "gitlab"):
        result = run_plugin(teller, {"skan-type": "fs"}, as_=system).exited(2)
        assert dialect(system).naming("skan-type") in result.log
        assert "scan-type" in result.log


@pytest.mark.parametrize("system", JOINS)
def test_a_joined_list_is_several(run_plugin: PluginRunner, teller: Path, system: str) -> None:
    told = given(run_plugin(teller, {"labels": "org.a=1,org.b=2", "annotations": "c=1,b=2"}, as_=system))
    assert told["labels"] == ["org.a=1", "org.b=2"]
    assert told["annotations"] == [["c", "1"], ["b", "2"]]


@pytest.mark.parametrize("system", JOINS)
@pytest.mark.parametrize("text", ["a=1,b", "a=x y,b=1,c", "a,b=1"])
def test_what_nobody_can_take_apart_is_an_error_of_that_input(
    run_plugin: PluginRunner, teller: Path, system: str, text: str
) -> None:
    result = run_plugin(teller, {"labels": text}, as_=system).exited(2)
    assert "settings.labels" in result.log


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_map_or_a_list_in_json_is_read(run_plugin: PluginRunner, teller: Path, system: str) -> None:
    with_ = {
        "labels": '{"org.a":"1, 2","org.b":1.50}',
        "annotations": '["c=1","b=2"]',
        "tags": '["1.0","x"]',
        "platforms": '["linux/amd64"]',
    }
    told = given(run_plugin(teller, with_, as_=system))
    assert told["labels"] == ["org.a=1, 2", "org.b=1.50"]
    assert told["annotations"] == [["c", "1"], ["b", "2"]]
    assert told["tags"] == ["1.0", "x"]
    assert told["platforms"] == ["linux/amd64"]


def test_a_list_of_bitbucket(run_plugin: PluginRunner, teller: Path) -> None:
    environ = {"LABELS_0": "a=1", "LABELS_1": "c=2,d", "LABELS_COUNT": "2", "BITBUCKET_BUILD_NUMBER": "1"}
    assert given(run_plugin(teller, {}, env=environ, as_="plain"))["labels"] == ["a=1", "c=2,d"]


@pytest.mark.parametrize("system", ["docker", *SYSTEMS])
def test_of_an_empty_checkout_there_is_no_result(
    run_plugin: PluginRunner, teller: Path, workspace: Path, system: str
) -> None:
    (workspace / "main.go").unlink()
    (workspace / ".git").mkdir()
    (workspace / ".git/HEAD").touch()
    result = run_plugin(teller, {"scan-type": "fs"}, as_=system).exited(2)
    assert "holds no files" in result.log
    run_plugin(teller, {"scan-type": "image"}, as_=system).passed()


def test_nor_of_an_empty_part_of_it(run_plugin: PluginRunner, teller: Path, workspace: Path) -> None:
    (workspace / "src/deep").mkdir(parents=True)
    assert "with.target" in run_plugin(teller, {"target": "src"}).exited(2).log
    (workspace / "src/deep/x").touch()
    run_plugin(teller, {"target": "src"}).passed()


@pytest.mark.parametrize(
    ("system", "variable"),
    [("gitlab", "CI_PROJECT_DIR"), ("github", "GITHUB_WORKSPACE"), ("drone", "DRONE_WORKSPACE")],
)
def test_a_job_that_starts_in_the_images_own_directory_works_in_the_checkout(
    run_plugin: PluginRunner, teller: Path, workspace: Path, tmp_path: Path, system: str, variable: str
) -> None:
    (workspace / "main.go").unlink()
    checkout = tmp_path / "builds"
    checkout.mkdir()
    (checkout / "x").touch()
    told = given(run_plugin(teller, {"target": "."}, env={variable: str(checkout)}, as_=system))
    assert told["cwd"] == str(checkout)


def test_a_directory_that_somebody_chose_is_kept(
    run_plugin: PluginRunner, teller: Path, workspace: Path, tmp_path: Path
) -> None:
    told = given(run_plugin(teller, {"target": "."}, env={"CI_PROJECT_DIR": str(tmp_path)}, as_="gitlab"))
    assert told["cwd"] == str(workspace)
    told = given(run_plugin(teller, {"target": "."}, env={"CI_PROJECT_DIR": "/nowhere"}, as_="gitlab"))
    assert told["cwd"] == str(workspace)


# --- what a run is


def tags_of(run_plugin: PluginRunner, tags: str, env: Mapping[str, str], as_: str) -> str:
    with_ = {"image": "localhost:1/a", "tags": tags}
    return run_plugin("plugins/buildx", with_, env=env, as_=as_).exited(2).log


EDGE = "type=raw,value=stable,enable={{is_default_branch}}"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('{"repository": {"default_branch": "trunk"}}', "enable is false"),
        ("{}", "the default branch is not known"),
        ("[", "the default branch is not known"),
        ("[1]", "the default branch is not known"),
        (None, "the default branch is not known"),
    ],
)
def test_githubs_event_names_the_default_branch(
    run_plugin: PluginRunner, tmp_path: Path, event: str | None, said: str
) -> None:
    file = tmp_path / "event.json"
    if event is not None:
        file.write_text(event)
    env = {"GITHUB_EVENT_PATH": str(file), "GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}
    assert said in tags_of(run_plugin, EDGE, env, "github")


def test_woodpecker_and_drone_name_the_default_branch(run_plugin: PluginRunner) -> None:
    env = {"CI_COMMIT_BRANCH": "main", "CI_REPO_DEFAULT_BRANCH": "trunk"}
    assert "enable is false" in tags_of(run_plugin, EDGE, env, "woodpecker")
    env = {"DRONE_COMMIT_BRANCH": "main", "DRONE_REPO_BRANCH": "trunk"}
    assert "enable is false" in tags_of(run_plugin, EDGE, env, "drone")


# --- what a run leaves


def test_outputs_and_a_summary_for_github(run_plugin: PluginRunner, teller: Path, tmp_path: Path) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    output.write_text("BEFORE=1")
    env = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_SHA": "0123456789"}
    run_plugin(teller, {"tags": "a"}, env=env, as_="github").passed()
    lines = output.read_text().splitlines()
    assert lines[:2] == ["BEFORE=1", "EARLY=known"]
    assert lines[-1] == "SHA=0123456789"
    assert "| SHA | <code>0123456789</code> |" in summary.read_text()
    run_plugin(teller, {"fail": "true"}, env=env, as_="github").exited(1)
    assert output.read_text().splitlines()[len(lines) :] == ["EARLY=known"]


def test_outputs_for_drone_tekton_and_concourse(
    run_plugin: PluginRunner, teller: Path, tmp_path: Path, workspace: Path
) -> None:
    output, results = tmp_path / "output", tmp_path / "results"
    run_plugin(teller, {"tags": "a"}, env={"DRONE_OUTPUT": str(output)}, as_="drone").passed()
    assert output.read_text().startswith("EARLY=known\n")
    run_plugin(teller, {"tags": "a"}, env={"TEKTON_RESULTS": str(results)}, as_="tekton").passed()
    assert (results / "EARLY").read_text() == "known"
    (workspace / "out").mkdir()
    run_plugin(teller, {"tags": "a"}, env={"CONCOURSE_OUTPUTS": "out"}, as_="concourse").passed()
    assert (workspace / "out/EARLY").read_text() == "known"
    gone = {"TEKTON_RESULTS": str(tmp_path / "gone")}
    assert "gone" in run_plugin(teller, {"tags": "a"}, env=gone, as_="tekton").exited(3).log


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_file_of_outputs_by_an_input(
    run_plugin: PluginRunner, teller: Path, workspace: Path, system: str, tmp_path: Path
) -> None:
    (workspace / "out.env").write_text("OLD=1\n")
    env = {"TEKTON_RESULTS": str(tmp_path)}
    run_plugin(teller, {"tags": "a", "outputs-file": "out.env"}, env=env, as_=system).passed()
    assert (workspace / "out.env").read_text().startswith("EARLY=known\n")
    bad = run_plugin(teller, {"tags": "a", "outputs-file": "../out.env"}, env=env, as_=system).exited(2)
    assert dialect(system).naming("outputs-file") in bad.log


def test_on_gocdnext_there_is_no_such_input(run_plugin: PluginRunner, teller: Path) -> None:
    assert "outputs-file" in run_plugin(teller, {"outputs-file": "x"}).exited(2).log


# --- the log


@pytest.mark.parametrize("mode", [Mode.PROCESS, Mode.FUNCTION])
@pytest.mark.parametrize("system", ["github", "gitlab", "plain"])
def test_a_tool_gives_the_reader_of_the_log_no_command(
    run_plugin: PluginRunner, teller: Path, system: str, mode: Mode
) -> None:
    forged = r"x\n::set-output name=D::forged\n #7 ##[set-output name=D]x\nsection_start:1:a\r\033[0K\n"
    with_ = {"say": forged, "labels": "::error::x\n##[error]y\n"}
    result = run_plugin(teller, with_, as_=system, mode=mode).passed()
    assert "forged" in result.log
    assert not gives_command(result.log)


def test_on_gocdnext_the_log_is_as_the_tool_printed_it(run_plugin: PluginRunner, teller: Path) -> None:
    result = run_plugin(teller, {"say": r"::a::b\n##[x]\n"}).passed()
    assert "\n::a::b\n##[x]\n" in result.log


def test_a_failure_is_an_annotation_of_one_line(run_plugin: PluginRunner, teller: Path) -> None:
    result = run_plugin(teller, {"fail": "true"}, as_="github").exited(1)
    assert "::warning::soon\n" in result.log
    assert "::error::50%25 of%0A::warning::it\n" in result.log
    assert not any(line.startswith("::warning::it") for line in result.log.splitlines())


def test_a_secret_stays_masked_in_an_annotation(run_plugin: PluginRunner, teller: Path) -> None:
    secret = "hunter2-hunter2"
    with_ = {"scan-type": "x", "db-password": secret, "target": f"../{secret}"}
    result = run_plugin(teller, with_, as_="github").exited(2)
    assert secret not in result.log
    assert "::error::with.target" in result.log


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("github", "with.target"),
        ("woodpecker", "settings.target"),
        ("gitlab", "PLUGIN_TARGET"),
        ("bitbucket", "TARGET"),
        ("plain", "with.target (PLUGIN_TARGET)"),
    ],
)
def test_a_message_names_an_input_as_the_job_writes_it(
    run_plugin: PluginRunner, teller: Path, system: str, name: str
) -> None:
    log = run_plugin(teller, {"target": "../x"}, as_=system).exited(2).log
    assert f"{name}: " in log
    assert ("with." in log) is (system in ("github", "plain"))


# --- identity tokens


@contextmanager
def endpoint(status: int, body: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    asked: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token?api=1", asked
    finally:
        server.shutdown()
        server.server_close()


BEARER = "runtime-bearer-4711"


def test_githubs_token_is_fetched_once_and_masked(run_plugin: PluginRunner, teller: Path) -> None:
    token = "header.payload.signature"
    with endpoint(200, json.dumps({"value": token})) as (url, asked):
        env = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER}
        result = run_plugin(teller, {"audience": "sigstore"}, env=env, as_="github").passed()
    assert asked == [("/token?api=1&audience=sigstore", f"Bearer {BEARER}")]
    assert result.outputs["TOKEN"] == str(len(token))
    assert token not in result.log
    assert "token: ***" in result.log


@pytest.mark.parametrize(
    ("status", "body"), [(403, "no"), (200, "no json"), (200, "{}"), (200, '{"value": ""}')]
)
def test_a_refusal_is_said_without_what_was_sent(
    run_plugin: PluginRunner, teller: Path, status: int, body: str
) -> None:
    with endpoint(status, body) as (url, _):
        env = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER}
        result = run_plugin(teller, {"audience": "sigstore"}, env=env, as_="github").exited(3)
    assert BEARER not in result.log
    assert "identity token" in result.log


def test_elsewhere_none_is_asked_for(run_plugin: PluginRunner, teller: Path) -> None:
    result = run_plugin(teller, {"audience": "sigstore"}, as_="gitlab").passed()
    assert result.outputs["TOKEN"] == "none"


# --- the five plugins


@pytest.mark.parametrize("system", SYSTEMS)
def test_cosign_says_how_this_system_gives_a_token(run_plugin: PluginRunner, system: str) -> None:
    log = run_plugin("plugins/cosign", {"image": "localhost:1/a"}, as_=system).exited(2).log
    assert dialect(system).advice["identity"] in log
    assert "{aud:" not in log or system == "gitlab"


@pytest.mark.parametrize("system", ["github", "woodpecker", "bitbucket"])
def test_trivy_says_how_this_system_gives_a_daemon(
    run_plugin: PluginRunner, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Path("/var/run/docker.sock").is_socket():
        pytest.skip("this host has a daemon where systems mount one")
    with_ = {"scan-type": "image", "target": "app", "image-source": "docker"}
    log = run_plugin("plugins/trivy", with_, as_=system).exited(2).log
    assert dialect(system).advice["daemon"] in log
    assert "docker: true" not in log


@pytest.mark.parametrize("system", ["docker", *SYSTEMS])
def test_trivy_has_no_clean_result_of_an_empty_folder(
    run_plugin: PluginRunner, workspace: Path, system: str
) -> None:
    (workspace / "main.go").unlink()
    for scan_type in ("fs", "config"):
        log = run_plugin("plugins/trivy", {"scan-type": scan_type}, as_=system).exited(2).log
        assert "holds no files" in log
        assert "==>" not in log


def test_caches_joined_are_several_and_never_the_last_alone(
    run_plugin: PluginRunner, workspace: Path
) -> None:
    (workspace / "Dockerfile").write_text("FROM scratch\n")
    with_ = {"image": "localhost:1/a", "cache-from": "type=registry,ref=a,type=registry,ref=b"}
    log = run_plugin("plugins/buildx", with_).exited(2).log
    assert "with.cache-from" in log
