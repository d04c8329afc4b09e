"""What enters an image knows nothing of what does not, and costs a job's start nothing it does not use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IMPORT_ALL = """
import importlib, pkgutil, sys
import gocdnext_sdk

def walk(package):
    for each in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if each.name != "gocdnext_sdk.host":
            yield each.name
            if each.ispkg:
                yield from walk(importlib.import_module(each.name))

found = list(walk(gocdnext_sdk))
for name in found:
    importlib.import_module(name)
print(len(found))
print(*sys.modules)
"""

START = """
import sys
from gocdnext_sdk import {names}
print(*sys.modules)
"""

HEAVY = {"docker", "requests", "urllib3", "cryptography", "click", "rich", "yaml", "jwt", "bcrypt", "dotenv"}


def run(program: str) -> list[str]:
    """Return what a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_no_module_outside_host_imports_one_inside() -> None:
    count, loaded = run(IMPORT_ALL)
    assert int(count) > 40
    assert not [name for name in loaded.split() if name.startswith("gocdnext_sdk.host")]


def test_no_module_outside_host_needs_what_is_not_in_the_image() -> None:
    """The extra `plugin` has docker, requests and urllib3, and none of these."""
    loaded = {name.partition(".")[0] for name in run(IMPORT_ALL)[1].split()}
    assert not loaded & (HEAVY - {"docker", "requests", "urllib3"})


@pytest.mark.parametrize(
    "names", ["Plugin, PluginInputs, Input, Job, Secret, WorkspacePath", "Reference, Tags"]
)
def test_a_start_loads_no_package_that_the_plugin_may_not_use(names: str) -> None:
    (loaded,) = run(START.format(names=names))
    assert not {name.partition(".")[0] for name in loaded.split()} & HEAVY


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package, with the rules that it is held to."""
    shutil.copytree(ROOT / "sdk/gocdnext_sdk", tmp_path / "sdk/gocdnext_sdk")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(house: Path) -> tuple[int, str]:
    """Run the part of `make lint` that looks at imports."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"],
        cwd=house,
        env={"PYTHONPATH": str(house / "sdk"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_house_as_it_is_keeps_its_walls(house: Path) -> None:
    code, text = lint(house)
    assert code == 0, text


@pytest.mark.parametrize(
    ("module", "imported", "wall", "arrow"),
    [
        (
            "runtime/job.py",
            "host.pipeline",
            "nothing outside host/ imports host/",
            "gocdnext_sdk.runtime.job -> gocdnext_sdk.host.pipeline",
        ),
        (
            "runtime/job.py",
            "plugin",
            "The floors of the SDK: imports run down only",
            "gocdnext_sdk.runtime.job -> gocdnext_sdk.plugin",
        ),
        (
            "host/pipeline/parse.py",
            "host.cli.options",
            "The floors of host/: imports run down only",
            "gocdnext_sdk.host.pipeline.parse -> gocdnext_sdk.host.cli.options",
        ),
        ("oci/reference.py", "oci.client", "No cycle of files or directories", ".reference -> .client"),
    ],
)
def test_an_import_through_a_wall_is_told_with_the_wall(
    house: Path, module: str, imported: str, wall: str, arrow: str
) -> None:
    path = house / "sdk/gocdnext_sdk" / module
    path.write_text(f"{path.read_text()}\n\nimport gocdnext_sdk.{imported}\n")
    code, text = lint(house)
    assert code == 1
    broken = text[text.index("Broken contracts") :]
    assert wall in broken
    assert arrow in broken
