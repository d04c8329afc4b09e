"""A tool gets an argv, the environment it was given, and nothing of the job's."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.log import MaskedText, MaskedWriter
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.runner import Completed
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.runtime.tool import find_tool, tool_environ, tool_path
from gocdnext_sdk.secret import Secret

PASSWORD = "s3cr3t-pa$$word"


class Bench:
    """A job with the tools a test makes, and what it has printed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.workspace, self.log = folder / "bin", folder / "workspace", io.BytesIO()
        self.monkeypatch = monkeypatch
        self.bin.mkdir()
        self.workspace.mkdir()
        self.environ = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(folder)}
        self.masker, self.files = Masker(), SecretFiles()

    def make(self, name: str, script: str, folder: Path | None = None) -> Path:
        path = (folder or self.bin) / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def job(self, **environ: str) -> Job:
        for name in ("stdout", "stderr"):
            self.monkeypatch.setattr(sys, name, MaskedText(MaskedWriter(self.masker, self.log)))
        everything = self.environ | environ
        return Job(everything, self.workspace, self.masker, self.files, Signals(), OutputFile(everything))

    def printed(self) -> str:
        return self.log.getvalue().decode()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(tmp_path, monkeypatch)
    monkeypatch.chdir(bench.workspace)
    with bench.files:
        yield bench


class TestArgv:
    def test_arguments_arrive_as_they_are(self, bench: Bench) -> None:
        bench.make("show", "printf '<%s>\\n' \"$@\"")
        arguments = [
            "plain",
            "with blank",
            "$HOME `id` $(id)",
            "*",
            "",
            "-x",
            "quote'\"",
            "line\nbreak",
            "ünï",
        ]
        assert bench.job().tool("show").capture(*arguments).stdout.decode() == "".join(
            f"<{each}>\n" for each in arguments
        )

    def test_paths_and_numbers_are_arguments_too(self, bench: Bench) -> None:
        bench.make("show", 'printf "%s " "$@"')
        assert bench.job().tool("show").capture(Path("a/b"), 3).stdout == b"a/b 3 "

    def test_the_command_is_printed_before_it_runs_ready_for_a_shell(self, bench: Bench) -> None:
        bench.make("show", "echo running")
        bench.job().tool("show").run("a b", "c'd")
        command, output = bench.printed().splitlines()
        assert shlex.split(command) == ["$", "show", "a b", "c'd"]
        assert output == "running"

    def test_a_secret_in_the_printed_command_is_masked(self, bench: Bench) -> None:
        bench.make("show", "exit 0")
        job = bench.job()
        job.mask(Secret("it's secret"))
        job.tool("show").run("--header=it's secret")
        assert "secret" not in bench.printed()


class TestOutput:
    def test_both_streams_reach_the_log_masked(self, bench: Bench) -> None:
        bench.make("login", 'echo "out $P"; echo "err $P" >&2')
        bench.job().tool("login", env={"P": Secret(PASSWORD)}).run()
        assert sorted(bench.printed().splitlines()[1:]) == ["err ***", "out ***"]

    def test_captured_output_is_whole_and_not_in_the_log(self, bench: Bench) -> None:
        bench.make("digest", 'echo sha256:abc; echo "note $P" >&2; head -c 300000 /dev/zero')
        done = bench.job().tool("digest", env={"P": Secret(PASSWORD)}).capture()
        assert done.stdout == b"sha256:abc\n" + b"\0" * 300_000
        assert bench.printed().splitlines() == ["$ digest", "note ***"]

    def test_a_secret_cut_by_the_tools_own_writes_is_masked(self, bench: Bench) -> None:
        half = len(PASSWORD) // 2
        bench.make(
            "slow", f"printf %s '{PASSWORD[:half]}'; sleep 0.2; printf '%s\\n' '{PASSWORD[half:]}'; echo end"
        )
        bench.job().tool("slow", env={"P": Secret(PASSWORD)}).run()
        assert bench.printed().splitlines()[1:] == ["***", "end"]

    def test_what_looks_like_a_beginning_at_the_end_is_not_lost(self, bench: Bench) -> None:
        bench.make("cut", f"printf %s '{PASSWORD[:6]}'")
        bench.job().tool("cut", env={"P": Secret(PASSWORD)}).run()
        assert bench.printed().endswith(f"\n{PASSWORD[:6]}\n")

    def test_what_follows_begins_on_a_line_of_its_own(self, bench: Bench) -> None:
        bench.make("terse", "printf done; printf warned >&2")
        job = bench.job()
        job.tool("terse").run()
        job.say("next")
        assert bench.printed().splitlines()[-1] == "==> next"

    def test_it_reads_nothing_from_the_jobs_input(self, bench: Bench) -> None:
        bench.make("ask", "read answer || echo no input")
        bench.job().tool("ask").run()
        assert bench.printed().endswith("no input\n")


