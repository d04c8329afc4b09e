"""One call, one result, whichever way the plugin runs; and a secret is found wherever it went."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import InputError
from gocdnext_sdk.host.testing import Mode, PluginRunner
from gocdnext_sdk.host.testing.fixtures import FakeTools

SOURCE = '''
import os
from pathlib import Path
from gocdnext_sdk import Input, Job, Lines, Plugin, PluginInputs, Secret


class Inputs(PluginInputs):
    where: Lines = Input("", description="Where to put the token.")
    token: Secret | None = Input(None, description="A token.")


class Leaky(Plugin[Inputs]):
    """Puts a secret wherever it is told to."""

    name = "gocdnext-plugin-leaky"
    inputs = Inputs
    outputs = {"TOKEN": "It should not be there."}

    def run(self, inputs, job):
        token = inputs.token.reveal() if inputs.token else "nothing"
        for where in inputs.where:
            if where == "log":
                os.write(1, f"token {token}\\n".encode())
            elif where == "argv":
                job.tool("login").run("--password", token)
            elif where == "environ":
                job.tool("login", env={"TOKEN": inputs.token}).run()
            elif where == "output":
                return {"TOKEN": token}
            elif where == "home":
                Path(os.environ["HOME"], ".config").write_text(token)
            elif where == "temporary":
                Path(os.environ["TMPDIR"], "left").write_text(token)
            else:
                Path(where).write_text(token)
        return {}


if __name__ == "__main__":
    Leaky.main()
'''
TOKEN = "tok-4815162342"

MODES = pytest.mark.parametrize("mode", [Mode.FUNCTION, Mode.PROCESS])


@pytest.fixture
def leaky(tmp_path: Path, fake_tools: FakeTools) -> Path:
    fake_tools.add("login", stdout="Login Succeeded\n")
    (tmp_path / "leaky").mkdir()
    (tmp_path / "leaky" / "plugin.py").write_text(SOURCE)
    return tmp_path / "leaky"


@MODES
@pytest.mark.parametrize(
    ("where", "leak"),
    [
        ("output", "output TOKEN"),
        ("home", "file .config in the HOME"),
        ("temporary", "file left in the TMPDIR"),
        ("report.txt", "file report.txt in the workspace"),
        ("argv", "an argument of login: ***"),
    ],
)
def test_a_leak_is_found_and_not_repeated(
    run_plugin: PluginRunner, leaky: Path, mode: Mode, where: str, leak: str
) -> None:
    result = run_plugin(leaky, {"where": where, "token": TOKEN}, mode=mode)
    assert result.leaks == (leak,)
    assert result.exit_code == 0


def test_a_leak_into_the_log_is_found(run_plugin: PluginRunner, leaky: Path) -> None:
    result = run_plugin(leaky, {"where": "log", "token": TOKEN})
    assert result.leaks == ("line 1 of the log: token ***",)


@MODES
def test_what_was_there_before_is_no_leak(
    run_plugin: PluginRunner, leaky: Path, workspace: Path, mode: Mode
) -> None:
    (workspace / "key.pem").write_text(TOKEN)
    result = run_plugin(leaky, {"where": "environ", "token": TOKEN}, mode=mode).passed()
    assert result.changed == frozenset()


def test_the_jobs_own_secrets_are_hunted_in_every_form(
    run_plugin: PluginRunner, leaky: Path, fake_tools: FakeTools, workspace: Path
) -> None:
    encoded = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    fake_tools.add("login", script=f"echo '{encoded}' > config.json")
    result = run_plugin(leaky, {"where": "environ", "token": "another-one"}, secrets={"API_KEY": TOKEN})
    assert result.leaks == ("file config.json in the workspace",)
    assert result.changed == {"config.json"}


@MODES
def test_what_reached_the_tool(run_plugin: PluginRunner, leaky: Path, mode: Mode) -> None:
    result = run_plugin(
        leaky,
        {"where": "environ", "token": TOKEN},
        env={"CI_BRANCH": "main", "AWS_SECRET_ACCESS_KEY": "x"},
        mode=mode,
    ).passed()
    call = result.call("login")
    assert call.argv == ()
    assert call.environ >= {"PATH", "HOME", "TMPDIR", "TOKEN"}
    assert not call.environ & {"CI_BRANCH", "AWS_SECRET_ACCESS_KEY", "PLUGIN_TOKEN"}
    assert result.log == "$ login\nLogin Succeeded\n"


@MODES
def test_the_surroundings_are_as_bare_as_a_containers(
    run_plugin: PluginRunner, leaky: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, workspace: Path
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "mine")
    monkeypatch.setenv("PLUGIN_WHERE", "argv")
    result = run_plugin(leaky, {}, mode=mode).passed()
    assert result.calls == ()
    assert not list(workspace.rglob("*"))


@pytest.mark.parametrize(("as_", "key"), [("docker", "no-such"), ("k8s-isolated", "nosuch")])
def test_a_mode_of_the_agent_names_the_variables(
    run_plugin: PluginRunner, leaky: Path, as_: str, key: str
) -> None:
    result = run_plugin(leaky, {"noSuch": "a.txt"}, as_=as_, mode="function").exited(2)
    assert f"with.{key}: unknown input" in result.log


@MODES
def test_outputs_are_read_as_the_platform_reads_them(
    run_plugin: PluginRunner, leaky: Path, mode: Mode
) -> None:
    assert run_plugin(leaky, {"where": "output"}, mode=mode).passed().outputs == {"TOKEN": "nothing"}


def test_files_the_run_changed_are_told_from_those_it_left_alone(
    run_plugin: PluginRunner, leaky: Path, workspace: Path
) -> None:
    for name in ("same", "other"):
        (workspace / name).write_text("before")
    assert run_plugin(leaky, {"where": "other\nnew"}).passed().changed == {"other", "new"}


def test_a_fake_tool_does_what_it_is_told(
    run_plugin: PluginRunner, leaky: Path, fake_tools: FakeTools
) -> None:
    fake_tools.add("login", stdout=json.dumps({"quoted": "it's"}), exit_code=4, script="echo first")
    result = run_plugin(leaky, {"where": "environ", "token": TOKEN}).exited(3)
    assert result.errors == ("login failed with exit code 4; its own message is above",)
    assert {"first", '{"quoted": "it\'s"}'} <= set(result.log.splitlines())


def test_the_tests_own_process_is_as_before(run_plugin: PluginRunner, leaky: Path) -> None:
    before = dict(os.environ), Path.cwd()
    run_plugin(leaky, {"where": "nowhere/at/all"}, mode="function").exited(70)
    assert (dict(os.environ), Path.cwd()) == before


TYPED = '''
from gocdnext_sdk import Boolean, Input, Job, Plugin, PluginInputs


class Inputs(PluginInputs):
    max: int = Input("1", description="How many.")
    dry: Boolean = Input("false", description="Whether to leave it.")
    ratio: float = Input("0", description="How much.")
    word: str = Input("default", description="What.")


class Typed(Plugin[Inputs]):
    """Tells what it got."""

    name = "gocdnext-plugin-typed"
    inputs = Inputs
    outputs = {"SEEN": "All of it."}

    def run(self, inputs, job):
        return {"SEEN": f"{inputs.max} {inputs.dry} {inputs.ratio} {inputs.word} {job.environ['RETRIES']}"}


if __name__ == "__main__":
    Typed.main()
'''


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    (tmp_path / "typed").mkdir()
    (tmp_path / "typed" / "plugin.py").write_text(TYPED)
    return tmp_path / "typed"


@MODES
def test_values_may_be_all_that_yaml_may_write(run_plugin: PluginRunner, typed: Path, mode: Mode) -> None:
    with_ = {"max": 5, "dry": True, "ratio": 1.5, "word": None}
    result = run_plugin(typed, with_, env={"RETRIES": 3}, mode=mode).passed()
    assert result.outputs == {"SEEN": "5 True 1.5 default 3"}


@MODES
def test_a_list_is_refused_as_the_platform_does(run_plugin: PluginRunner, typed: Path, mode: Mode) -> None:
    before = dict(os.environ)
    with_: Any = {"max": [1], "word": {"a": "b"}}
    with pytest.raises(InputError) as caught:
        run_plugin(typed, with_, env={"RETRIES": 3}, mode=mode)
    assert caught.value.lines() == [
        "with.max: is a list, but the platform takes a single value; write its text",
        "with.word: is a dict, but the platform takes a single value; write its text",
    ]
    assert dict(os.environ) == before


def test_the_environment_is_whole_after_a_variable_that_none_can_be(
    run_plugin: PluginRunner, typed: Path
) -> None:
    before = dict(os.environ)
    with pytest.raises(ValueError, match="null"):
        run_plugin(typed, {"word": "a\0b"}, env={"RETRIES": "3"}, mode=Mode.FUNCTION)
    assert dict(os.environ) == before
