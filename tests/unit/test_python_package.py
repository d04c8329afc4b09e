"""Which versions of the Python package are released, and under which tags."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from testbed.rehearsal import VERSION

from gocdnext_sdk import Findings
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.inputs.tagging.versions import parse_pep440

FOLDER = Path(__file__).parents[2] / ".gocdnext" / "plugins" / "python-package"
check_tag = sys.modules[load_plugin(FOLDER).__module__].check_tag


@pytest.mark.parametrize(
    ("tag", "version"),
    [("v1.2.3", "1.2.3"), ("v1.2.3-rc.1", "1.2.3rc1"), ("v1.3.0-beta.2", "1.3.0b2")],
)
def test_a_version_is_that_of_its_tag_in_the_two_spellings(tag: str, version: str) -> None:
    check_tag(tag, version)


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v1.2.4", "1.2.3"),
        ("v1.2.3", "1.2.3rc1"),
        ("v1.2.3-rc.1", "1.2.3"),
        ("v1.2.3-rc.2", "1.2.3rc1"),
        ("1.2.3", "1.2.3"),
        ("nightly", "1.2.3"),
    ],
)
def test_another_version_is_not_released(tag: str, version: str) -> None:
    with pytest.raises(Findings, match=f"tag is {tag}, .* version is {version}"):
        check_tag(tag, version)


@pytest.mark.parametrize(
    ("tag", "version"),
    [("v1.2.3rc1", "1.2.3rc1"), ("v1.2", "1.2"), ("v1.02.3", "1.2.3")],
)
def test_a_tag_that_gives_the_images_none_is_refused(tag: str, version: str) -> None:
    with pytest.raises(Findings, match=f"{tag} is no semantic version"):
        check_tag(tag, version)


@pytest.mark.parametrize("version", ["0.1.0", "2.0.0"])
def test_a_release_without_the_tag_that_everything_asks_for_is_refused(version: str) -> None:
    with pytest.raises(Findings, match="`v1`"):
        check_tag(f"v{version}", version)
    check_tag(f"v{version}-rc.1", f"{version}rc1")


def test_the_version_of_this_project_can_be_released() -> None:
    normal = parse_pep440(VERSION)
    assert normal
    check_tag(f"v{VERSION}", normal.parts["version"])
