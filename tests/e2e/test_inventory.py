"""Scanners see what is in our images, asked with the real one; "no findings" would say nothing otherwise."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import docker
import pytest
from testbed import engine
from testbed.images import BASE, plugin_tag

LIBRARIES = {"libssl3t64", "libc6", "zlib1g", "liblzma5", "libffi8", "ca-certificates"}
PACKAGES = {"gocdnext-plugin-sdk", "pydantic", "pydantic-core", "urllib3", "docker", "PyYAML"}


def saved(image: str, folder: Path) -> Path:
    """Return the layout of an image on the engine."""
    with engine.client(engine.up()) as client, (folder / "image.tar").open("wb") as file:
        file.writelines(client.images.get(image).save())
    with tarfile.open(folder / "image.tar") as archive:
        archive.extractall(folder / "layout", filter="data")
    return folder / "layout"


def components(image: str, folder: Path) -> list[dict[str, Any]]:
    """Return the SBOM that Trivy makes of an image."""
    argv = ["trivy", "image", "--input", saved(image, folder), "--format", "cyclonedx", "--quiet"]
    options = ["--cache-dir", folder / "cache", "--skip-version-check", "--disable-telemetry"]
    done = subprocess.run([*argv, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["components"]
    return found


def names(found: list[dict[str, Any]], kind: str) -> set[str]:
    listed = (each for each in found if each.get("purl", "").startswith(f"pkg:{kind}/"))
    return {each["name"].replace("_", "-") for each in listed}


def test_the_base_names_the_distribution_its_libraries_and_the_sdk(tmp_path: Path) -> None:
    found = components(BASE, tmp_path)
    (system,) = (each for each in found if each["type"] == "operating-system")
    assert (system["name"], system["version"].partition(".")[0]) == ("debian", "13")
    assert names(found, "deb") >= LIBRARIES
    assert names(found, "pypi") >= PACKAGES
    listed = [each["purl"] for each in found if "purl" in each]
    assert len(listed) == len(set(listed)), "something is listed twice, and so would its advisories be"


def test_kanikos_image_has_the_list_where_it_reaches_no_image_that_it_builds(tmp_path: Path) -> None:
    found = components(plugin_tag("kaniko"), tmp_path)
    assert names(found, "deb") >= LIBRARIES
    assert names(found, "pypi") >= PACKAGES
    assert names(found, "golang"), "kaniko itself"


def test_a_plugin_has_all_of_the_base_and_its_tool(tmp_path: Path) -> None:
    found = components(plugin_tag("cosign"), tmp_path)
    assert names(found, "deb") >= LIBRARIES
    assert "github.com/sigstore/cosign/v3" in names(found, "golang")


def test_expat_is_listed_whose_ever_it_is(client: docker.DockerClient) -> None:
    """Debian's Python uses Debian's; the official image's has one of its own, which no package owns."""
    container = client.containers.create(BASE)
    try:
        stream, _ = container.get_archive("/usr/share/sbom/base.json")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            listed = json.load(archive.extractfile("base.json") or pytest.fail("it is no file"))
    finally:
        container.remove(v=True)
    assert {"libexpat1", "expat"} & {each["name"] for each in listed["components"]}


@pytest.fixture
def client() -> Any:
    with engine.client(engine.up()) as connected:
        yield connected


def test_every_copied_library_is_from_a_package_that_is_listed(client: docker.DockerClient) -> None:
    """What the build copies it describes: by the licence of each package beside its stanza."""
    container = client.containers.create(BASE)
    try:
        stream, _ = container.get_archive("/var/lib/dpkg/status.d")
        status = _names(stream) - {"status.d"}
        stream, _ = container.get_archive("/usr/share/doc")
        assert status <= _names(stream)
        stream, _ = container.get_archive("/gocdnext/LICENSE")
        assert _names(stream) == {"LICENSE"}
    finally:
        container.remove(v=True)


def _names(stream: Any) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        return {Path(each).name for each in archive.getnames()}