class TestFailure:
    def test_what_left_its_group_and_goes_on_printing_does_not_hold_the_job(self, bench: Bench) -> None:
        # It outlives the pipe that it prints to, and the tool waits until it has left.
        goes_on = 'trap "" PIPE; echo $$ > left; while :; do echo y || sleep 1; done'
        bench.make(
            "leaves", f"setsid timeout 120 sh -c '{goes_on}' 2>/dev/null &\nuntil [ -s left ]; do :; done"
        )
        bench.job().tool("leaves").capture()
        pid = int((bench.workspace / "left").read_text())
        os.kill(pid, 0)  # still there: nobody waited for it
        os.killpg(os.getpgid(pid), signal.SIGKILL)

    def test_another_exit_code_is_an_error(self, bench: Bench) -> None:
        bench.make("fail", "echo reason >&2; exit 7")
        with pytest.raises(ToolError, match=r"^fail failed with exit code 7; its own message is above$"):
            bench.job().tool("fail").run()
        assert "reason" in bench.printed()

    def test_a_quiet_tool_is_heard_only_if_it_fails(self, bench: Bench) -> None:
        bench.make("talks", f"echo 'all is well, {PASSWORD}' >&2; echo out; exit \"$1\"")
        tool = bench.job().tool("talks", env={"P": Secret(PASSWORD)})
        done = tool.quietly(0)
        assert (done.stdout, PASSWORD.encode() in done.stderr) == (b"out\n", True)
        assert "all is well" not in bench.printed()
        with pytest.raises(ToolError, match="its own message is above"):
            tool.quietly(1)
        assert "all is well, ***" in bench.printed()
        assert "out" not in bench.printed()

    def test_what_a_failed_tool_said_shows_also_where_it_was_captured(self, bench: Bench) -> None:
        bench.make("fail", "echo \"no login for $P\"; echo 'try again'; exit 7")
        tool = bench.job().tool("fail", env={"P": Secret(PASSWORD)})
        with pytest.raises(ToolError, match=r"^fail failed with exit code 7; its own message is above$"):
            tool.capture()
        assert bench.printed().splitlines() == ["$ fail", "no login for ***", "try again"]

    def test_of_a_long_output_the_end_is_shown_and_no_piece_of_a_secret(self, bench: Bench) -> None:
        bench.make("fail", 'i=0; while [ $i -lt 2000 ]; do echo "$P"; i=$((i + 1)); done; echo last; exit 7')
        with pytest.raises(ToolError):
            bench.job().tool("fail", env={"P": Secret(PASSWORD)}).capture()
        command, dots, *lines, last = bench.printed().splitlines()
        assert (command, dots, last) == ("$ fail", "…", "last")
        assert 100 < len(lines) < 2000
        assert set(lines) == {"***"}

    def test_a_message_on_standard_error_is_enough(self, bench: Bench) -> None:
        bench.make("fail", "echo '{}'; echo reason >&2; exit 7")
        with pytest.raises(ToolError, match="its own message is above"):
            bench.job().tool("fail").capture()
        assert bench.printed().splitlines() == ["$ fail", "reason"]

    def test_a_captured_tool_that_said_nothing_is_not_said_to_have(self, bench: Bench) -> None:
        bench.make("fail", "echo; exit 7")
        with pytest.raises(ToolError, match=r"^fail failed with exit code 7 and printed nothing$"):
            bench.job().tool("fail").capture()

    def test_codes_that_mean_findings_are_none(self, bench: Bench) -> None:
        bench.make("scan", "exit 5")
        assert bench.job().tool("scan").run(ok={0, 5}).exit_code == 5

    def test_a_tool_killed_by_a_signal_is_an_error(self, bench: Bench) -> None:
        bench.make("crash", "kill -SEGV $$")
        with pytest.raises(ToolError, match="crash ended by signal 11"):
            bench.job().tool("crash").run()

    def test_a_missing_tool_says_what_to_do(self, bench: Bench) -> None:
        with pytest.raises(ToolError, match="no-such-tool is not installed; add it to the plugin's image"):
            bench.job().tool("no-such-tool")

    def test_a_file_that_cannot_be_started_is_an_error_and_no_crash(self, bench: Bench) -> None:
        path = bench.make("alien", "")
        path.write_bytes(b"\x7fELF of another world")
        with pytest.raises(ToolError, match="alien cannot be started: Exec format error"):
            bench.job().tool("alien").run()

    @pytest.mark.parametrize("word", ["nul\0", "half \ud800"])
    def test_nor_is_an_argument_that_no_process_can_have(self, bench: Bench, word: str) -> None:
        """Such as one out of a file, or of JSON."""
        bench.make("greet", 'echo "$@"')
        with pytest.raises(ToolError, match="greet cannot be started: an argument or a variable holds a NUL"):
            bench.job().tool("greet").run(word)

    def test_a_tool_whose_loader_is_missing_is_not_called_missing_itself(self, bench: Bench) -> None:
        bench.make("dynamic", "").write_text("#!/no/such/loader\n")
        with pytest.raises(ToolError, match="its interpreter or loader is not in this image"):
            bench.job().tool("dynamic").run()


