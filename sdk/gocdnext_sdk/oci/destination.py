"""Files that an image is written to, instead of a registry.

The forms are those of containers-transports(5), as in `source`, so that what a builder has written is named
as what is read later. What is written is always an OCI image layout; the archives hold one.

Source: image-spec 1.1.1 `image-layout.md`; for the `manifest.json` of an archive, which every `docker load`
reads, moby `image/tarexport`, whose newer versions write it beside a layout too.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, Self

from gocdnext_sdk.errors import Error, Invalid, quoted
from gocdnext_sdk.oci.descriptor import OCI_INDEX, parse_child
from gocdnext_sdk.oci.layout import layout_digest
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.workspace import exists, is_directory, is_file, workspace_path

_SCHEME = re.compile(r"(?P<scheme>[a-z-]+):(?P<path>.*)", re.DOTALL)
_PACKED = re.compile(r"\.(tgz|txz|tbz2?|tar\.\w+)$")
_LAYOUT = ("oci-layout", "index.json", "blobs", "ingest")
"""What a layout may consist of; `ingest` is where containerd keeps what is not complete."""


class Form(StrEnum):
    """How an image is in files."""

    LAYOUT = "oci"
    """A directory."""

    ARCHIVE = "oci-archive"
    """A tar file of such a directory."""

    SAVED = "docker-archive"
    """The same, for `docker load` of any version; one platform."""


@dataclass(frozen=True)
class Destination:
    """Where an image is written.

    Args:
        form: as what.
        path: of the directory or file, in the workspace.
    """

    form: Form
    path: str

    @classmethod
    def parse(cls, text: str, workspace: Path | None = Path()) -> Self:
        """Parse a path: an archive if it ends in `.tar`, else a directory; or `oci:PATH` and the like.

        Raises:
            ValueError: it has none of these forms, or leaves the workspace.
        """
        match = _SCHEME.fullmatch(text)
        form, path = (match["scheme"], match["path"]) if match else ("", text)
        if form and form not in tuple(Form):
            raise Invalid(f"{quoted(form)} is no form of files", f"choose one of {', '.join(Form)}")
        if path.startswith("type="):
            raise Invalid(f"{quoted(text)} is an exporter of buildx", 'write a path, such as "dist/app.tar"')
        if not path or PurePosixPath(path) == PurePosixPath("."):
            raise Invalid(f"{quoted(text)} names no file or directory", 'write a path, such as "dist/app"')
        if ":" in path or "," in path or not path.isprintable():
            raise Invalid(
                f"{quoted(text)} has a character that no path here may have", "use letters and digits"
            )
        if _PACKED.search(path):
            raise Invalid(f"{quoted(text)} would be packed", "layers are packed already: write .tar")
        usual = Form.ARCHIVE if path.endswith(".tar") else Form.LAYOUT
        return cls(Form(form) if form else usual, workspace_path(path, workspace))

    def __str__(self) -> str:
        return f"{self.form}:{self.path}"

    def obstacle(self, workspace: Path) -> str | None:
        """Return what is in the way, None if nothing is. What an earlier build has written is replaced.

        Args:
            workspace: the checkout.
        """
        path = workspace / self.path
        if not exists(path):
            above = (each for each in path.parents if each.is_relative_to(workspace) and is_file(each))
            return f"{quoted(self.path)} is below a file" if next(above, None) else None
        if self.form is not Form.LAYOUT:
            return None if is_file(path) else f"{quoted(self.path)} is a directory"
        if not is_directory(path):
            return f"{quoted(self.path)} is a file"
        others = sorted(each.name for each in path.iterdir() if each.name not in _LAYOUT)
        return f"{quoted(self.path)} holds other files, such as {quoted(others[0])}" if others else None

    def write(self, layout: Path, names: Sequence[Reference], workspace: Path) -> str:
        """Move a layout with one image to its destination, and return the image's digest.

        Args:
            layout: a directory, on the workspace's file system.
            names: what the image is called; a layout has one name, `docker load` gives it all of them.
            workspace: the checkout.

        Raises:
            Error: there is not exactly one image, or the file cannot be written.
        """
        digest = layout_digest(layout, None)
        descriptor = _descriptor(layout, digest)
        if names:
            descriptor["annotations"] = {
                "io.containerd.image.name": str(names[0]),
                "org.opencontainers.image.ref.name": str(names[0].tag),
            }
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]}
        (layout / "index.json").write_text(json.dumps(index))
        if self.form is Form.SAVED:
            saved = [_saved(layout, digest, names)]
            (layout / "manifest.json").write_text(json.dumps(saved))
        path = workspace / self.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.form is Form.LAYOUT:
                if path.exists():
                    shutil.rmtree(path)
                layout.rename(path)
            else:
                _pack(layout, path)
        except OSError as error:
            raise Error(f"{self.path} cannot be written: {error.strerror}") from None
        return digest


def _pack(layout: Path, path: Path) -> None:
    """Write a tar of a layout: the same for the same content."""
    import tarfile

    partial = path.with_name(f".{path.name}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
            for each in sorted(layout.rglob("*")):
                entry = archive.gettarinfo(str(each), str(each.relative_to(layout)))
                entry.mtime = entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                entry.mode = 0o755 if entry.isdir() else 0o644
                if entry.isfile():
                    with each.open("rb") as stream:
                        archive.addfile(entry, stream)
                elif entry.isdir():
                    archive.addfile(entry)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _descriptor(layout: Path, digest: str) -> dict[str, Any]:
    for each in json.loads((layout / "index.json").read_text())["manifests"]:
        if each["digest"] == digest:
            return {key: each[key] for key in ("mediaType", "digest", "size", "platform") if key in each}
    raise KeyError(digest)


def _saved(layout: Path, digest: str, names: Iterable[Reference]) -> dict[str, Any]:
    """Return what `docker load` wants to know of the one image under `digest`."""

    def blob(digest: str) -> str:
        return f"blobs/{digest.replace(':', '/')}"

    manifest = json.loads((layout / blob(digest)).read_text())
    while "manifests" in manifest:  # an index, of an image and what attests to it
        images = [each for each in manifest["manifests"] if not parse_child(each).is_attestation]
        if len(images) != 1:
            raise Error(f"a docker archive holds one platform, and this image has {len(images)}")
        manifest = json.loads((layout / blob(images[0]["digest"])).read_text())
    return {
        "Config": blob(manifest["config"]["digest"]),
        "RepoTags": list(map(str, names)) or None,
        "Layers": [blob(each["digest"]) for each in manifest["layers"]],
    }
