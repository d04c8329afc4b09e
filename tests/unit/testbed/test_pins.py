"""One file pins every tool: what builds and what is built agree with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from testbed.environment import STAGES
from testbed.pins import ROOT, pins

from gocdnext_sdk.host.harness import local_registry

DOCKERFILES = [
    *(file for file in sorted(ROOT.glob("sdk/**/Dockerfile")) if "scaffold" not in file.parts),
    *sorted(ROOT.glob("plugins/*/Dockerfile")),
]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_dockerfile_starts_from_the_pinned_images_only(dockerfile: Path) -> None:
    stages = {
        name: image
        for image, name in re.findall(
            r"^FROM (?:--platform=\S+ )?(\S+) AS (\S+)$", dockerfile.read_text(), re.MULTILINE
        )
    }
    outside = {
        name: image
        for name, image in stages.items()
        if image not in {*stages, "scratch"} and "gocdnext-plugin-base" not in image
    }
    assert outside, "a Dockerfile without a pinned stage"
    # One of the base's stages is the same image once more, of the platform that builds.
    assert outside == {name: pins()["python" if name == "native" else name].image for name in outside}


@pytest.mark.parametrize("name", [*STAGES, "python", "registry"])
def test_an_official_image_is_pinned_by_digest_and_version(name: str) -> None:
    pin = pins()[name]
    assert re.search(rf":v?{re.escape(pin.version)}[-\w]*@sha256:[0-9a-f]{{64}}$", pin.image)


@pytest.mark.parametrize("name", [name for name, pin in pins().items() if pin.go])
def test_go_builds_the_pinned_version(name: str) -> None:
    pin = pins()[name]
    module = (ROOT / "testbed" / "tools" / name / "go.mod").read_text()
    required = dict(re.findall(r"^(?:require )?\s*(\S+) v(\S+)", module, re.MULTILINE))
    packages = pin.go.split()
    if packages[0] == ".":  # a program of ours around one package
        assert pin.version in required.values()
        return
    owner = next(
        path for path in sorted(required, key=len, reverse=True) if f"{packages[0]}/".startswith(f"{path}/")
    )
    assert required[owner] == (pin.go_version or pin.version)
    assert all(
        re.search(rf"^(?:tool )?\s*{re.escape(package)}$", module, re.MULTILINE) for package in packages
    )
    assert f"{owner} v{required[owner]} h1:" in (ROOT / "testbed" / "tools" / name / "go.sum").read_text()


def test_the_image_installs_hashed_packages_only() -> None:
    lock = (ROOT / "sdk" / "requirements.lock").read_text()
    requirements = [block for block in re.split(r"\n(?=[a-z])", lock) if not block.startswith("#")]
    assert len(requirements) > 5
    assert all("==" in each and "--hash=sha256:" in each for each in requirements)


LOCK = [line.split() for line in (ROOT / "tools.lock").read_text().splitlines()]


def unknown(images: Iterable[str], lock: list[list[str]]) -> set[str]:
    """Return the images whose tag did not have that digest when it was pinned."""
    return set(images) - {f"{tagged}@{digest}" for tagged, digest in lock}


def test_a_tag_is_never_raised_without_its_digest() -> None:
    images = [pin.image for pin in pins().values() if pin.image]
    assert unknown(images, LOCK) == set(), "use `make pins` or `python -m testbed pins NAME VERSION --write`"
    raised = [image.replace(":0.36.1@", ":0.99.0@") for image in images]
    assert len(unknown(raised, LOCK)) == 1


def test_the_local_registry_starts_the_pinned_image() -> None:
    assert pins()["registry"].image == local_registry.DEFAULT_IMAGE


def test_a_digest_has_one_tag() -> None:
    """Or the tag was raised in both files, and the digest in neither."""
    repeated = {digest for _, digest in LOCK if sum(digest == each for _, each in LOCK) > 1}
    assert repeated == set()


def test_what_the_image_says_of_the_sdk_is_so() -> None:
    """The wheel carries both, for a base image that is built without a checkout."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    fields = {
        "Metadata-Version": "2.4",
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "License-Expression": project["license"],
    }
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines += [f"Requires-Dist: {each}" for each in project["dependencies"]]
    assert (ROOT / "sdk/METADATA").read_text().splitlines() == lines
    assert (ROOT / "sdk/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