class TestMeanwhile:
    """A tool that works while a block of code runs."""

    def test_both_go_on_at_once_and_the_end_waits_for_the_tool(self, bench: Bench) -> None:
        bench.make("copy", "echo copying; read go < gate; echo copied; echo done > copied")
        os.mkfifo(bench.workspace / "gate")
        job = bench.job()
        with job.tool("copy").running():
            job.say("looking")
            assert not (bench.workspace / "copied").exists()
            (bench.workspace / "gate").write_text("go\n")
        assert (bench.workspace / "copied").exists()
        assert bench.printed() == "$ copy\n==> looking\ncopying\ncopied\n"

    def test_other_tools_may_run_in_the_block(self, bench: Bench) -> None:
        bench.make("copy", "echo $1 > $1")
        bench.make("look", "echo seen")
        job = bench.job()
        with job.tool("copy").running("one"), job.tool("copy").running("two"):
            assert job.tool("look").capture().stdout == b"seen\n"
        assert (bench.workspace / "one").exists()
        assert (bench.workspace / "two").exists()

    def test_a_tool_that_fails_is_an_error_at_the_end_of_the_block(self, bench: Bench) -> None:
        bench.make("copy", "echo reason >&2; exit 7")
        looked = False
        with (
            pytest.raises(ToolError, match=r"^copy failed with exit code 7; its own message is above$"),
            bench.job().tool("copy").running(),
        ):
            looked = True
        assert looked
        assert "reason" in bench.printed()

    def test_codes_that_mean_findings_are_none(self, bench: Bench) -> None:
        bench.make("copy", "exit 5")
        with bench.job().tool("copy").running(ok={0, 5}):
            pass

    def test_an_error_in_the_block_ends_the_tool(self, bench: Bench) -> None:
        bench.make("copy", "trap '' TERM; echo $$ > pid.new; mv pid.new pid; while :; do sleep 0.05; done")
        pid = bench.workspace / "pid"

        def refuse() -> None:
            while not pid.exists():
                time.sleep(0.01)
            raise RuntimeError("refused")

        with pytest.raises(RuntimeError, match="refused"), bench.job().tool("copy").running():
            refuse()
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


