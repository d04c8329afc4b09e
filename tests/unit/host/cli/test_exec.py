"""`gocdnext-plugin exec`: a plugin with one `with:` map, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gocdnext_sdk.contract.dialects import dialect, dialects

PLUGIN = """
import os, time
from pathlib import Path
from gocdnext_sdk import Findings, Input, Job, Plugin, PluginInputs, Secret

class Inputs(PluginInputs):
    do: str = Input("show", description="What to do.")
    api_token: Secret | None = Input(None, description="A secret.")

class Probe(Plugin[Inputs]):
    \"\"\"Does what a test asks for.\"\"\"
    name = "gocdnext-plugin-probe"
    inputs = Inputs
    outputs = {"SEEN": "What it saw."}

    def run(self, inputs: Inputs, job: Job) -> dict[str, str]:
        job.output(SEEN=" ".join(sorted(name for name in job.environ if name.startswith(("PLUGIN_", "MY_")))))
        if inputs.do == "find":
            raise Findings("found")
        if inputs.do == "sleep":
            Path("started").touch()
            time.sleep(60)
        print(inputs.api_token.reveal() if inputs.api_token else "no token", Path.cwd().name)
        return {}

if __name__ == "__main__":
    Probe.main()
"""

LOST = """
from gocdnext_sdk import Input, Plugin, PluginInputs, Publishes

class Inputs(PluginInputs):
    image: str = Input(description="What to push.")

    def check(self, environ, workspace):
        pass  # check
        return ()

class Lost(Plugin[Inputs]):
    \"\"\"Needs a module.\"\"\"
    name = "gocdnext-plugin-lost"
    inputs = Inputs
    publishes = Publishes("image")

    def run(self, inputs, job):
        pass  # run
        return {}

if __name__ == "__main__":
    Lost.main()
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "plugin.py").write_text(PLUGIN)
    return folder


def command(plugin: Path, *argv: str) -> list[str]:
    return [sys.executable, "-m", "gocdnext_sdk.host.cli", "exec", str(plugin), *argv]


def run(plugin: Path, workspace: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(plugin, *argv),
        cwd=workspace,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_it_works_in_the_current_folder_and_prints_its_outputs(plugin: Path, workspace: Path) -> None:
    done = run(plugin, workspace, "--with", "do=show", "--var", "MY_MODE=x", MY_OTHER="y")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["no token workspace", "output SEEN=MY_MODE PLUGIN_DO"]


def test_a_secret_is_taken_from_the_environment_and_masked(plugin: Path, workspace: Path) -> None:
    argv = ("--secret", "MY_TOKEN", "--with", "api-token=${{ MY_TOKEN }}")
    done = run(plugin, workspace, *argv, MY_TOKEN="canary-Qx81")
    assert done.stdout.splitlines() == ["*** workspace", "output SEEN=MY_TOKEN PLUGIN_API_TOKEN"]


def test_a_secret_that_is_not_given_is_told_with_the_option_for_it(plugin: Path, workspace: Path) -> None:
    done = run(plugin, workspace, "--with", "api-token=${{ MY_TOKEN }}")
    assert done.returncode == 2
    assert "--with api-token: ${{ MY_TOKEN }} is not known; add --secret MY_TOKEN" in done.stdout


def test_the_exit_code_is_the_plugins(plugin: Path, workspace: Path) -> None:
    done = run(plugin, workspace, "--with", "do=find")
    assert done.returncode == 1
    assert "error: found" in done.stdout
    assert run(plugin, workspace, "--with", "doo=find").returncode == 2


@pytest.mark.parametrize("system", [each.name for each in dialects()])
def test_another_ci_system_hands_the_inputs_over_as_it_does(
    plugin: Path, workspace: Path, system: str
) -> None:
    (workspace / "some.file").touch()
    done = run(plugin, workspace, "--with", "do=find", "--as", system)
    assert done.returncode == 1, done.stdout
    wrong = run(plugin, workspace, "--with", "timeout=soon", "--as", system)
    assert wrong.returncode == 2
    written = dialect(system).naming("timeout")
    assert written.partition(" ")[0] in wrong.stdout


@pytest.mark.parametrize("option", ["--as", "--engine"])
def test_a_mode_of_the_agent_names_the_variables(plugin: Path, workspace: Path, option: str) -> None:
    assert "SEEN=PLUGIN_API_TOKEN" in run(plugin, workspace, "--with", "apiToken=12345").stdout
    isolated = run(plugin, workspace, "--with", "apiToken=12345", option, "k8s-isolated")
    assert "SEEN=PLUGIN_APITOKEN" in isolated.stdout


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_plugin_and_says_so(plugin: Path, workspace: Path, signum: int) -> None:
    process = subprocess.Popen(
        command(plugin, "--with", "do=sleep"),
        cwd=workspace,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not (workspace / "started").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signum)
    _, errors = process.communicate()
    assert process.returncode == 128 + signum
    assert f"error: stopped by {signal.Signals(signum).name}" in errors.decode()


def test_a_folder_without_a_plugin_is_told(workspace: Path) -> None:
    done = run(workspace, workspace)
    assert done.returncode == 2
    assert "has no plugin.py" in done.stdout


@pytest.mark.parametrize("where", ["run", "check"])
def test_a_module_that_is_not_installed_is_told_with_its_place(
    tmp_path: Path, workspace: Path, where: str
) -> None:
    folder = tmp_path / "lost"
    folder.mkdir()
    (folder / "plugin.py").write_text(LOST.replace(f"pass  # {where}", "import boto3_not_here"))
    line = LOST[: LOST.index(f"pass  # {where}")].count("\n") + 1
    done = run(folder, workspace, "--with", "image=localhost/app")
    assert done.returncode == 70
    place = f"{folder}/plugin.py:{line}"
    said = f"error: {place}: ModuleNotFoundError: No module named 'boto3_not_here'"
    assert done.stdout.splitlines()[-1] == said


def test_a_network_is_for_a_container(plugin: Path, workspace: Path) -> None:
    done = run(plugin, workspace, "--with", "do=show", "--network", "host")
    assert done.returncode == 2
    assert "--network is for a container; add --image" in done.stdout


def test_publishing_needs_a_word(plugin: Path, workspace: Path) -> None:
    text = (plugin / "plugin.py").read_text()
    text = text.replace("Findings, Input", "Findings, Publishes, Input").replace(
        "    inputs = Inputs\n", '    inputs = Inputs\n    publishes = Publishes("do")\n'
    )
    (plugin / "plugin.py").write_text(text)
    done = run(plugin, workspace, "--with", "do=ghcr.io/org/app")
    assert done.returncode == 2
    assert "--publish" in done.stdout
    assert run(plugin, workspace, "--with", "do=localhost:1/org/app").returncode == 0
    assert run(plugin, workspace, "--with", "do=ghcr.io/org/app", "--publish").returncode == 0


def test_mistakes_in_the_inputs_come_before_the_question_whether_to_publish(workspace: Path) -> None:
    plugin = Path(__file__).parents[4] / "plugins" / "cosign"
    given = ("--with", "image=ghcr.io/org/app:1", "--with", "password=x", "--with", "tlog=maybe")
    done = run(plugin, workspace, *given)
    assert done.returncode == 2
    assert 'with.tlog: "maybe" is not a boolean' in done.stdout
    assert "--publish" not in done.stdout
