"""``/gocdnext/run``, written byte by byte: it blocks the signals and becomes what it starts."""

from __future__ import annotations

import ast
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import build_run

SHOW = "import os, signal; print((dict(os.environ), {*map(int, signal.pthread_sigmask(0, []))}, os.getpid()))"
NATIVE = {"x86_64": 62, "aarch64": 183}[platform.machine()]


@pytest.fixture(params=build_run.MACHINES, ids=lambda machine: f"elf-{machine.number}")
def machine(request: pytest.FixtureRequest) -> build_run.Machine:
    if request.param.number != NATIVE and not list(Path("/proc/sys/fs/binfmt_misc").glob("qemu-[ax][a8]*64")):
        pytest.skip("this host runs no programs of another machine")
    found: build_run.Machine = request.param
    return found


def start(
    machine: build_run.Machine, folder: Path, *command: str, env: dict[str, str]
) -> subprocess.Popen[str]:
    file = folder / "run"
    file.write_bytes(build_run.executable(machine, command))
    file.chmod(0o755)
    return subprocess.Popen(
        [file, "sh", "-c", "find a shell"], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_the_signals_wait_and_the_environment_is_the_jobs(machine: build_run.Machine, tmp_path: Path) -> None:
    environ = {"PLUGIN_A": "x y", "EMPTY": "", "LONG": "z" * 100_000}
    process = start(machine, tmp_path, sys.executable, "-I", "-S", "-c", SHOW, env=environ)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    seen, blocked, pid = ast.literal_eval(out)
    assert seen | environ == seen
    assert blocked == {1, 2, 15}
    assert pid == process.pid, "it becomes what it starts"


def test_a_runtime_that_is_not_whole_is_one_line(machine: build_run.Machine, tmp_path: Path) -> None:
    process = start(machine, tmp_path, str(tmp_path / "nothing"), env=dict(os.environ))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (127, "", build_run.MISSING.decode())


def test_it_is_small_and_the_same_each_time() -> None:
    for machine in build_run.MACHINES:
        made = build_run.executable(machine)
        assert made == build_run.executable(machine)
        assert len(made) < 1024


def test_it_is_made_for_the_machine_of_the_interpreter(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    for machine in build_run.MACHINES:
        python.write_bytes(b"\x7fELF".ljust(18, b"\0") + struct.pack("<H", machine.number).ljust(46, b"\0"))
        build_run.write(tmp_path)
        assert (tmp_path / "run").read_bytes() == build_run.executable(machine)
        assert (tmp_path / "run").stat().st_mode & 0o111
    python.write_bytes(b"\x7fELF".ljust(18, b"\0") + struct.pack("<H", 21).ljust(46, b"\0"))
    with pytest.raises(SystemExit, match="number 21"):
        build_run.write(tmp_path)
