"""An environment with the SDK in it, and the commands that run there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

# Calls the installed command again and again in one process: a start costs more than what it does.
_DRIVER = """
import contextlib, io, json, sys
from importlib.metadata import entry_points

(command,) = entry_points(group="console_scripts", name="gocdnext-plugin")
main = command.load()
ended = []
for argv in json.load(sys.stdin):
    sys.argv = ["gocdnext-plugin", *argv]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    ended.append([code, out.getvalue(), err.getvalue()])
json.dump(ended, sys.stdout)
"""


_TESTS = ("tests/contract", "tests/unit/inputs", "tests/unit/oci")
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "jsonschema", "packaging")
"""What `Environment.unit_tests` needs beside the wheel."""


def fill_environment(venv: Path, *args: str | Path, python: str = sys.executable) -> None:
    """Install what `args` say, as for ``pip install``, into a virtual environment; make it first if need be.

    uv does it: pip needs fifteen seconds of a processor for each of the environments here, uv one.

    Args:
        venv: its folder.
        args: for uv.
        python: makes it.
    """
    if not venv.exists():
        subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--only-binary=:all:"]
    done = subprocess.run([*uv, "--python", venv, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    out: str
    err: str


@dataclass(frozen=True)
class Environment:
    """A virtual environment, or the one that the tests run in."""

    bin: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def having(self, variables: Mapping[str, str]) -> Environment:
        """Give the same environment with variables for what runs in it."""
        return replace(self, variables=variables)

    def python(self, *argv: str, cwd: Path, stdin: str = "") -> Ended:
        return self._run(self.bin / "python", "-I", *argv, cwd=cwd, stdin=stdin)

    def command(self, *argv: str, cwd: Path) -> Ended:
        """Run `gocdnext-plugin`."""
        return self._run(self.bin / "gocdnext-plugin", *argv, cwd=cwd)

    def commands(self, *argvs: Sequence[str], cwd: Path) -> list[Ended]:
        """Run `gocdnext-plugin` for each of `argvs`, all in one process."""
        done = self.python("-c", _DRIVER, cwd=cwd, stdin=json.dumps(argvs))
        assert done.exit_code == 0, done.err
        return [Ended(*each) for each in json.loads(done.out)]

    def shell(self, line: str, cwd: Path) -> Ended:
        """Run a line of the documentation."""
        return self._run("bash", "-c", line, cwd=cwd)

    def unit_tests(self) -> None:
        """Run those of the unit tests that need no more than the wheel and `TOOLS`; all must pass."""
        line = f"python -m pytest -q -n 2 -p no:cacheprovider {' '.join(_TESTS)}"
        done = self.shell(line, cwd=Path(__file__).parents[2])
        assert done.exit_code == 0, done.out[-4000:]
        found = re.search(r"^(\d+) passed", done.out, re.MULTILINE)
        assert found
        assert int(found[1]) > 500

    def _run(self, *argv: str | Path, cwd: Path, stdin: str = "") -> Ended:
        # Nothing of the environment that the tests run in, whose interpreter would find the checkout.
        environ = {"PATH": f"{self.bin}:{os.defpath}", "HOME": str(cwd), "COLUMNS": "100", "LANG": "C.UTF-8"}
        environ |= self.variables
        done = subprocess.run(
            argv, cwd=cwd, env=environ, input=stdin, capture_output=True, text=True, timeout=300, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)
