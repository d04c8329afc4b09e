"""Type checkers help authors: what is right passes strict mypy, and each mistake is found on its line.

The plugins here are written as authors write theirs, and pass it too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SETTINGS = "[mypy]\nstrict = True\nplugins = pydantic.mypy\n"
"""Those that authors have."""

_ERROR = re.compile(r"^(?:.*/)?(\w+\.py):(\d+): error: .*\[([a-z-]+)\]$", re.MULTILINE)
_EXPECTED = re.compile(r"# E: ([a-z-]+)$")


def mypy(folder: Path, *argv: object) -> subprocess.CompletedProcess[str]:
    """Run mypy in a directory of its own."""
    (folder / "mypy.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", "cache", *argv]
    return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int, str]]:
    """Return what mypy says of both files, as file, line and code."""
    cache = tmp_path_factory.mktemp("mypy")
    done = mypy(cache, *(HERE / name for name in ("accepted.py", "rejected.py")))
    assert done.returncode == 1, done.stdout + done.stderr
    errors = {(name, int(line), code) for name, line, code in _ERROR.findall(done.stdout)}
    assert len(errors) == done.stdout.count(": error:")
    return errors


def test_what_is_right_is_accepted(found: set[tuple[str, int, str]]) -> None:
    assert not [error for error in found if error[0] == "accepted.py"]


def test_each_mistake_is_found_where_it_is(found: set[tuple[str, int, str]]) -> None:
    lines = (HERE / "rejected.py").read_text().splitlines()
    expected = {
        ("rejected.py", number, match[1])
        for number, line in enumerate(lines, start=1)
        if (match := _EXPECTED.search(line))
    }
    assert {error for error in found if error[0] == "rejected.py"} == expected
    assert len(expected) > 10


def test_the_plugins_pass(tmp_path: Path) -> None:
    packages: list[str] = []
    for file in sorted(ROOT.glob("plugins/*/plugin.py")):
        name = f"{file.parent.name.replace('-', '_')}_plugin"
        shutil.copytree(file.parent, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "ci"))
        packages += ["--package", name]
    done = mypy(tmp_path, *packages)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(packages) == 2 * 5
