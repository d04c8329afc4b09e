"""What the published files hold, and nothing else."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from gocdnext_sdk.host.harness.base_image import RECIPE

ROOT = Path(__file__).parents[2]
BASE = "gocdnext_sdk/host/harness/base"
BUNDLED = "gocdnext_sdk/host/manifest/bundled"
IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


def files(folder: Path) -> set[str]:
    """Return the files of a folder of the checkout, without what tools leave there."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not IGNORED & set(path.parts)}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def read(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (found,) = (each for each in archive.namelist() if each.endswith(f".dist-info/{name}"))
        return archive.read(found)


def metadata(wheel: Path) -> Message:
    return BytesParser().parsebytes(read(wheel, "METADATA"))


def test_the_wheel_is_the_package_with_the_plugins_in_it_and_nothing_else(names: set[str]) -> None:
    package = {f"gocdnext_sdk/{name}" for name in files(ROOT / "sdk/gocdnext_sdk")}
    in_checkout = {"ci", "README.md"}
    plugins = {
        f"{BUNDLED}/{name}" for name in files(ROOT / "plugins") if name.split("/")[1] not in in_checkout
    }
    base = {f"{BASE}/{name}" for name in RECIPE}
    assert {name for name in names if ".dist-info/" not in name} == package | plugins | base


def test_the_base_image_is_made_of_what_is_shipped() -> None:
    copied = re.findall(r"^COPY (sdk/.+) \S+$", (ROOT / "sdk/Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} | {"sdk/Dockerfile"} == {
        "sdk/gocdnext_sdk",
        *(f"sdk/{name}" for name in RECIPE),
    }


def test_no_litter_no_secret_and_no_bytecode_is_shipped(wheel: Path, sdist: Path, names: set[str]) -> None:
    with tarfile.open(sdist) as archive:
        both = names | set(archive.getnames())
        content = [archive.extractfile(member) for member in archive if member.isfile()]
        assert not any(b"TOKEN=litter" in each.read() for each in content if each)
    assert not [
        name for name in both if name.endswith((".pyc", ".env", ".key")) or IGNORED & {*name.split("/")}
    ]


def test_the_wheel_of_the_sdist_is_the_very_same(wheel: Path, distributions: Path) -> None:
    assert (distributions / "again" / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_build_elsewhere_and_on_another_day_gives_the_same_bytes(
    wheel: Path, sdist: Path, distributions: Path
) -> None:
    for file in (wheel, sdist):
        assert (distributions / "elsewhere" / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_wheel_is_for_every_platform_and_small(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert wheel.stat().st_size < 1_000_000


def test_the_package_index_takes_the_metadata(wheel: Path) -> None:
    """The check that PyPI itself makes."""
    found = Metadata.from_email(read(wheel, "METADATA"), validate=True)
    assert found.license_expression == "Apache-2.0"
    assert found.description_content_type == "text/markdown"
    assert found.description == (ROOT / "README.md").read_text()
    assert read(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_type_checkers_take_the_package_for_typed(names: set[str]) -> None:
    assert "gocdnext_sdk/py.typed" in names


def test_an_author_gets_what_a_plugin_needs_and_no_more(wheel: Path) -> None:
    required = metadata(wheel).get_all("Requires-Dist", [])
    found = {each.split(">")[0] for each in required if "extra ==" not in each}
    assert {name.replace("_", "-") for name in found} == {"pydantic", "ahocorasick-rs"}
