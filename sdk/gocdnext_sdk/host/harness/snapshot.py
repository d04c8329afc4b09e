"""The checkout that jobs get: one snapshot, taken when the run starts.

On the platform, each job clones the repository again, and jobs share no files. Here each job's workspace is
filled from the same tar, so no job sees changes by another job or by the user's editor.
"""

# ruff: noqa: PTH112, PTH114, PTH115, PTH116, PTH123 - for each of 50,000 files, a Path costs as much as reading it
from __future__ import annotations

import os
import stat
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

from gocdnext_sdk.host.harness.archive import END
from gocdnext_sdk.host.pipeline.git import run_git

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One file of the snapshot: enough to tell whether a job changed it."""

    type: bytes
    size: int
    mtime: int
    mode: int
    linkname: str

    @classmethod
    def of(cls, member: tarfile.TarInfo) -> Self:
        """Return the entry of a tar member."""
        mode = 0 if member.issym() else member.mode & 0o777
        return cls(member.type, member.size, int(member.mtime), mode, member.linkname)


class Snapshot:
    """The files of a checkout, frozen in an unlinked temporary file. A context manager.

    In a git repository: tracked files, new files that are not ignored, and ``.git``. Elsewhere: all files.

    Args:
        root: the checkout.
        exclude: files that jobs must not see under any name, such as the secrets file.
        brought_back: paths that earlier runs wrote here; what git tracks of them is the user's all the same.
    """

    def __init__(
        self, root: Path, exclude: Collection[Path] = (), brought_back: Collection[str] = frozenset()
    ) -> None:
        self.root = root.resolve()
        top = os.fspath(self.root)
        self.notices: list[str] = []
        self.taken_at = time.time()
        self.excluded = {each for path in exclude for each in (path.resolve(), _unfollowed(path))}
        self._excluded_files = {_identity(path) for path in self.excluded} - {None}
        self.entries: dict[str, Entry] = {}
        self._contents: dict[str, int] = {}
        self._file = tempfile.TemporaryFile(prefix="gocdnext-")  # noqa: SIM115 - closed by close()
        try:
            self._file.write(directory(".").tobuf())
            omitted = self._untracked(brought_back)
            for path in paths(self.root):
                if path not in omitted:
                    self._add(top, path)
            self._add_history(top)
            self._file.write(END)
            self._file.flush()
            if omitted:
                self.notices.append(
                    f"jobs do not get what earlier runs left here: {', '.join(sorted(omitted)[:3])}"
                    + (f" and {len(omitted) - 3} more" if len(omitted) > 3 else "")
                )
            self.notices += self._tracked_secrets()
            self.notices += self._submodules()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the temporary file."""
        self._file.close()

    def stream(self) -> Iterator[bytes]:
        """Yield the tar in chunks. Thread-safe."""
        offset = 0
        while chunk := os.pread(self._file.fileno(), _CHUNK, offset):
            offset += len(chunk)
            yield chunk

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is no regular file of that name. Thread-safe."""
        if name not in self._contents:
            return None
        return os.pread(self._file.fileno(), self.entries[name].size, self._contents[name])

    def _add(self, root: str, relative: str) -> None:
        path = f"{root}/{relative}"
        if self._is_excluded(path):
            self.excluded.add(Path(path))
            return
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                self._put(_member(relative, tarfile.SYMTYPE, status, os.readlink(path)))
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb", buffering=0) as stream:
                    self._put_file(relative, stream)
        except FileNotFoundError:  # git lists what was deleted and is not yet committed
            return
        except PermissionError as error:
            self.notices.append(f"{relative}: left out: {error.strerror}")

    def _is_excluded(self, path: str) -> bool:
        """Return whether `path` is a file that jobs must not see, or leads to one."""
        if self.excluded and Path(path) in self.excluded:
            return True
        return bool(self._excluded_files) and _identity(path) in self._excluded_files

    def _tracked_secrets(self) -> Iterator[str]:
        """Yield a notice for each excluded file that jobs still get in the history."""
        for path in sorted(self.excluded) if (self.root / ".git").exists() else ():
            if path.is_relative_to(self.root) and not path.is_symlink():
                relative = path.relative_to(self.root).as_posix()
                options = ("--literal-pathspecs", "ls-files", "--error-unmatch", "--", relative)
                if run_git(self.root, *options) is not None:
                    yield (
                        f"{relative}: jobs do not get the file, but git tracks it and they get .git; "
                        "`git rm --cached` it, and change secrets that were committed"
                    )

    def _submodules(self) -> Iterator[str]:
        """Yield a notice if there are submodules. Source: upstream `agent/internal/runner/gitclone.go`."""
        if (self.root / ".gitmodules").is_file():
            staged = (run_git(self.root, "ls-files", "-z", "--stage") or b"").split(b"\0")
            names = [os.fsdecode(each.partition(b"\t")[2]) for each in staged if each.startswith(b"160000 ")]
            if names:
                found = ", ".join(names)
                yield f"the platform's clone has no submodules; there, jobs find nothing in {found}"

    def _put(self, member: tarfile.TarInfo) -> None:
        self.entries[member.name] = Entry.of(member)
        self._file.write(_owned(member).tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    def _put_file(self, name: str, content: FileIO) -> None:
        start = self._file.tell()
        while True:
            status = os.fstat(content.fileno())
            self._put(_member(name, tarfile.REGTYPE, status))
            at, left = self._file.tell(), status.st_size
            while left and (chunk := content.read(min(left, _CHUNK))):
                self._file.write(chunk)
                left -= len(chunk)
            if not left:
                break
            self._file.seek(start)  # it has become shorter: once more, as it is now
            self._file.truncate()
            content.seek(0)
        self._file.write(bytes(-status.st_size % tarfile.BLOCKSIZE))
        self._contents[name] = at

    def _untracked(self, paths: Collection[str]) -> frozenset[str]:
        """Return those of `paths` that git does not track."""
        listing = run_git(self.root, "ls-files", "-z", "--cached") if paths else None
        return frozenset(paths).difference(os.fsdecode(name) for name in (listing or b"").split(b"\0"))

    def _add_history(self, root: str) -> None:
        git = self.root / ".git"
        if git.is_dir():
            for path in _walk(root, ".git"):
                self._add(root, path)
        elif git.is_file():  # a worktree or submodule, whose history lies elsewhere
            with tempfile.TemporaryDirectory(prefix="gocdnext-") as folder:
                run_git(self.root, "clone", "--quiet", "--no-checkout", "--no-hardlinks", ".", folder)
                run_git(Path(folder), "reset", "--quiet")
                for path in _walk(folder, ".git"):
                    self._add(folder, path)
        elif run_git(self.root, "rev-parse", "--show-toplevel"):
            self.notices.append(
                f"{self.root} is below the top of its git clone; jobs get its files without .git"
            )


def paths(root: Path) -> Iterator[str]:
    """Yield the files of a checkout that jobs get: in a git repository all that are not ignored."""
    listed, top = _listed_by_git(root), os.fspath(root)
    if listed is None:
        yield from _walk(top, "")
        return
    for relative in listed:
        path = f"{top}/{relative}"
        if os.path.isdir(path) and not os.path.islink(path):  # a submodule, or a clone inside the clone
            yield from _nested(top, relative.rstrip("/"))
        else:
            yield relative


def _nested(root: str, below: str) -> Iterator[str]:
    """Yield the files of a repository inside another one, and its history: neither has what it ignores."""
    folder = f"{root}/{below}"
    prefix = run_git(Path(folder), "rev-parse", "--show-prefix")
    if prefix is None or prefix.strip():  # no repository of its own, as of a submodule that was not fetched
        yield from _walk(root, below)
        return
    history = _walk(folder, ".git") if os.path.isdir(f"{folder}/.git") else (".git",)
    yield from (f"{below}/{each}" for each in (*paths(Path(folder)), *history))


def _listed_by_git(root: Path) -> list[str] | None:
    listing = run_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    return None if listing is None else [os.fsdecode(name) for name in listing.split(b"\0") if name]


def _unfollowed(path: Path) -> Path:
    """Return `path`, which may be a link, with only its directory resolved."""
    return path.parent.resolve() / path.name


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return what identifies a file regardless of its name; None if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _walk(root: str, start: str) -> Iterator[str]:
    for folder, names, files in os.walk(f"{root}/{start}" if start else root):
        below = folder[len(root) + 1 :]
        links = [name for name in names if os.path.islink(f"{folder}/{name}")]
        for name in sorted([*files, *links]):
            yield f"{below}/{name}" if below else name
        names.sort()


def _member(name: str, kind: bytes, status: os.stat_result, linkname: str = "") -> tarfile.TarInfo:
    """Return the head of a file. Two names of one file are two files, as in a clone."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, linkname
    member.mode, member.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
    member.size = status.st_size if kind == tarfile.REGTYPE else 0
    return member


def _owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return `member` as owned by the user of this process, as the agent owns the platform's checkout."""
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    return member


def directory(name: str) -> tarfile.TarInfo:
    """Return a directory for a workspace, owned as the checkout is."""
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, int(time.time())
    return _owned(member)
