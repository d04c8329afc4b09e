"""An image that goes to files instead of a registry keeps its digest, whatever form it has there."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import Reference
from gocdnext_sdk.errors import Error
from gocdnext_sdk.oci.descriptor import OCI_INDEX, OCI_MANIFEST, digest_of
from gocdnext_sdk.oci.destination import Destination, Form
from gocdnext_sdk.oci.layout import layout_digest, read_archive
from gocdnext_sdk.oci.layout_registry import LayoutRegistry

CONFIG = "application/vnd.oci.image.config.v1+json"
NAMES = tuple(Reference.parse(f"ghcr.io/org/app:{tag}") for tag in ("v1", "latest"))


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blob(layout: Path, content: Any, media_type: str) -> dict[str, Any]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    digest = digest_of(data)
    path = layout / "blobs" / digest.replace(":", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def image(layout: Path, architecture: str) -> dict[str, Any]:
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": blob(layout, {"os": "linux", "architecture": architecture}, CONFIG),
        "layers": [blob(layout, b"layer", "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    return blob(layout, manifest, OCI_MANIFEST)


def finish(layout: Path, *entries: dict[str, Any]) -> Path:
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return layout


def built(workspace: Path, *architectures: str) -> Path:
    """What a builder has written: an image, or an index of several with an attestation, under two names."""
    layout = workspace / ".staged"
    layout.mkdir()
    children = [
        {**image(layout, each), "platform": {"os": "linux", "architecture": each}} for each in architectures
    ]
    if len(children) == 1:
        return finish(layout, children[0])
    attestation = {
        **image(layout, "unknown"),
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*children, attestation]}
    root = blob(layout, index, OCI_INDEX)
    return finish(layout, *({**root, "annotations": {"org.opencontainers.image.ref.name": n}} for n in "ab"))


@pytest.mark.parametrize(
    ("text", "form", "path"),
    [
        ("dist/app", Form.LAYOUT, "dist/app"),
        ("./dist/app", Form.LAYOUT, "./dist/app"),
        ("dist/app.tar", Form.ARCHIVE, "dist/app.tar"),
        ("oci:dist/app.tar", Form.LAYOUT, "dist/app.tar"),
        ("oci-archive:dist/app", Form.ARCHIVE, "dist/app"),
        ("docker-archive:app.tar", Form.SAVED, "app.tar"),
    ],
)
def test_the_ending_says_which_form_unless_a_word_does(text: str, form: Form, path: str) -> None:
    assert Destination.parse(text) == Destination(form, path)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "./", "oci:", "oci:.", "../app", "/etc/app.tar", "dist/../../app", "oci-archive:../x.tar"),
        *("docker://ghcr.io/org/app", "docker-daemon:app:1", "dir:x", "type=oci,dest=x.tar", "app.tar.gz"),
        *("app.tgz", "oci:dist/app:v1", "dist/a,b", "dist/a\nb"),
    ],
)
def test_what_is_no_place_for_an_image(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Destination.parse(text)


def test_what_is_in_the_way_is_known_before(workspace: Path) -> None:
    (workspace / "src").mkdir()
    (workspace / "src" / "main.py").touch()
    (workspace / "file").touch()

    def obstacle(text: str) -> str | None:
        return Destination.parse(text).obstacle(workspace)

    assert obstacle("src") == '"src" holds other files, such as "main.py"'
    assert obstacle("file") == '"file" is a file'
    assert obstacle("file/app.tar") == '"file/app.tar" is below a file'
    assert obstacle("oci-archive:src") == '"src" is a directory'
    assert [obstacle(each) for each in ("new", "new/app.tar", "src/app", "oci-archive:file")] == [None] * 4
    built(workspace, "amd64").rename(workspace / "earlier")
    assert obstacle("earlier") is None


@pytest.mark.parametrize("architectures", [("amd64",), ("amd64", "arm64")])
@pytest.mark.parametrize("text", ["dist/app", "dist/app.tar"])
def test_it_has_one_digest_and_one_name_in_every_form(
    workspace: Path, text: str, architectures: tuple[str, ...]
) -> None:
    layout = built(workspace, *architectures)
    digest = layout_digest(layout, None)
    for _ in range(2):  # the second replaces the first
        assert Destination.parse(text).write(layout, NAMES, workspace) == digest
        assert not list(workspace.glob("dist/.*"))
        layout = layout if layout.exists() else (workspace / "dist" / "app").rename(layout)
    if text.endswith(".tar"):
        (entry,) = read_archive(workspace / text).entries
    else:
        assert Destination.parse(text).write(layout, NAMES, workspace) == digest
        assert layout_digest(workspace / text, "v1") == layout_digest(workspace / text, digest) == digest
        return
    assert (entry.id, entry.names) == (digest, ("v1", "ghcr.io/org/app:v1"))


def test_equal_images_make_equal_archives(workspace: Path) -> None:
    contents = []
    for number in range(2):
        layout = built(workspace, "amd64")
        os.utime(layout / "index.json", (number, number))
        Destination.parse("app.tar").write(layout, (), workspace)
        contents.append((workspace / "app.tar").read_bytes())
        layout.rename(workspace / f"was-{number}")
    assert contents[0] == contents[1]


def test_docker_load_is_told_what_it_reads(workspace: Path) -> None:
    layout = built(workspace, "amd64")
    digest = Destination.parse("docker-archive:app.tar").write(layout, NAMES, workspace)
    with tarfile.open(workspace / "app.tar") as archive:
        (saved,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert {saved["Config"], *saved["Layers"]} <= set(archive.getnames())
    assert saved["RepoTags"] == ["ghcr.io/org/app:v1", "ghcr.io/org/app:latest"]
    assert read_archive(workspace / "app.tar").entries[0].id == digest


def test_a_docker_archive_of_several_platforms_is_refused_and_none_is_left(workspace: Path) -> None:
    with pytest.raises(Error, match="holds one platform, and this image has 2"):
        Destination.parse("docker-archive:app.tar").write(built(workspace, "amd64", "arm64"), (), workspace)
    assert not (workspace / "app.tar").exists()


def test_a_layout_is_read_as_a_registry_is(workspace: Path) -> None:
    layout = built(workspace, "amd64", "arm64")
    there = Reference.parse("ghcr.io/org/app").with_digest(layout_digest(layout, None))
    client = LayoutRegistry(layout).client()
    assert [each.platform for each in client.platforms(there)] == ["linux/amd64", "linux/arm64"]
    assert client.configuration(there.with_digest(client.platforms(there)[0].digest))[1]["os"] == "linux"


def test_content_that_is_not_what_its_digest_says_is_not_taken(workspace: Path) -> None:
    layout = built(workspace, "amd64")
    there = Reference.parse("ghcr.io/org/app").with_digest(layout_digest(layout, None))
    path = layout / "blobs" / str(there.digest).replace(":", "/")
    path.write_text("{}")
    with pytest.raises(Error, match="other content"):
        LayoutRegistry(layout).client().manifest(there)
    path.unlink()
    os.mkfifo(path)  # would be waited for without end
    assert LayoutRegistry(layout).client().find(there) is None
