"""A signal reaches the tool, ends the job with 128+n, and leaves no step, no process and no secret behind.

Every test runs a plugin as a process of its own and sends it real signals.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PLUGIN = '''
import os, sys, time
from pathlib import Path
from gocdnext_sdk import Job, Plugin, PluginInputs, Secret

class Steps(Plugin[PluginInputs]):
    """Run the steps below."""

    name = "gocdnext-plugin-steps"
    inputs = PluginInputs

    def run(self, inputs, job):
{steps}
        return {{}}

Steps.main()
'''

PATIENCE = 30
"""Seconds until a wait counts as failed; no test waits that long when it passes."""


class Running:
    """A started plugin, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log = ""

    def wait_for(self, text: str) -> None:
        assert self.process.stdout is not None
        give_up = time.monotonic() + PATIENCE
        while text not in self.log:
            readable, _, _ = select.select([self.process.stdout], [], [], give_up - time.monotonic())
            assert readable, f"no {text!r} in {self.log!r}"
            data = os.read(self.process.stdout.fileno(), 65536).decode()
            assert data, f"ended without {text!r}: {self.log!r}"
            self.log += data

    def send(self, signum: int) -> None:
        self.process.send_signal(signum)

    def finish(self) -> int:
        assert self.process.stdout is not None
        code = self.process.wait(PATIENCE)
        self.log += self.process.stdout.read()
        return code


