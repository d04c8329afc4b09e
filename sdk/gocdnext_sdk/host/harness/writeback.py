"""Bring back what a job wrote into the user's tree, as the user's own files.

The tar comes from a container that may have run anything, so none of its paths is trusted: directories are
opened one by one without following links, files are written under a temporary name and then renamed, and
nothing is written into ``.git`` or outside the tree.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.archive import BROKEN, LIMIT, ZEROS, as_file
from gocdnext_sdk.host.harness.job_files import DIRECTORY
from gocdnext_sdk.host.harness.snapshot import Entry, Snapshot

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


@dataclass
class Changes:
    """What one job brought back.

    Args:
        written: paths below the tree, in the order of the tar.
        notices: what was left out or overwritten, and why.
    """

    written: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class Refused(Exception):
    """A path that is not brought back; the message says why."""


class _TooLarge(Exception):
    """The job left more than `LIMIT`; the message says where it was exceeded."""


class WriteBack:
    """Brings back the files of all jobs of a run into the tree that the snapshot was taken of."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._root = snapshot.root
        self._lock = threading.Lock()
        self._writers: dict[str, str] = {}

    @property
    def written(self) -> tuple[str, ...]:
        """The paths that jobs have added or changed so far."""
        with self._lock:
            return tuple(self._writers)

    def absorb(self, job: str, tar: Iterator[bytes]) -> Changes:
        """Write what `job` added or changed; `tar` is its workspace as a directory named ``workspace``.

        Raises:
            DaemonError: the tar is broken or incomplete.
        """
        changes = Changes()
        with self._lock, _opened(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)) as root:
            try:
                with tarfile.open(fileobj=as_file(tar), mode="r|") as archive:
                    self._take(job, root, archive, changes)
            except _TooLarge as refusal:
                changes.notices.append(f"{refusal}; that and what follows it is not brought back")
                return changes
            except BROKEN as error:
                raise DaemonError(f"the engine sent a broken archive of the workspace: {error}") from error
            for _ in tar:  # what follows the archive's end, so that the connection is free again
                pass
        return changes

    def _take(self, job: str, root: int, archive: tarfile.TarFile, changes: Changes) -> None:
        taken = 0
        for member in archive:
            # A tar is a stream: what is too large cannot be skipped without reading all of it.
            taken += max(member.size, 0)
            if taken > LIMIT:
                raise _TooLarge(f"{member.name}: the job left more than {LIMIT >> 30} GiB")
            parts = PurePosixPath(member.name).parts[1:]
            path = "/".join(parts)
            try:
                if not self._wanted(parts, member):
                    continue
                if self._write(root, parts, member, archive):
                    changes.written.append(path)
                    earlier = self._writers.get(path)
                    self._writers[path] = job
                    if earlier not in {None, job}:
                        changes.notices.append(f"{path}: replaces what job {earlier} wrote")
            except Refused as refusal:
                changes.notices.append(f"{path}: not brought back: {refusal}")
            except OSError as error:
                changes.notices.append(f"{path}: not brought back: {error.strerror}")

    def _wanted(self, parts: tuple[str, ...], member: tarfile.TarInfo) -> bool:
        if not parts or member.isdir() or _is_deletion(member) or self._is_private(parts):
            return False
        known = self._snapshot.entries.get("/".join(parts))
        # A file rewritten within the second of the snapshot may look untouched; then its content decides.
        settled = member.mtime < int(self._snapshot.taken_at) - 1
        return not (known == Entry.of(member) and (settled or member.issym()))

    def _is_private(self, parts: tuple[str, ...]) -> bool:
        """Return whether a path belongs to the history or the platform, or is kept from jobs."""
        path = "/".join(parts)
        outputs = path.startswith(f"{DIRECTORY}/")
        return outputs or any(map(_is_git, parts)) or self._root / path in self._snapshot.excluded

    def _write(
        self, root: int, parts: tuple[str, ...], member: tarfile.TarInfo, archive: tarfile.TarFile
    ) -> bool:
        """Write one member; return whether that changed anything."""
        if ".." in parts or "\0" in member.name + member.linkname:
            raise Refused("its path leaves the tree")
        if member.issparse():  # the engine packs none; such a size is not to be trusted
            raise Refused("it is packed as a sparse file")
        with self._parent(root, parts[:-1]) as parent:
            path, name = "/".join(parts), parts[-1]
            self._check_unedited(path, parent, name)
            if member.issym():
                return self._link(parts, member.linkname, parent)
            if member.islnk():
                source = PurePosixPath(member.linkname).parts[1:]
                if not source or ".." in source or self._is_private(source):
                    raise Refused(f"it is a link to {member.linkname}, which is not copied back either")
                with self._parent(root, source[:-1]) as folder:
                    fd = os.open(source[-1], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
                    with os.fdopen(fd, "rb") as original:
                        return self._file(original, member.mode, name, parent)
            content = archive.extractfile(member)
            if content is None:
                raise Refused("it is neither a file nor a link")
            return self._file(content, member.mode, name, parent, self._unchanged(path, member))

    def _unchanged(self, path: str, member: tarfile.TarInfo) -> bytes | None:
        """Return the digest that a file has if the job left it alone, where size and time do not tell."""
        if self._snapshot.entries.get(path) != Entry.of(member):
            return None
        return sha256(self._snapshot.read(path) or b"").digest()

    def _check_unedited(self, path: str, parent: int, name: str) -> None:
        """Refuse to overwrite what the user changed during the run."""
        known = self._snapshot.entries.get(path)
        if known is None or path in self._writers:
            return
        try:
            now = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            raise Refused("it was deleted during the run") from None
        if stat.S_ISREG(now.st_mode) and (now.st_size, int(now.st_mtime)) != (known.size, known.mtime):
            raise Refused("it was edited during the run")

    @contextmanager
    def _parent(self, root: int, parts: tuple[str, ...]) -> Iterator[int]:
        fd = os.dup(root)
        try:
            for part in parts:
                try:
                    os.mkdir(part, dir_fd=fd)
                    self._give(part, fd)
                except FileExistsError:
                    pass
                try:
                    inner = os.open(part, _OPEN, dir_fd=fd)
                except OSError:
                    raise Refused(f"{part} is not a directory") from None
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)

    def _file(
        self, content: IO[bytes], mode: int, name: str, parent: int, unchanged: bytes | None = None
    ) -> bool:
        temporary = f".{name[:200]}.{uuid4().hex[:8]}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=parent)
        try:
            digest = sha256()
            with os.fdopen(fd, "wb") as target:
                while chunk := content.read(len(ZEROS)):
                    digest.update(chunk)
                    if chunk == ZEROS:  # a hole stays one
                        target.seek(len(chunk), os.SEEK_CUR)
                    else:
                        target.write(chunk)
                target.truncate()
                os.fchmod(target.fileno(), mode & 0o777)
            if digest.digest() == unchanged or _same(name, parent, digest.digest(), mode & 0o777):
                os.unlink(temporary, dir_fd=parent)
                return False
            self._give(temporary, parent)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            os.unlink(temporary, dir_fd=parent)
            raise
        return True

    def _link(self, parts: tuple[str, ...], target: str, parent: int) -> bool:
        if _escapes(parts, target) or self._leads_out(parts, target):
            raise Refused(f"it links to {target}, outside the tree")
        name = parts[-1]
        try:
            if os.readlink(name, dir_fd=parent) == target:
                return False
        except OSError:
            pass
        temporary = f".{name[:200]}.{uuid4().hex[:8]}"
        os.symlink(target, temporary, dir_fd=parent)
        try:
            self._give(temporary, parent)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(temporary, dir_fd=parent)
            raise
        return True

    def _leads_out(self, parts: tuple[str, ...], target: str) -> bool:
        """Return whether a link that passes through others does: the user's own may leave the tree."""
        there = Path(os.path.realpath(self._root.joinpath(*parts[:-1], target)))
        root = Path(os.path.realpath(self._root))
        return not there.is_relative_to(root) or any(map(_is_git, there.relative_to(root).parts))

    def _give(self, name: str, parent: int) -> None:
        """Give a new file to the owner of the tree if root runs on another user's tree."""
        if os.geteuid() == 0:
            owner = self._root.stat()
            os.chown(name, owner.st_uid, owner.st_gid, dir_fd=parent, follow_symlinks=False)


def _same(name: str, parent: int, digest: bytes, mode: int) -> bool:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o777 != mode:
            return False
        existing = sha256()
        while chunk := stream.read(1 << 20):
            existing.update(chunk)
        return existing.digest() == digest


def _is_deletion(member: tarfile.TarInfo) -> bool:
    """Return whether it stands in a layer for a file that was deleted. Source: Linux, overlayfs.rst."""
    return member.ischr() and member.devmajor == member.devminor == 0


def _escapes(parts: tuple[str, ...], target: str) -> bool:
    """Return whether a link at `parts` to `target` may lead out of the tree, or into its ``.git``.

    ``..`` counts only at the start: behind a name it may climb out of wherever another link leads.
    """
    steps = PurePosixPath(target).parts
    up = sum(1 for _ in takewhile(lambda step: step == "..", steps))
    inner = steps[up:]
    return target.startswith("/") or up >= len(parts) or ".." in inner or any(map(_is_git, inner))


def _is_git(name: str) -> bool:
    """Return whether some file system takes `name` for ``.git``. Source: git's `path.c` and `utf8.c`."""
    return _IGNORED_BY_HFS.sub("", name).rstrip(" .").lower() in {".git", "git~1"}


@contextmanager
def _opened(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
