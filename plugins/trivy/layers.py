"""What Trivy finds in the layers of images, kept in its cache for the next scan.

It depends on which of them Trivy takes for those of the base image: it looks for no secrets there, and keeps
what it found in a layer under a name that does not say so. So an image and its base would get each other's
answers, by which was scanned first. Nor does it say by which rules Trivy looked: a release with new ones
would not look again. The name depends on `--skip-files`, though: a pattern that fits nothing tells them
apart.

Source: Trivy 0.74 `pkg/cache/key.go`, `pkg/fanal/artifact/image/image.go` (`guessBaseLayers`),
`pkg/fanal/image/image.go` (`GuessBaseImageIndex`); `pkg/fanal/analyzer/secret/secret.go`, whose version stays
1 whatever changes in `pkg/fanal/secret/builtin-rules.go`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

LAYERS = Path("fanal", "fanal.db")
"""Where Trivy keeps in a cache what it has found in layers of images. One process at a time has it open."""

_KEPT_BYTES = 256 * 1024 * 1024
"""How large that may grow: Trivy removes nothing from it."""

_META = struct.Struct("=16xI4xI28xQQ")
"""Of a page of bbolt: its head; magic number, page size, number of pages and of changes."""

_MAGIC = 0xED0CDAED

_COMMANDS = ("/bin/sh -c #(nop)  CMD", "CMD")
"""What a base image's last line begins with, as the older builder and BuildKit write it."""


@contextmanager
def caches_beside(cache: Path, number: int, folder: Path, *, java: bool) -> Iterator[list[str]]:
    """Give caches for scans beside one that has `cache` itself, while the block runs.

    They share what is in it, and keep layers there in a file for each.

    Args:
        cache: Trivy's own.
        number: how many.
        folder: where to make them.
        java: whether they have the index of Java.
    """
    from tempfile import TemporaryDirectory

    cache = cache.resolve()
    own = ("fanal",) if java else ("fanal", "java-db")
    shared = [each for each in cache.iterdir() if not each.name.startswith(own)] if cache.is_dir() else []
    with TemporaryDirectory(prefix="gocdnext-", dir=folder) as made:
        beside = []
        for place in range(2, number + 2):
            path = Path(made, str(place))
            (path / LAYERS).parent.mkdir(parents=True)
            (path / LAYERS).symlink_to(cache / f"fanal-{place}.db")
            for each in shared:
                (path / each.name).symlink_to(each)
            beside.append(str(path))
        yield beside


def keeps_layers(cache: Path) -> bool:
    """Tell whether a scan can keep layers in `cache`: it can be written, and no other process has it open.

    Trivy would wait for that one, and give up after five seconds. A file that has lost its end, as when a
    cache was packed while a job wrote to it, is removed: Trivy fails on it each time.
    """
    path = (cache / LAYERS).resolve()
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not is_whole(file):
                path.unlink()
                return os.access(path.parent, os.W_OK)
    except FileNotFoundError:
        if (cache / LAYERS).is_symlink():  # Trivy makes no directory behind it
            return os.access(path.parent, os.W_OK)
        return os.access(next(each for each in path.parents if each.exists()), os.W_OK)
    except OSError:
        return False
    return os.access(path, os.W_OK)


def is_whole(file: BinaryIO) -> bool:
    """Tell whether a file of bbolt is as long as it says; an empty one is begun.

    Source: bbolt 1.5 `internal/common/page.go`, `meta.go`; `db.go`, `init`: two metas, the first two pages.
    """
    size, page, last, needed = os.fstat(file.fileno()).st_size, 0, -1, 1
    for number in range(2) if size else ():
        file.seek(number * page)
        head = file.read(_META.size)
        if len(head) < _META.size:
            return False
        magic, page, pages, change = _META.unpack(head)
        if magic != _MAGIC:
            return False
        if change > last:
            last, needed = change, pages * page
    return not size or size >= needed


def drop_large(cache: Path) -> None:
    """Remove the layers from a cache that has grown large."""
    for path in (cache / LAYERS, *cache.glob("fanal-*.db")):
        with suppress(OSError):
            if path.stat().st_size > _KEPT_BYTES:
                path.unlink()


def telling_apart(configuration: Mapping[str, Any], trivy: str) -> list[str]:
    """Return Trivy's arguments by which layers are kept for images with the same base, and one Trivy, only.

    Args:
        configuration: of the image.
        trivy: the executable, which is known by its size.
    """
    known = list(base_layers(configuration))
    with suppress(OSError):  # a plan has none
        known.append(str(Path(trivy).stat().st_size))
    return ["--skip-files", f"no-file-{hashlib.sha256(' '.join(known).encode()).hexdigest()[:16]}"]


def base_layers(configuration: Mapping[str, Any]) -> Sequence[str]:
    """Return the digests of the layers that Trivy takes for the base image's."""
    history, root = _list(configuration, "history"), configuration.get("rootfs")
    layers = _list(root if isinstance(root, dict) else {}, "diff_ids")
    history = [each if isinstance(each, dict) else {} for each in history]
    top = next((n for n in reversed(range(len(history))) if not history[n].get("empty_layer")), 0)
    ends = (
        n
        for n in reversed(range(top))
        if history[n].get("empty_layer") and str(history[n].get("created_by", "")).startswith(_COMMANDS)
    )
    end = next(ends, 0)
    return [str(each) for each in layers[: sum(not each.get("empty_layer") for each in history[:end])]]


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    return found if isinstance(found, list) else []
