"""What jobs keep between runs: `cache:`, restored before a job and stored after its success.

One file for each checkout and key, in a folder of the user's. As on the platform, a cache only saves time:
what cannot be restored or stored is said, and the job goes on; a key that cannot be made fails it.

Source: upstream `agent/internal/runner/cache.go`, `cachekey_expand.go`.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from gocdnext_sdk.errors import Error
from gocdnext_sdk.host.harness.archive import BROKEN, END, Escapes, TooLarge, as_file, rerooted, store
from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.pipeline import syntax

_CHUNK = 1 << 20
_HASH_LENGTH = 12
_MAX_FILES = 100
_MAX_BYTES = 64 << 20


class CacheError(Error):
    """A cache's key cannot be made, or it cannot be stored."""


@dataclass(frozen=True)
class CacheEntry:
    """One cache in the folder.

    Args:
        checkout: whose it is.
        key: its key.
        size: in bytes.
        file: where it is.
    """

    checkout: str
    key: str
    size: int
    file: Path

    def remove(self) -> None:
        """Delete it."""
        self.file.unlink(missing_ok=True)
        self.file.with_suffix(".json").unlink(missing_ok=True)


@dataclass(frozen=True)
class Caches:
    """The caches of one checkout.

    Args:
        folder: where all of the user's are.
        checkout: the directory whose jobs share them.
    """

    folder: Path
    checkout: Path

    def restore(self, key: str) -> Iterator[bytes] | None:
        """Return a cache as a tar for a workspace; None if there is none."""
        try:
            stream = self._file(key).open("rb")
        except FileNotFoundError:
            return None

        def chunks() -> Iterator[bytes]:
            with stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk

        return chunks()

    def store(self, key: str, packed: Iterable[tuple[str, Iterator[bytes]]]) -> int:
        """Replace a cache and return its size in bytes.

        Args:
            key: its key.
            packed: paths of the workspace, each as the engine packs it.

        Raises:
            CacheError: what is packed is too large, or would leave a workspace.
            DaemonError: the engine is gone.
        """
        file = self._file(key)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = file.with_suffix(f".{uuid4().hex[:8]}")
        try:
            with new.open("xb") as stream:
                size = store(stream, _joined(packed))
            file.with_suffix(".json").write_text(json.dumps({"checkout": str(self.checkout), "key": key}))
            new.replace(file)
        except (Escapes, TooLarge, *BROKEN) as error:
            raise CacheError(str(error)) from error
        finally:
            new.unlink(missing_ok=True)
        return size

    def _file(self, key: str) -> Path:
        name = hashlib.sha256(f"{self.checkout}\0{key}".encode()).hexdigest()[:32]
        return self.folder / f"{name}.tar"


def entries(folder: Path) -> Iterator[CacheEntry]:
    """Yield every cache in a folder, by checkout and key."""
    found = []
    for note in folder.glob("*.json"):
        file = note.with_suffix(".tar")
        try:
            said = json.loads(note.read_text())
            found.append(CacheEntry(str(said["checkout"]), str(said["key"]), file.stat().st_size, file))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # half written, or being removed
    yield from sorted(found, key=lambda each: (each.checkout, each.key))


def expanded(key: str, snapshot: Snapshot) -> str:
    """Return a key with every `{{ hash "glob" }}` in it replaced, by the checkout's files.

    Raises:
        CacheError: a glob fits no file, or too much.
    """
    return syntax.expand_cache_key(key, lambda pattern: _hash(pattern, snapshot))


def _hash(pattern: str, snapshot: Snapshot) -> str:
    found = sorted(name for name in snapshot.entries if syntax.matches_path(pattern, name))
    if not found:
        raise CacheError(f'cache key: hash "{pattern}" fits no file of the checkout')
    if len(found) > _MAX_FILES or sum(snapshot.entries[name].size for name in found) > _MAX_BYTES:
        raise CacheError(f'cache key: hash "{pattern}" fits {len(found)} files, or more than 64 MiB of them')
    digest = hashlib.sha256()
    for name in found:
        content = snapshot.read(name)
        if content is None:
            raise CacheError(f'cache key: hash "{pattern}": {name} is not a regular file')
        digest.update(name.encode(errors="surrogateescape") + b"\n" + content + b"\n")
    return digest.hexdigest()[:_HASH_LENGTH]


def _joined(packed: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    for path, tar in packed:
        with tarfile.open(fileobj=as_file(tar), mode="r|") as archive:
            yield from rerooted(archive, posixpath.normpath(path), ".")
        for _ in tar:  # what follows the archive's end, so that the connection is free again
            pass
    yield END