class TestSeveralAtOnce:
    """Each waits for the other, so that one after the other they would never end."""

    def test_none_takes_the_exit_code_of_another_as_pid_1(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "getpid", lambda: 1)
        bench.make("end", 'echo "$1"; exit "$1"')
        for _ in range(5):
            ended = bench.job().tool("end").capture_each([("3",), ("4",), ("5",)])
            codes = [
                code for code, each in zip("345", ended, strict=True) if f"exit code {code}" in str(each)
            ]
            assert codes == ["3", "4", "5"]

    def test_all_run_at_the_same_time_and_keep_their_outputs_apart(self, bench: Bench) -> None:
        bench.make(
            "meet", 'touch "$1"; until [ -e "$2" ]; do sleep 0.01; done; echo "$1" $P; echo "said $1" >&2'
        )
        job = bench.job()
        ended = job.tool("meet", env={"P": Secret(PASSWORD)}).capture_each([("a", "b"), ("b", "a")])
        assert [each.stdout.split()[0] for each in ended if isinstance(each, Completed)] == [b"a", b"b"]
        assert sorted(bench.printed().splitlines()[2:]) == ["said a", "said b"]

    def test_one_that_fails_is_its_error_and_the_others_go_on(self, bench: Bench) -> None:
        bench.make("maybe", 'echo "$2"; sleep "$1"; exit "$2"')
        ended = bench.job().tool("maybe").capture_each([("0", "7"), ("0.2", "0")])
        assert isinstance(ended[0], ToolError)
        assert isinstance(ended[1], Completed)
        assert ended[1].stdout == b"0\n"

    def test_more_output_than_a_pipe_holds_blocks_none(self, bench: Bench) -> None:
        bench.make("long", "head -c 3000000 /dev/zero")
        ended = bench.job().tool("long").capture_each([(), (), ()])
        assert [len(each.stdout) for each in ended if isinstance(each, Completed)] == [3_000_000] * 3


class TestEnvironment:
    def test_the_jobs_secrets_and_traps_do_not_reach_it(self, bench: Bench) -> None:
        bench.make("show", "/usr/bin/env")
        job = bench.job(
            PLUGIN_PASSWORD=PASSWORD,
            GITHUB_TOKEN=PASSWORD,
            LD_PRELOAD="/workspace/evil.so",
            BASH_ENV="/workspace/evil.sh",
            PYTHONPATH="/workspace",
            DOCKER_HOST="tcp://elsewhere:2375",
            HTTPS_PROXY="http://proxy:3128",
            no_proxy="localhost",
            SSL_CERT_FILE="/etc/ssl/ca.pem",
        )
        shown = job.tool("show", env={"GIVEN": "1"}, inherit=("DOCKER_HOST",)).capture().stdout.decode()
        names = {line.partition("=")[0] for line in shown.splitlines()}
        assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {
            "PATH",
            "HOME",
            "GIVEN",
            "DOCKER_HOST",
            "HTTPS_PROXY",
            "no_proxy",
            "SSL_CERT_FILE",
        }

    def test_a_secret_is_given_bare_and_masked(self, bench: Bench) -> None:
        bench.make("login", 'test "$P" = "s3cr3t-pa\\$\\$word" && echo "right: $P"')
        bench.job().tool("login", env={"P": Secret(PASSWORD)}).run()
        assert bench.printed().endswith("right: ***\n")

    def test_what_is_given_wins_over_what_is_inherited(self, tmp_path: Path) -> None:
        found = tool_environ(
            {"HOME": "/root", "X": "job"}, tmp_path, {"HOME": "/given", "X": "given"}, ("X",)
        )
        assert (found["HOME"], found["X"]) == ("/given", "given")

    def test_the_secret_files_are_open_to_it(self, bench: Bench) -> None:
        bench.make("read", 'cat "$1"; cat "$DOCKER_CONFIG/config.json"')
        job = bench.job()
        path = job.secret_file(Secret("key material"))
        config = str(bench.files.named("config.json", "{}"))
        assert job.tool("read", env={"DOCKER_CONFIG": config}).capture(path).stdout == b"key material{}"


