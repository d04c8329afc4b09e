"""Type checkers help authors: what is right passes strict mypy, and each mistake is found on its line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_ERROR = re.compile(r"^(?:.*/)?(\w+\.py):(\d+): error: .*\[([a-z-]+)\]$", re.MULTILINE)
_EXPECTED = re.compile(r"# E: ([a-z-]+)$")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int, str]]:
    """Return what mypy says of both files, as file, line and code, with the settings that authors have."""
    cache = tmp_path_factory.mktemp("mypy")
    (cache / "mypy.ini").write_text("[mypy]\nstrict = True\nplugins = pydantic.mypy\n")
    files = [str(HERE / name) for name in ("accepted.py", "rejected.py")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", cache / "mypy.ini", "--cache-dir", cache, *files],
        cwd=cache,
        capture_output=True,
        text=True,
        check=False,
    )
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