@contextmanager
def running(
    folder: Path, steps: str, tools: dict[str, str], *prefix: str, **environ: str
) -> Iterator[Running]:
    """Start a plugin whose `run` is `steps`, with shell scripts for tools."""
    bin_folder, workspace = folder / "bin", folder / "workspace"
    bin_folder.mkdir()
    workspace.mkdir()
    for name, script in tools.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_folder / name).chmod(0o755)
    indented = "".join(f"        {line}\n" for line in steps.strip().splitlines())
    (folder / "plugin.py").write_text(PLUGIN.format(steps=indented))
    process = subprocess.Popen(
        [*prefix, sys.executable, str(folder / "plugin.py")],
        cwd=workspace,
        env={"PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def gone(pid: int) -> bool:
    """Wait until the process has ended (init may take a moment to reap what was orphaned)."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


POLITE = "trap 'echo asked to end; exit 9' TERM INT HUP; echo $$ ready; while :; do sleep 0.05; done"
DEAF = "trap '' TERM INT HUP; echo $$ ready; while :; do sleep 0.05; done"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_handed_on_and_no_step_follows(tmp_path: Path, signum: int) -> None:
    steps = 'job.tool("polite").run()\njob.say("the next step")\njob.tool("polite").run()'
    with running(tmp_path, steps, {"polite": POLITE}) as plugin:
        plugin.wait_for("ready")
        plugin.send(signum)
        assert plugin.finish() == 128 + signum
    assert "asked to end" in plugin.log
    assert "next step" not in plugin.log
    assert plugin.log.count("ready") == 1
    assert plugin.log.splitlines()[-1] == f"error: stopped by {signal.Signals(signum).name}"


def test_a_tool_that_ends_well_after_the_signal_is_still_the_last_one(tmp_path: Path) -> None:
    graceful = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    steps = 'job.tool("graceful").run()\njob.say("the next step")'
    with running(tmp_path, steps, {"graceful": graceful}) as plugin:
        plugin.wait_for("ready")
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143
    assert "next step" not in plugin.log


def test_a_second_signal_kills_a_tool_that_does_not_listen(tmp_path: Path) -> None:
    with running(tmp_path, 'job.tool("deaf").run()', {"deaf": DEAF}) as plugin:
        plugin.wait_for("ready")
        tool = int(plugin.log.split(" ready")[0].split()[-1])
        plugin.send(signal.SIGTERM)
        plugin.send(signal.SIGINT)  # of two equal ones pending, the kernel delivers one
        assert plugin.finish() in (143, 130)
    assert gone(tool)


@pytest.mark.parametrize("wait", ["time.sleep(1000)", 'job.tool("sleep").run("1000")'])
def test_a_signal_ends_what_is_done_meanwhile_and_every_tool_has_its_time(tmp_path: Path, wait: str) -> None:
    slow = "trap 'sleep 0.3; echo $1 ended; exit 9' TERM; touch $1; while :; do sleep 0.05; done"
    steps = f"""
with job.tool("slow").running("first"), job.tool("slow").running("second"):
    while not (Path("first").exists() and Path("second").exists()):
        time.sleep(0.01)
    job.say("meanwhile")
    {wait}
    job.say("the next step")
job.say("the next step")
"""
    with running(tmp_path, steps, {"slow": slow}) as plugin:
        plugin.wait_for("meanwhile")
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143
    assert "first ended" in plugin.log
    assert "second ended" in plugin.log
    assert "next step" not in plugin.log
    assert plugin.log.splitlines()[-1] == "error: stopped by SIGTERM"


def test_a_tool_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    steps = 'from gocdnext_sdk.runtime import signals\nsignals.GRACE = 0.1\njob.tool("deaf").run()'
    with running(tmp_path, steps, {"deaf": DEAF}) as plugin:
        plugin.wait_for("ready")
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143


def test_what_a_tool_started_ends_with_it(tmp_path: Path) -> None:
    """A grandchild that holds the log open, and talks on, neither survives nor keeps the job."""
    parent = "(trap '' TERM; while :; do echo chatter; sleep 0.05; done) & echo $! grandchild; sleep 0.2"
    steps = 'job.tool("parent").run()\njob.say("done")'
    with running(tmp_path, steps, {"parent": parent}) as plugin:
        assert plugin.finish() == 0
    assert "==> done" in plugin.log
    assert gone(int(plugin.log.split(" grandchild")[0].split()[-1]))


def test_after_a_signal_the_grandchildren_are_gone_too(tmp_path: Path) -> None:
    parent = "(trap '' TERM; echo $$ up; sleep 1000) & echo $! grandchild; wait"
    with running(tmp_path, 'job.tool("parent").run()', {"parent": parent}) as plugin:
        plugin.wait_for("grandchild")
        grandchild = int(plugin.log.split(" grandchild")[0].split()[-1])
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143
    assert gone(grandchild)


def test_between_tools_a_signal_ends_the_job_at_once(tmp_path: Path) -> None:
    with running(tmp_path, 'job.say("waiting")\ntime.sleep(1000)', {}) as plugin:
        plugin.wait_for("waiting")
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143


def test_a_signal_within_a_destructor_is_neither_lost_nor_shown(tmp_path: Path) -> None:
    steps = f"""
import os
class Noisy:
    def __del__(self):
        os.kill(os.getpid(), {int(signal.SIGTERM)})
        job.say("in the destructor")
Noisy()
time.sleep(1000)
"""
    with running(tmp_path, steps, {}) as plugin:
        assert plugin.finish() == 143
    assert plugin.log == "error: stopped by SIGTERM\n"


@pytest.mark.parametrize("made", ["raise ValueError('of a library') from error", "pass"])
def test_a_signal_that_a_library_takes_for_an_error_of_its_own_is_still_one(
    tmp_path: Path, made: str
) -> None:
    """Pydantic does so while it builds a model."""
    steps = f"""
try:
    job.say("working")
    time.sleep(1000)
except Exception as error:
    {made}
"""
    with running(tmp_path, steps, {}) as plugin:
        plugin.wait_for("working\n")
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143
    assert plugin.log == "==> working\nerror: stopped by SIGTERM\n"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("wait", ["time.sleep(1000)", 'job.tool("sleep").run("1000")'])
def test_a_signal_wipes_the_secret_files(tmp_path: Path, signum: int, wait: str) -> None:
    steps = f"""
import os
del os.memfd_create
path = job.secret_file(Secret("the-key-material"))
print("file", path, Path(path).read_text() != "", flush=True)
{wait}
"""
    with running(tmp_path, steps, {}) as plugin:
        plugin.wait_for("True\n")
        path = Path(plugin.log.split("file ")[1].split()[0])
        assert path.exists()
        plugin.send(signum)
        assert plugin.finish() == 128 + signum
    assert not path.exists()
    assert not path.parent.exists()


def test_signals_that_keep_coming_do_not_tear_the_wiping_or_the_report(tmp_path: Path) -> None:
    steps = """
import os
del os.memfd_create
paths = [job.secret_file(Secret("the-key-material") , f"k{n}") for n in range(50)]
print("folder", Path(paths[0]).parent, flush=True)
time.sleep(1000)
"""
    with running(tmp_path, steps, {}) as plugin:
        plugin.wait_for("folder ")
        plugin.wait_for("\n")
        folder = Path(plugin.log.split("folder ")[1].split()[0])
        while plugin.process.poll() is None:
            plugin.send(signal.SIGTERM)
        # One that comes after the last line of the report may still end the process its own way.
        assert plugin.finish() in (143, -signal.SIGTERM)
    assert "Traceback" not in plugin.log
    assert not folder.exists()


def test_cleanup_runs_after_a_signal_and_the_job_is_still_cancelled(tmp_path: Path) -> None:
    steps = """
try:
    job.tool("polite").run()
finally:
    with job.cleanup():
        job.tool("sh").run("-c", "echo cleaned up")
"""
    with running(tmp_path, steps, {"polite": POLITE}) as plugin:
        plugin.wait_for("ready")
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143
    assert "\ncleaned up\n" in plugin.log


def test_what_is_cleaned_up_after_it_does_not_hide_what_took_too_long(tmp_path: Path) -> None:
    steps = """
from gocdnext_sdk import doing
try:
    with doing("waiting for the registry"):
        time.sleep(1000)
finally:
    with job.cleanup():
        job.say("cleaning up")
"""
    with running(tmp_path, steps, {}, PLUGIN_TIMEOUT="500ms") as plugin:
        assert plugin.finish() == 3
    assert "==> cleaning up\nerror: waiting for the registry" in plugin.log


def test_a_signal_during_cleanup_waits_for_it_and_then_ends_the_job(tmp_path: Path) -> None:
    steps = """
with job.cleanup():
    job.tool("sh").run("-c", "echo cleaning; read x < gate; echo cleaned up")
job.say("the next step")
"""
    with running(tmp_path, steps, {}) as plugin:
        os.mkfifo(tmp_path / "workspace" / "gate")
        plugin.wait_for("\ncleaning")
        plugin.send(signal.SIGTERM)
        (tmp_path / "workspace" / "gate").write_text("go\n")
        assert plugin.finish() == 143
    assert "\ncleaned up\n" in plugin.log
    assert "next step" not in plugin.log


def test_a_signal_while_a_tool_is_being_started_is_not_lost(tmp_path: Path) -> None:
    """The narrow moment between fork and the start's end, where an exception would orphan the tool."""
    steps = f"""
import os, signal, subprocess
class Interrupted(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        print("child", self.pid, flush=True)
        os.kill(os.getpid(), {int(signal.SIGTERM)})
subprocess.Popen = Interrupted
job.tool("sleep").run("1000")
"""
    with running(tmp_path, steps, {}) as plugin:
        plugin.wait_for("child ")
        assert plugin.finish() == 143
    assert gone(int(plugin.log.split("child ")[1].split()[0]))


def test_as_pid_1_it_obeys_signals_and_reaps_orphans(tmp_path: Path) -> None:
    """In a container the plugin is PID 1, for which the kernel has no default actions."""
    unshare = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this host allows no process namespaces; the end-to-end tests check it in containers")
    steps = """
import os
job.say(f"pid {os.getpid()}")
job.tool("sh").run("-c", "(sleep 0.1; exit 3) & exit 0")
job.tool("sh").run("-c", "sleep 0.2")
zombies = [p for p in Path("/proc").glob("[0-9]*/stat") if p.read_text().rpartition(")")[2].split()[0] == "Z"]
job.say(f"zombies {len(zombies)}")
job.tool("polite").run()
"""
    with running(tmp_path, steps, {"polite": POLITE}, *unshare) as plugin:
        plugin.wait_for("ready")
        assert "==> pid 1\n" in plugin.log
        assert "==> zombies 0\n" in plugin.log
        children = Path(f"/proc/{plugin.process.pid}/task/{plugin.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        assert plugin.finish() == 143
    assert "asked to end" in plugin.log


def test_a_tool_that_takes_too_long_is_stopped_and_the_job_has_failed(tmp_path: Path) -> None:
    steps = 'job.tool("polite").run()\nprint("a later step")'
    with running(tmp_path, steps, {"polite": POLITE}, PLUGIN_TIMEOUT="1s") as plugin:
        assert plugin.finish() == 3
    assert "asked to end" in plugin.log
    assert "a later step" not in plugin.log
    assert "error: stopped after 1 s" in plugin.log


def test_work_between_tools_is_stopped_too(tmp_path: Path) -> None:
    with running(tmp_path, "while True: time.sleep(0.01)", {}, PLUGIN_TIMEOUT="500ms") as plugin:
        assert plugin.finish() == 3
    assert "error: stopped after 0.5 s" in plugin.log


def test_a_job_that_ends_in_time_hears_nothing_of_it(tmp_path: Path) -> None:
    with running(tmp_path, 'print("done")', {}, PLUGIN_TIMEOUT="20s") as plugin:
        assert plugin.finish() == 0
    assert plugin.log.strip() == "done"


def test_a_signal_before_the_time_is_over_is_a_signal(tmp_path: Path) -> None:
    with running(tmp_path, 'job.tool("polite").run()', {"polite": POLITE}, PLUGIN_TIMEOUT="60s") as plugin:
        plugin.wait_for("ready")
        plugin.send(signal.SIGTERM)
        assert plugin.finish() == 143


@pytest.mark.parametrize("text", ["soon", "10", "-1s", "1d", "0s", "1m and more"])
def test_a_time_that_is_none_is_told_before_anything_runs(tmp_path: Path, text: str) -> None:
    with running(tmp_path, 'print("started")', {}, PLUGIN_TIMEOUT=text) as plugin:
        assert plugin.finish() == 2
    assert "with.timeout" in plugin.log
    assert "started" not in plugin.log
