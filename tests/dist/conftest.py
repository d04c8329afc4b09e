"""What is published, made and installed as users do it: once for a run of the tests, outside the checkout.

The dependencies come from the package index, at the versions of the development lock.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.dist.installed import Environment, fill_environment

ROOT = Path(__file__).parents[2]

SHIPPED = ("sdk", "plugins", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore")
"""What the distributions are built from."""

LITTER = ("sdk/gocdnext_sdk", "plugins/trivy")
"""Folders that get what must not be shipped."""


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[..., Path]:
    """Make a folder once, whichever of the test processes asks first; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (shared / f"{name}.done").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                (shared / f"{name}.done").touch()
        return folder

    return make


@pytest.fixture(scope="session")
def distributions(once: Callable[..., Path]) -> Path:
    """A folder with the sdist and the wheel, and the wheel of the sdist in ``again/``."""

    def build(folder: Path) -> None:
        source = folder / "source"
        source.mkdir()
        for name in SHIPPED:
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
        for name in LITTER:
            _litter(source / name)
        _hatch(source, folder, "sdist", "wheel")
        (sdist,) = folder.glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (unpacked,) = (folder / "unpacked").iterdir()
        _hatch(unpacked, folder / "again", "wheel")
        _hatch(_elsewhere(source, folder / "another" / "place"), folder / "elsewhere", "sdist", "wheel")

    return once("distributions", build)


def _elsewhere(source: Path, target: Path) -> Path:
    """Return a checkout as another umask leaves it, in another place, on another day."""
    shutil.copytree(source, target)
    for path in target.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (0, 1_000_000_000))
    return target


def _litter(folder: Path) -> None:
    """Leave what work leaves in a folder, and must not be shipped."""
    for name in ("__pycache__/plugin.cpython-311.pyc", ".pytest_cache/README.md", ".env", "cosign.key"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("TOKEN=litter\n")


def _hatch(source: Path, target: Path, *kinds: str) -> None:
    argv = [sys.executable, "-m", "hatchling", "build", "-d", target]
    for kind in kinds:
        argv += ["-t", kind]
    done = subprocess.run(argv, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    (found,) = distributions.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(distributions: Path) -> Path:
    (found,) = distributions.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session")
def install(once: Callable[..., Path], wheel: Path) -> Callable[..., Environment]:
    """Install the wheel with extras, as ``install("cli")``, and what else is named."""

    def installed(*extras: str, beside: tuple[str, ...] = ()) -> Environment:
        def fill(folder: Path) -> None:
            pins = re.findall(
                r"^[A-Za-z0-9._-]+==\S+", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE
            )
            (folder / "constraints.txt").write_text("\n".join(pins))
            target = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
            fill_environment(folder / "venv", "--constraint", folder / "constraints.txt", target, *beside)

        return Environment(once("-".join(("with", *extras)), fill) / "venv/bin")

    return installed


@pytest.fixture(scope="session")
def bare(install: Callable[..., Environment]) -> Environment:
    """``pip install gocdnext-plugin-sdk``."""
    return install()


@pytest.fixture(scope="session")
def plugin_side(install: Callable[..., Environment]) -> Environment:
    """``pip install 'gocdnext-plugin-sdk[plugin]'``: what the base image has."""
    return install("plugin")


@pytest.fixture(scope="session")
def author(install: Callable[..., Environment]) -> Environment:
    """``pip install 'gocdnext-plugin-sdk[cli]' pytest``: what the documentation tells authors to have."""
    return install("cli", beside=("pytest",))


@pytest.fixture
def checkout() -> Environment:
    """The environment that the tests run in."""
    return Environment(Path(sys.executable).parent)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as the documentation's commands expect it, without any of the SDK's code."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(ROOT / "plugins", tmp_path / "plugins")
    shutil.copytree(ROOT / "examples/release", tmp_path, dirs_exist_ok=True)
    (tmp_path / "src").mkdir()
    return tmp_path