class TestWhereItIsFound:
    """What is checked out must not run, whatever the job's PATH says."""

    @pytest.mark.parametrize(
        "path",
        ["{ws}", "{ws}/bin", ".", "bin", "", ":", "{ws}/../workspace/bin", "{link}", "./bin:{ws}"],
    )
    def test_never_in_the_workspace(self, bench: Bench, path: str, tmp_path: Path) -> None:
        bench.make("only-here", "echo hijacked", bench.workspace)
        bench.make("only-here", "echo hijacked", bench.workspace / "bin")
        link = tmp_path / "link"
        link.symlink_to(bench.workspace / "bin")
        given = path.format(ws=bench.workspace, link=link)
        with pytest.raises(ToolError, match="not installed"):
            find_tool("only-here", {"PATH": given}, bench.workspace)
        safe = [Path(entry).resolve() for entry in tool_path({"PATH": given}, bench.workspace).split(":")]
        assert not [entry for entry in safe if entry.is_relative_to(bench.workspace)]

    def test_the_first_folder_that_has_it_wins(self, bench: Bench, tmp_path: Path) -> None:
        first = bench.make("twice", "exit 0", tmp_path / "first")
        bench.make("twice", "exit 0", tmp_path / "second")
        found = find_tool("twice", {"PATH": f"{tmp_path}/first:{tmp_path}/second"}, bench.workspace)
        assert found == str(first)

    def test_a_file_that_cannot_run_is_passed_over(self, bench: Bench, tmp_path: Path) -> None:
        bench.make("tool", "", tmp_path / "first").chmod(0o644)
        (tmp_path / "second" / "tool").mkdir(parents=True)
        third = bench.make("tool", "", tmp_path / "third")
        path = ":".join(f"{tmp_path}/{each}" for each in ("first", "second", "third"))
        assert find_tool("tool", {"PATH": path}, bench.workspace) == str(third)

    def test_the_systems_folders_are_there_without_a_path(self, bench: Bench) -> None:
        assert Path(find_tool("sh", {}, bench.workspace)).is_absolute()

    def test_with_the_checkout_at_the_root_of_an_image_its_tools_still_run(self) -> None:
        assert Path(find_tool("sh", {}, Path("/"))).is_absolute()


def test_a_trace_tells_what_was_started_and_holds_no_value(bench: Bench, tmp_path: Path) -> None:
    bench.make("login", "exit 0")
    trace = tmp_path / "trace"
    job = bench.job(GOCDNEXT_TRACE_FILE=str(trace))
    for argument in ("first", "second"):
        job.tool("login", env={"P": Secret(PASSWORD)}).run(argument)
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [line["argv"] for line in lines] == [["first"], ["second"]]
    assert (lines[0]["tool"], lines[0]["environ"]) == ("login", ["HOME", "P", "PATH"])
    assert PASSWORD not in trace.read_text()


SPY = """for file in /proc/$1/fd/*; do
    case "$(readlink "$file")" in /memfd:*) echo "$file: $(cat "$file")" ;; esac
done
exit 0"""
"""Prints every anonymous memory that a process has open."""


class TestSecretFiles:
    """Each belongs to the tools that are told its name."""

    def test_the_tool_whose_argument_names_it_reads_it(self, bench: Bench) -> None:
        job = bench.job()
        mine, theirs = job.secret_file("for me"), job.secret_file("for others")
        assert job.tool("cat").capture(mine).stdout == b"for me"
        spied = job.tool(bench.make("spy", SPY).name).capture("self", mine).stdout
        assert b"for me" in spied
        assert b"for others" not in spied
        assert theirs.encode() not in spied

    def test_the_tool_whose_variable_names_it_reads_it(self, bench: Bench) -> None:
        job = bench.job()
        bench.make("use", 'cat "$KEY"')
        assert job.tool("use", env={"KEY": job.secret_file("k3y")}).capture().stdout == b"k3y"

    def test_the_tool_that_is_given_its_folder_reads_it(self, bench: Bench) -> None:
        job = bench.job()
        bench.make("login", 'cat "$DOCKER_CONFIG/config.json"')
        login = Credentials([Credential(Registry.parse("ghcr.io"), "me", Secret(PASSWORD))])
        environ = job.docker_config(login)
        assert b"ghcr.io" in job.tool("login", env=environ).capture().stdout
        bench.make("steal", f'cat "{environ["DOCKER_CONFIG"]}/config.json"')
        assert job.tool("steal").capture(ok={1}).stdout == b""

    def test_a_tool_that_is_told_of_none_has_none(self, bench: Bench) -> None:
        job = bench.job()
        path = job.secret_file("for others")
        job.tool("cat").capture(path)
        bench.make("spy", SPY)
        assert job.tool("spy").capture("self").stdout == b""
        assert job.tool("spy").capture(path.rpartition("/")[2]).stdout == b""  # a number is no name


