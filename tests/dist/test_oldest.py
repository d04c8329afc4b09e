"""The oldest versions that pyproject.toml allows do: the wheel with them, and the unit tests on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.dist.installed import TOOLS, Environment, fill_environment

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).parent / "oldest.lock"  # `make lock` writes it

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def oldest(once: Callable[..., Path], wheel: Path) -> Environment:
    def fill(folder: Path) -> None:
        pins = dict(
            re.findall(r"^([\w-]+)(==\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
        )
        venv = folder / "venv"
        fill_environment(venv, "--require-hashes", "--requirement", LOCK)
        fill_environment(venv, "--no-deps", wheel)
        fill_environment(venv, *(name + pins[name] for name in TOOLS))

    return Environment(once("with-oldest", fill) / "venv/bin")


def test_the_oldest_are_those_that_pyproject_names(oldest: Environment, tmp_path: Path) -> None:
    program = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    installed = {each.lower() for each in oldest.python("-c", program, cwd=tmp_path).out.split()}
    floors = re.findall(r'^ *(?:dependencies = \[)?"([\w-]+)>=([\w.]+)"', _runtime(), re.MULTILINE)
    assert len(floors) > 5
    for name, floor in floors:
        assert any(
            re.fullmatch(rf"{name}=={re.escape(floor)}(\.0)*".lower().replace("_", "[_-]"), each)
            for each in installed
        ), name


def test_the_unit_tests_pass_with_them(oldest: Environment) -> None:
    oldest.unit_tests()


def _runtime() -> str:
    """Return what pyproject.toml says of the dependencies that are shipped."""
    text = (ROOT / "pyproject.toml").read_text()
    return text[text.index("dependencies = [") : text.index("# The documentation's site.")]
