"""The Python package in the release: built alike each time, with the tag's version, and taken by an index."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import docker
import pytest
from testbed import package_index
from testbed.images import built
from testbed.package_index import PackageIndex
from testbed.pins import ROOT
from testbed.rehearsal import PACKAGE

from gocdnext_sdk.host.testing import Mode, PluginRunner

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "some-package"
version = "1.2.3"
description = "Some."
readme = "README.md"
requires-python = ">=3.11"
[tool.hatch.build]
only-include = ["some.py"]
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with built(PACKAGE) as tag:
        yield tag


@pytest.fixture(scope="module")
def index() -> Iterator[tuple[str, PackageIndex]]:
    """The name of a network, and an index in it."""
    client = docker.from_env()
    network = client.networks.create(f"gocdnext-test-{uuid4().hex[:8]}")
    with package_index.started(network.name, {}) as started:
        yield network.name, started
    network.remove()
    client.close()


def write(workspace: Path) -> None:
    (workspace / "pyproject.toml").write_text(PROJECT)
    (workspace / "README.md").write_text("# Some\n")
    (workspace / "some.py").write_text("ANSWER = 42\n")


def digests(workspace: Path) -> dict[str, str]:
    return {each.name: sha256(each.read_bytes()).hexdigest() for each in (workspace / "dist").iterdir()}


def test_two_builds_are_alike_and_have_the_tags_version(
    run_plugin: PluginRunner, image: str, workspace: Path
) -> None:
    write(workspace)
    run = {"CI_TAG_NAME": "v1.2.3", "CI_COMMIT_TIMESTAMP": "1700000000"}
    result = run_plugin(PACKAGE, {}, mode=Mode.IMAGE, image=image, env=run).passed()
    assert result.outputs == {"VERSION": "1.2.3"}
    first = digests(workspace)
    assert sorted(first) == ["some_package-1.2.3-py3-none-any.whl", "some_package-1.2.3.tar.gz"]
    shutil.rmtree(workspace / "dist")
    (workspace / "some.py").chmod(0o600)
    run_plugin(PACKAGE, {}, mode=Mode.IMAGE, image=image, env=run).passed()
    assert digests(workspace) == first
    other = run_plugin(PACKAGE, {}, mode=Mode.IMAGE, image=image, env=run | {"CI_TAG_NAME": "v1.2.4"})
    assert "the tag is v1.2.4, and the package's version is 1.2.3" in other.exited(1).log


def test_what_was_built_is_published_with_the_token_only(
    run_plugin: PluginRunner, image: str, index: tuple[str, PackageIndex], workspace: Path
) -> None:
    network, there = index
    write(workspace)
    run_plugin(PACKAGE, {}, mode=Mode.IMAGE, image=image).passed()

    def upload(token: str) -> str:
        with_ = {"action": "upload", "index": there.url, "token": token}
        result = run_plugin(PACKAGE, with_, mode=Mode.IMAGE, image=image, network=network)
        return (result.exited(3) if token == "wrong-token" else result.passed()).log

    assert "did not take the package" in upload("wrong-token")
    assert "published some_package-1.2.3-py3-none-any.whl" in upload(there.token)
    program = (
        f"import urllib.request as r; print(r.urlopen('{there.url}simple/some-package/').read().decode())"
    )
    client = docker.from_env()
    listed = client.containers.run(
        image,
        ["--library-path", "/gocdnext/lib", "/gocdnext/bin/python3", "-I", "-c", program],
        entrypoint="/gocdnext/ld.so",
        network=network,
        remove=True,
    ).decode()
    client.close()
    assert "some_package-1.2.3.tar.gz" in listed


def test_its_python_is_that_of_the_base() -> None:
    """Its packages are installed by it, since wheels are for one Python."""
    lines = (ROOT / "sdk/Dockerfile").read_text().splitlines()
    (stage,) = (line for line in lines if line.endswith(" AS python"))
    assert stage in (PACKAGE / "Dockerfile").read_text()
