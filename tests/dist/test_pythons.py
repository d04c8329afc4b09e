"""The wheel on the other Pythons that README names: the commands, a new plugin, and the unit tests."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.dist.installed import TOOLS, Environment, fill_environment

ROOT = Path(__file__).parents[2]
TESTED = re.findall(
    r"^\| Python for the command \| ([^|]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE
)
PYTHONS = [each for each in re.findall(r"3\.\d+", "".join(TESTED)) if each != "3.11"]

EXTRAS = {
    "registry": "from gocdnext_sdk import RegistryClient, Reference, RegistryError\n"
    "try: RegistryClient().resolve(Reference.parse('localhost:1/none:v1'))\n"
    "except RegistryError as error: assert 'localhost:1' in str(error), error",
    "docker": "from gocdnext_sdk import DaemonError\nfrom gocdnext_sdk.runtime.docker_client import connect\n"
    "try: connect({'DOCKER_HOST': 'unix:///nowhere.sock'}).ping()\n"
    "except Exception as error: assert 'nowhere' in str(error) or 'No such file' in str(error), error",
    "crypto": "from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key\n"
    "assert generate_private_key(SECP256R1()).public_key()",
    "zones": "import zoneinfo; zoneinfo.reset_tzpath(to=[])\n"
    "from gocdnext_sdk.inputs.tagging import dates; assert zoneinfo.ZoneInfo('Europe/Lisbon')",
    "yaml": "import gocdnext_sdk.tools.buildkit.kubernetes, yaml; assert yaml.safe_load('[1]') == [1]",
}
"""What works with an extra alone."""

pytestmark = pytest.mark.soak


def interpreter(version: str) -> str:
    """Return the path of a Python: on the PATH, or as pyenv keeps it.

    A host without it fails the test: README says that it is tested.
    """
    kept = sorted(
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin")
    )
    folders = [*map(str, reversed(kept)), *(each for each in os.get_exec_path() if "/.pyenv/" not in each)]
    found = shutil.which(f"python{version}", path=os.pathsep.join(folders))
    assert found, f"install Python {version}, on the PATH or by pyenv"
    return found


@pytest.fixture(scope="module", params=PYTHONS)
def environment(request: pytest.FixtureRequest, once: Callable[..., Path], wheel: Path) -> Environment:
    def fill(folder: Path) -> None:
        venv, python = folder / "venv", interpreter(request.param)
        fill_environment(venv, f"gocdnext-plugin-sdk[cli] @ {wheel.as_uri()}", *TOOLS, python=python)

    return Environment(once(f"with-{request.param}", fill) / "venv/bin")


def test_the_commands_and_a_new_plugin_work(environment: Environment, project: Path) -> None:
    pipeline = ".gocdnext/release.yaml"
    for argv in (["--help"], ["lint", pipeline], ["plan", pipeline], ["new", "words"]):
        done = environment.command(*argv, cwd=project)
        assert done.exit_code == 0, done.err
    # No engine: the image's test is skipped.
    tested = environment.having({"DOCKER_HOST": "unix:///nowhere.sock"}).shell(
        "cd words && python -m pytest -q -p no:cacheprovider", cwd=project
    )
    assert tested.exit_code == 0, tested.out


def test_the_unit_tests_pass(environment: Environment) -> None:
    environment.unit_tests()


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("version", ["3.11", *PYTHONS])
def test_each_extra_brings_what_its_part_of_the_sdk_imports(
    version: str, extra: str, wheel: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    fill_environment(venv, f"gocdnext-plugin-sdk[{extra}] @ {wheel.as_uri()}", python=interpreter(version))
    done = Environment(venv / "bin").python("-c", EXTRAS[extra], cwd=tmp_path)
    assert (done.exit_code, done.err) == (0, "")