PEEKING = f'''
"""A plugin with two tools: the second looks for the first one's key in the plugin's own descriptors."""
from gocdnext_sdk import *

class Inputs(PluginInputs):
    pass

class Peeking(Plugin[Inputs]):
    """Peeks."""

    name = "gocdnext-plugin-peeking"
    inputs = Inputs

    def run(self, inputs, job):
        job.tool("cat").capture(job.secret_file("the key"))
        job.tool("sh").run("-c", {SPY.replace("$1", "$PPID")!r})
        return {{}}

if __name__ == "__main__":
    Peeking.main()
'''


def test_a_tool_cannot_read_the_descriptors_of_the_plugin(tmp_path: Path) -> None:
    """Not even as the same user: as in a container, where root has no CAP_SYS_PTRACE."""
    (tmp_path / "plugin.py").write_text(PEEKING)
    confined = ["setpriv", "--bounding-set=-sys_ptrace"] if os.geteuid() == 0 else []

    def log(source: str) -> str:
        (tmp_path / "plugin.py").write_text(source)
        return subprocess.run(
            [*confined, sys.executable, tmp_path / "plugin.py"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": "/"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "the key\n" not in log(PEEKING)
    unguarded = "from gocdnext_sdk.plugin import execute\n    import os, pathlib\n"
    unguarded += "    execute(Peeking(), dict(os.environ), pathlib.Path.cwd())"
    assert "the key\n" in log(PEEKING.replace("Peeking.main()", unguarded))


@pytest.mark.parametrize("start", ["run", "capture", "running"])
def test_a_secret_is_no_argument(bench: Bench, start: str) -> None:
    bench.make("greet", 'echo "$@"')
    with pytest.raises(TypeError, match="a Secret is no argument"):
        getattr(bench.job().tool("greet"), start)("--password", Secret(PASSWORD))
    assert PASSWORD not in bench.printed()


@pytest.mark.parametrize("word", [None, ["-v", "x"], ("-v",), b"-v", {"a": 1}, (each for each in "ab")])
def test_what_has_no_text_of_its_own_is_no_argument(bench: Bench, word: object) -> None:
    """The tool would get `None`, of an input that is not given, or a list in the words of Python."""
    bench.make("greet", 'echo "$@"')
    with pytest.raises(TypeError, match="is no argument"):
        bench.job().tool("greet").run("--name", word)
    assert bench.printed() == ""


def test_a_text_is_no_list_of_arguments_or_names(bench: Bench) -> None:
    """Its letters would be."""
    bench.make("greet", 'echo "$@"')
    with pytest.raises(TypeError, match="list of arguments"):
        bench.job().tool("greet").capture_each(["version"])
    with pytest.raises(TypeError, match="list of names"):
        bench.job().tool("greet", inherit="LINTER_MODE")


@pytest.mark.parametrize("value", [None, 5, Path("x")])
def test_a_variable_that_is_no_text_is_named(bench: Bench, value: object) -> None:
    bench.make("greet", 'echo "$@"')
    with pytest.raises(TypeError, match="TOKEN"):
        bench.job().tool("greet", env={"TOKEN": value})  # type: ignore[dict-item]


def test_a_path_into_the_workspace_names_no_tool(bench: Bench) -> None:
    script = bench.workspace / "lint.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    script.chmod(0o755)
    with pytest.raises(ToolError, match="not installed"):
        bench.job().tool(str(script))
