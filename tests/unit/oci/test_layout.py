"""Images in files: which one is meant is never guessed."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from gocdnext_sdk.errors import Error
from gocdnext_sdk.oci.layout import Entry, choose, layout_digest, read_archive, unpack

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_index(folder: Path, *images: tuple[str | None, str]) -> Path:
    key = "org.opencontainers.image.ref.name"
    entries = [{"digest": digest} | ({"annotations": {key: name}} if name else {}) for name, digest in images]
    (folder / "index.json").write_text(json.dumps({"manifests": entries}))
    return folder


def test_the_only_image_of_a_layout_needs_no_name(checkout: Path) -> None:
    assert layout_digest(write_index(checkout, (None, ONE)), None) == ONE
    assert layout_digest(write_index(checkout, (None, ONE), ("v1", ONE)), None) == ONE


def test_one_of_several_needs_its_name(checkout: Path) -> None:
    write_index(checkout, ("v1", ONE), ("v2", TWO))
    assert layout_digest(checkout, "v2") == TWO
    with pytest.raises(Error, match=r"holds 2 images; there are: v1, v2; write `oci:PATH:NAME`"):
        layout_digest(checkout, None)
    with pytest.raises(Error, match=r'holds no image with the name "v3"; there are: v1, v2'):
        layout_digest(checkout, "v3")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"manifests": 1}', '{"manifests": [{}]}'),
        *('{"manifests": [{"digest": "x\\nerror: y"}]}', '{"manifests": [{"digest": 1}]}'),
        *(f'{{"manifests": [{{"digest": "{ONE}"}}], "{key}": []}}' for key in ("manifests", "Manifests")),
        f'{{"manifests": [{{"digest": "{ONE}", "Digest": "{TWO}"}}]}}',
    ],
)
def test_what_is_no_layout_is_told(checkout: Path, text: str) -> None:
    (checkout / "index.json").write_text(text)
    with pytest.raises(Error, match="is not an OCI image layout"):
        layout_digest(checkout, None)


def test_two_images_of_one_name_are_two(checkout: Path) -> None:
    write_index(checkout, ("1", ONE), ("1", TWO))
    for name in (None, "1"):
        with pytest.raises(Error, match="holds 2 images"):
            layout_digest(checkout, name)
    with pytest.raises(Error, match="holds 2 images; there are: none with a name"):
        layout_digest(write_index(checkout, (None, ONE), (None, TWO)), None)


def test_containerds_names_are_understood(checkout: Path) -> None:
    """As docker and buildx write them: two images whose names differ before the tag."""
    entries = [
        {
            "digest": digest,
            "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"},
        }
        for name, digest in (("docker.io/library/app:1", ONE), ("docker.io/library/other:1", TWO))
    ]
    (checkout / "index.json").write_text(json.dumps({"manifests": entries}))
    assert layout_digest(checkout, "docker.io/library/other:1") == layout_digest(checkout, "other:1") == TWO
    for name in (None, "1"):
        with pytest.raises(Error, match=r"holds 2 images.*docker.io/library/app:1"):
            layout_digest(checkout, name)


def archive(path: Path, files: dict[str, object], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


SAVED = [
    {"Config": "1.json", "RepoTags": ["app:1", "app:latest"], "Layers": []},
    {"Config": "2.json", "RepoTags": ["other:2"], "Layers": []},
    {"Config": "3.json", "RepoTags": None, "Layers": []},
]


class TestArchives:
    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
    def test_what_docker_save_wrote(self, checkout: Path, mode: str) -> None:
        found = read_archive(archive(checkout / "a.tar", {"./manifest.json": SAVED}, mode))
        assert not found.is_layout
        assert found.entries == (
            Entry("1.json", ("app:1", "app:latest")),
            Entry("2.json", ("other:2",)),
            Entry("3.json"),
        )

    @pytest.mark.parametrize("name", ["other:2", "docker.io/library/other:2", "library/other:2"])
    def test_an_image_is_found_by_each_way_to_write_its_name(self, checkout: Path, name: str) -> None:
        found = read_archive(archive(checkout / "a.tar", {"manifest.json": SAVED}))
        assert choose(found.entries, name, checkout).id == "2.json"

    def test_without_a_name_none_of_several_is_taken(self, checkout: Path) -> None:
        found = read_archive(archive(checkout / "a.tar", {"manifest.json": SAVED}))
        for name in (None, "nope", "other"):
            with pytest.raises(Error, match="there are: app:1, app:latest, other:2"):
                choose(found.entries, name, checkout)
        assert choose(
            read_archive(archive(checkout / "b.tar", {"manifest.json": SAVED[2:]})).entries, None, checkout
        )

    def test_a_layout_in_one_is_unpacked_without_what_else_is_there(self, checkout: Path) -> None:
        index = {"manifests": [{"digest": ONE}, {"digest": TWO}]}
        blob = f"blobs/sha256/{'1' * 64}"
        files = {
            "index.json": index,
            "oci-layout": {},
            blob: b"x",
            "manifest.json": [],
            "../up": b"",
            "/abs": b"",
        }
        path = archive(checkout / "a.tar", files)
        assert read_archive(path).is_layout
        unpack(path, checkout / "in" / "layout")
        assert (checkout / "in" / "layout" / blob).read_bytes() == b"x"
        assert sorted(each.name for each in checkout.rglob("*") if each.is_file()) == [
            "1" * 64,
            "a.tar",
            "index.json",
            "oci-layout",
        ]

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08broken"])
    def test_what_is_none_is_told(self, checkout: Path, content: bytes) -> None:
        (checkout / "a.tar").write_bytes(content)
        with pytest.raises(Error, match="is not an archive of images"):
            read_archive(checkout / "a.tar")

    @pytest.mark.parametrize("manifest", [[1], [{"RepoTags": 1, "Config": "x"}], None])
    def test_and_so_is_one_of_something_else(self, checkout: Path, manifest: object) -> None:
        with pytest.raises(Error, match="is not an archive of images"):
            read_archive(archive(checkout / "a.tar", {"manifest.json": manifest, "x": b""}))
