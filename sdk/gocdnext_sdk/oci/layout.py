"""Images in files: OCI image layouts, archives of them, and what `docker save` writes.

It is never guessed which of several images is meant. An image is identified by its digest and may have
several names.

Source: OCI image-spec `image-layout.md`; containerd's annotation `io.containerd.image.name`, which docker and
buildx write beside the specification's; moby `image/tarexport` for `manifest.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gocdnext_sdk.errors import Error
from gocdnext_sdk.oci.descriptor import parse_manifest
from gocdnext_sdk.oci.reference import Reference, is_digest
from gocdnext_sdk.oci.strict_json import check_names, parse_any
from gocdnext_sdk.workspace import read_bytes

_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_NOT_AS_WRITTEN = (TypeError, AttributeError)
"""Raised where the JSON has another shape."""

_MAX_JSON = 4 * 1024 * 1024
"""Bytes."""


@dataclass(frozen=True)
class Entry:
    """One image in an index file.

    Args:
        id: identifies it: its digest or, from `docker save`, the path of its configuration.
        names: its names.
    """

    id: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Archive:
    """An archive with images.

    Args:
        is_layout: whether it holds an OCI image layout; newer versions of `docker save` write one too.
        entries: its images; one with several names may be listed more than once.
    """

    is_layout: bool
    entries: tuple[Entry, ...]


def layout_digest(layout: Path, name: str | None) -> str:
    """Return the digest of an image in an OCI image layout.

    Args:
        layout: the directory.
        name: the image's name or digest; None for the only image.

    Raises:
        Error: it is not a layout, or does not contain exactly one such image.
    """
    try:
        entries = _read_index(parse_manifest(read_bytes(layout / "index.json")))
    except (OSError, KeyError, *_NOT_AS_WRITTEN):
        raise Error(f"{layout} is not an OCI image layout: its index.json cannot be read") from None
    except ValueError as error:
        raise Error(f"{layout} is not an OCI image layout: its index.json cannot be read: {error}") from None
    return choose(entries, name, layout).id


def read_archive(path: Path) -> Archive:
    """Read which images an archive holds.

    Raises:
        Error: it is not an archive of images.
    """
    import tarfile

    try:
        with tarfile.open(path) as archive:
            found: dict[str, bytes] = {}
            for member in archive:
                file = str(PurePosixPath(member.name))
                stream = archive.extractfile(member) if file in ("index.json", "manifest.json") else None
                if stream is not None:
                    found[file] = stream.read(_MAX_JSON)
        if "index.json" in found:
            return Archive(True, _read_index(parse_manifest(found["index.json"])))
        return Archive(False, _read_saved(parse_any(found["manifest.json"])))
    except (tarfile.TarError, OSError, EOFError, LookupError, ValueError, *_NOT_AS_WRITTEN):
        raise Error(
            f"{path} is not an archive of images",
            "an OCI image layout or what `docker save` writes, as a tar file; gzip, bzip2 or xz may pack it",
        ) from None


def choose(entries: Iterable[Entry], name: str | None, where: Path) -> Entry:
    """Return the one image that is meant.

    Args:
        entries: the images.
        name: its name or its digest; None for the only image.
        where: the layout or archive, for messages.

    Raises:
        Error: no image has this name, or several do.
    """
    entries = tuple(entries)
    fitting = [each for each in entries if name is None or name == each.id or _fits(name, each.names)]
    if len({each.id for each in fitting}) == 1:
        return fitting[0]
    known = ", ".join(sorted({each for entry in entries for each in entry.names})) or "none with a name"
    what = f"{len({each.id for each in fitting})} images" if fitting or name is None else "no image"
    asked = f' with the name "{name}"' if name else ""
    raise Error(f"{where} holds {what}{asked}; there are: {known}", "write `oci:PATH:NAME` or the like")


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive of an OCI image layout: its index and blobs, and nothing else.

    Args:
        path: the archive.
        folder: the directory to create.
    """
    import shutil
    import tarfile

    with tarfile.open(path) as archive:
        for member in archive:
            file = PurePosixPath(member.name)
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is None or file.is_absolute() or ".." in file.parts:
                continue
            if str(file) in ("index.json", "oci-layout") or file.parts[0] == "blobs":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as copy:
                    shutil.copyfileobj(stream, copy)


def _read_index(index: Mapping[str, Any]) -> tuple[Entry, ...]:
    entries = []
    for each in index["manifests"]:
        annotations = each.get("annotations") or {}
        names = (annotations[key] for key in _NAMES if annotations.get(key))
        entries.append(Entry(each["digest"], tuple(dict.fromkeys(map(str, names)))))
    if not all(is_digest(each.id) for each in entries):
        raise ValueError("it names an image by something that is not a digest")
    return tuple(entries)


def _read_saved(images: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    for each in images:
        check_names(each, ("Config", "RepoTags", "Layers"))
    return tuple(Entry(str(each["Config"]), tuple(each.get("RepoTags") or ())) for each in images)


def _fits(name: str, names: Iterable[str]) -> bool:
    return any(name == each or _full(name) == _full(each) != "" for each in names)


def _full(name: str) -> str:
    """Return the full form of a name: `app:1` is `docker.io/library/app:1`."""
    try:
        return str(Reference.parse(name)) if ":" in name else ""
    except ValueError:
        return ""
