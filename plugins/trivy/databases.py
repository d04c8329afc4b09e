"""Trivy's cache: how old its databases are, who may renew them, and where scans keep what layers hold."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .inputs import TrivyInputs

_DOWNLOADED_FOR = {"db": timedelta(hours=1), "java-db": timedelta(days=1)}
"""How long after a download Trivy asks for no newer one (aquasecurity/trivy 0.74, `isNewDB`)."""

LAYERS = Path("fanal", "fanal.db")
"""Where Trivy keeps in a cache what it has found in layers of images. One process at a time has it open."""

_KEPT_BYTES = 256 * 1024 * 1024
"""How large that may grow: Trivy removes nothing from it."""


def is_due(folder: Path) -> bool:
    """Tell whether Trivy would ask for a newer database than the one in `folder`, or for a first one."""
    metadata = _metadata(folder)
    now = datetime.now(UTC)
    next_update, downloaded = (_time(metadata.get(each)) for each in ("NextUpdate", "DownloadedAt"))
    return now >= next_update and now >= downloaded + _DOWNLOADED_FOR[folder.name]


def is_java_index_settled(inputs: TrivyInputs, cache: Path) -> bool:
    """Tell whether no scan will write the index of Java."""
    # What finds a jar without the index fails, where it may not be fetched.
    return inputs.offline or inputs.scans_insecurely or not is_due(cache / "java-db")


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

    Trivy would wait for that one, and give up after five seconds.
    """
    path = (cache / LAYERS).resolve()
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        if (cache / LAYERS).is_symlink():  # Trivy makes no directory behind it
            return os.access(path.parent, os.W_OK)
        return os.access(next(each for each in path.parents if each.exists()), os.W_OK)
    except OSError:
        return False
    return os.access(path, os.W_OK)


def drop_large(cache: Path) -> None:
    """Remove the layers from a cache that has grown large."""
    for path in (cache / LAYERS, *cache.glob("fanal-*.db")):
        with suppress(OSError):
            if path.stat().st_size > _KEPT_BYTES:
                path.unlink()


def database_date(cache: Path) -> str:
    """Return when the cached vulnerability database was made; empty if there is none."""
    return str(_metadata(cache / "db").get("UpdatedAt", ""))


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "metadata.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(text: object) -> datetime:
    """Return a time as Go writes it, with nine digits behind the second; the beginning of time for none."""
    try:
        return datetime.fromisoformat(str(text)[:19]).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
