"""The life of one run: inputs, work, outputs, report, exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gocdnext_sdk.host.testing import Mode, PluginRunner

SOURCE = '''
"""A plugin that does what its input says."""
import asyncio, logging, os, sys
from typing import Literal
from gocdnext_sdk import *
from gocdnext_sdk import errors

logging.basicConfig()

class Inputs(PluginInputs):
    do: Literal[
        "work", "find", "fail", "registry", "daemon", "crash", "exit", "outputs", "peek", "home",
        "import", "native", "leave", "cancel", "log", "thread"
    ] = Input(description="What to do.")
    token: Secret | None = Input(None, description="A token.")
    number: int = Input(1, description="A number.")

class Puppet(Plugin[Inputs]):
    """Does as it is told."""

    name = "gocdnext-plugin-puppet"
    inputs = Inputs
    outputs = {"DIGEST": "a digest"}

    def run(self, inputs, job):
        if inputs.do != "home":
            job.say(f"started with {inputs.token}")
        job.output(EARLY="known before the end")
        match inputs.do:
            case "find": raise Findings("3 findings", exit_code=inputs.number)
            case "fail": raise ToolError("it broke")
            case "registry": raise RegistryError("no route")
            case "daemon": raise DaemonError("no socket")
            case "crash": raise KeyError(inputs.token.reveal())
            case "exit": sys.exit(9)
            case "leave": sys.exit(f"no good: {inputs.token.reveal()}")
            case "cancel": raise asyncio.CancelledError(inputs.token.reveal())
            case "import": import nothing_such
            case "native": from json import nothing_such
            case "home": print(job.environ["HOME"], job.tool("true").environ["HOME"])
            case "outputs": return {"DIGEST": "two\\nlines"}
            case "peek":
                print("printed:", inputs.token.reveal())
                print("printed:", inputs.token.reveal(), file=sys.stderr)
                job.warn(inputs.token.reveal())
            case "thread":
                from concurrent.futures import ThreadPoolExecutor
                with ThreadPoolExecutor() as executor:
                    list(executor.map(job.tool("echo").capture, range(2)))
            case "log": logging.error("logged: %s", inputs.token.reveal())
        return {"DIGEST": "sha256:abc"}

if __name__ == "__main__":
    Puppet.main()
'''
TOKEN = "tok-4815162342"

MODES = pytest.mark.parametrize("mode", [Mode.FUNCTION, Mode.PROCESS])


@pytest.fixture
def puppet(tmp_path: Path) -> Path:
    folder = tmp_path / "puppet"
    folder.mkdir()
    (folder / "plugin.py").write_text(SOURCE)
    return folder


@MODES
def test_a_run_that_works(run_plugin: PluginRunner, puppet: Path, mode: Mode) -> None:
    result = run_plugin(puppet, {"do": "work", "token": TOKEN}, mode=mode).passed()
    assert result.log == "==> started with ***\n"
    assert result.outputs == {"DIGEST": "sha256:abc", "EARLY": "known before the end"}


@MODES
@pytest.mark.parametrize(
    ("with_", "exit_code", "error"),
    [
        ({"do": "find"}, 1, "3 findings"),
        ({"do": "find", "number": "0"}, 0, "3 findings"),
        ({"do": "find", "number": "17"}, 17, "3 findings"),
        ({"do": "fail"}, 3, "it broke"),
        ({"do": "registry"}, 3, "no route"),
        ({"do": "daemon"}, 3, "no socket"),
        ({"do": "outputs"}, 3, "outputs: output DIGEST: has a line break; outputs are single lines of text"),
    ],
)
def test_the_class_of_an_error_is_its_exit_code(
    run_plugin: PluginRunner, puppet: Path, mode: Mode, with_: dict[str, str], exit_code: int, error: str
) -> None:
    result = run_plugin(puppet, with_, mode=mode).exited(exit_code)
    assert result.errors == (error,)
    assert "Traceback" not in result.log


@MODES
def test_what_was_known_is_written_after_a_failure_too(
    run_plugin: PluginRunner, puppet: Path, mode: Mode
) -> None:
    result = run_plugin(puppet, {"do": "fail"}, mode=mode).exited(3)
    assert result.outputs == {"EARLY": "known before the end"}


@MODES
def test_every_mistake_in_the_inputs_is_told_and_nothing_is_done(
    run_plugin: PluginRunner, puppet: Path, mode: Mode
) -> None:
    result = run_plugin(puppet, {"do": "wrok", "number": "many", "tokn": "x"}, mode=mode).exited(2)
    keys = [line.split(":")[0] for line in result.errors[:-1]]
    assert sorted(keys) == ["with.do", "with.number", "with.tokn"]
    assert result.errors[-1] == "nothing was done: 3 mistakes in `with:`"
    assert "started" not in result.log
    assert result.outputs == {}


@MODES
def test_a_bug_is_a_message_and_no_traceback_with_the_secret_masked(
    run_plugin: PluginRunner, puppet: Path, mode: Mode
) -> None:
    result = run_plugin(puppet, {"do": "crash", "token": TOKEN}, mode=mode).exited(70)
    assert result.errors == ("internal error: KeyError: '***'; GOCDNEXT_DEBUG=1 shows where",)


@MODES
@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("import", "ModuleNotFoundError: No module named 'nothing_such'"),
        ("native", "ImportError: cannot import name 'nothing_such' from 'json'"),
    ],
)
def test_an_import_that_fails_is_told_with_its_place(
    run_plugin: PluginRunner, puppet: Path, mode: Mode, do: str, said: str
) -> None:
    lines = enumerate(SOURCE.splitlines(), start=1)
    line = next(at for at, text in lines if f'case "{do}"' in text)
    (error,) = run_plugin(puppet, {"do": do}, mode=mode).exited(70).errors
    assert error.startswith(f"{puppet}/plugin.py:{line}: {said}")


@MODES
def test_the_traceback_is_there_for_who_asks_and_still_masked(
    run_plugin: PluginRunner, puppet: Path, mode: Mode
) -> None:
    result = run_plugin(puppet, {"do": "crash", "token": TOKEN}, env={"GOCDNEXT_DEBUG": "1"}, mode=mode)
    assert "Traceback (most recent call last)" in result.exited(70).log


@MODES
def test_everything_printed_is_masked(run_plugin: PluginRunner, puppet: Path, mode: Mode) -> None:
    result = run_plugin(puppet, {"do": "peek", "token": TOKEN}, mode=mode).passed()
    assert result.log.splitlines()[1:] == ["printed: ***", "printed: ***", "warning: ***"]


@MODES
def test_the_jobs_own_secrets_are_masked_as_well(run_plugin: PluginRunner, puppet: Path, mode: Mode) -> None:
    """They are in the environment under their own names, and a tool or a registry may repeat one."""
    secrets = {"GHCR_TOKEN": "ghp_from-the-jobs-secrets"}
    result = run_plugin(puppet, {"do": "ghp_from-the-jobs-secrets"}, secrets=secrets, mode=mode).exited(2)
    assert '"***"' in result.errors[0]


@MODES
@pytest.mark.parametrize("password", ["pr0xy%40p4ss", "pr0xy@p4ss"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_password_in_a_url_is_masked_wherever_it_stands(
    run_plugin: PluginRunner, puppet: Path, mode: Mode, password: str, scheme: str
) -> None:
    environ = {"HTTPS_PROXY": f"{scheme}me:pr0xy%40p4ss@proxy.example:3128"}
    result = run_plugin(puppet, {"do": password}, env=environ, mode=mode).exited(2)
    assert '"***"' in result.errors[0]


@MODES
def test_a_home_in_the_workspace_configures_no_tool(
    run_plugin: PluginRunner, puppet: Path, workspace: Path, mode: Mode
) -> None:
    result = run_plugin(puppet, {"do": "home"}, env={"HOME": str(workspace / "home")}, mode=mode).passed()
    warning, said = result.log.splitlines()[:2]
    assert warning.startswith("warning: HOME is in the workspace")
    assert str(workspace) not in said


def test_an_author_may_end_the_process(run_plugin: PluginRunner, puppet: Path) -> None:
    assert run_plugin(puppet, {"do": "exit"}).exited(9).outputs == {}


def test_a_tool_in_a_thread_is_told_with_what_to_do(run_plugin: PluginRunner, puppet: Path) -> None:
    """No signal would reach it."""
    result = run_plugin(puppet, {"do": "thread"}).exited(70)
    assert result.errors == (
        "a tool is started in a thread, where no signal ends it; start several at once by `capture_each`",
    )
    assert "$ echo" not in result.log


@MODES
def test_what_an_author_says_while_ending_the_process_is_masked(
    run_plugin: PluginRunner, puppet: Path, mode: Mode
) -> None:
    result = run_plugin(puppet, {"do": "leave", "token": TOKEN}, mode=mode).exited(1)
    assert result.log.endswith("no good: ***\n")


@MODES
def test_what_is_raised_past_every_handler_is_a_bug_too(
    run_plugin: PluginRunner, puppet: Path, mode: Mode
) -> None:
    """As `asyncio.CancelledError`, which is no `Exception`."""
    result = run_plugin(puppet, {"do": "cancel", "token": TOKEN}, mode=mode).exited(70)
    assert result.errors == ("internal error: CancelledError: ***; GOCDNEXT_DEBUG=1 shows where",)


def test_a_logger_that_was_made_before_the_run_is_masked(run_plugin: PluginRunner, puppet: Path) -> None:
    """As `logging.basicConfig` makes one when the plugin is imported."""
    result = run_plugin(puppet, {"do": "log", "token": TOKEN}).passed()
    assert result.log.endswith("ERROR:root:logged: ***\n")


def test_in_this_process_everything_is_as_before_afterwards(run_plugin: PluginRunner, puppet: Path) -> None:
    before = (sys.stdout, sys.stderr, Path.cwd(), dict(os.environ))
    run_plugin(puppet, {"do": "crash", "token": TOKEN}, mode="function")
    assert (sys.stdout, sys.stderr, Path.cwd(), dict(os.environ)) == before


def test_a_closed_log_is_no_reason_to_show_a_traceback(puppet: Path, tmp_path: Path) -> None:
    """The agent may go away first."""
    process = subprocess.Popen(
        [sys.executable, str(puppet / "plugin.py")],
        env={"PLUGIN_DO": "work", "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, stderr = process.communicate(timeout=30)
    assert b"Traceback" not in stderr
    assert process.returncode != 0


@MODES
@pytest.mark.parametrize(
    ("name", "secret", "number"),
    [
        ("API_TOKEN", "ghp_16C7e42F292c6912E7710c838347", "GHP_16C7E42F292C"),
        (
            "SIGNING",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhG9w\n-----END PRIVATE KEY-----",
            "MIIEvQIBADANB",
        ),
    ],
)
def test_a_message_about_an_input_holds_no_piece_of_a_secret(
    run_plugin: PluginRunner, puppet: Path, mode: Mode, name: str, secret: str, number: str
) -> None:
    result = run_plugin(puppet, {"do": "work", "number": number}, env={name: secret}, mode=mode).exited(2)
    assert number[4:] not in result.log


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("job.say('done')", "run() returned nothing; let it return its outputs by name"),
        ("return 'sha256:abc'", "run() returned a str; let it return"),
        ("return {'FOUND': 3}", "run() returned 'FOUND' as int; an output is a text"),
    ],
)
def test_a_run_that_returns_no_outputs_is_told_with_its_place(
    tmp_path: Path, run_plugin: PluginRunner, body: str, said: str
) -> None:
    folder = tmp_path / "puppet"
    folder.mkdir()
    head, _, _ = SOURCE.partition("        if inputs.do")
    (folder / "plugin.py").write_text(
        f"{head}        {body}\n\nif __name__ == '__main__':\n    Puppet.main()\n"
    )
    line = next(at for at, text in enumerate(head.splitlines(), start=1) if "def run(" in text)
    result = run_plugin(folder, {"do": "work"}).exited(70)
    assert result.errors[0].startswith(f"{folder}/plugin.py:{line}: {said}")
    assert "Traceback" not in result.log
