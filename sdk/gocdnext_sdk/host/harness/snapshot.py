"""The checkout that jobs get: one snapshot, taken when the run starts.

On the platform, each job clones the repository again, and jobs share no files. Here each job's workspace is
filled from the same tar, so no job sees changes by another job or by the user's editor.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

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
        leftovers: paths that earlier runs left; what git tracks of them is the user's all the same.
    """

    def __init__(
        self, root: Path, exclude: Collection[Path] = (), leftovers: Collection[str] = frozenset()
    ) -> None:
        self.root = root.resolve()
        self.notices: list[str] = []
        self.taken_at = time.time()
        self.excluded = {each for path in exclude for each in (path.resolve(), _unfollowed(path))}
        self._excluded_files = {_identity(path) for path in self.excluded} - {None}
        self.entries: dict[str, Entry] = {}
        self._contents: dict[str, int] = {}
        self._file = tempfile.TemporaryFile(prefix="gocdnext-")  # noqa: SIM115 - closed by close()
        try:
            with tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                tar.addfile(_owned(_directory(".")))
                left = self._untracked(leftovers)
                for path in self._paths():
                    if path not in left:
                        self._add(tar, self.root, path)
                self._add_history(tar)
            self._file.flush()
            if left:
                self.notices.append(
                    f"jobs do not get what earlier runs left here: {', '.join(sorted(left)[:3])}"
                    + (f" and {len(left) - 3} more" if len(left) > 3 else "")
                )
            self.notices += self._tracked_secrets()
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

    def _add(self, tar: tarfile.TarFile, root: Path, relative: str) -> None:
        path = root / relative
        if self._is_excluded(path):
            self.excluded.add(path)
            return
        try:
            if path.is_symlink():
                self._put(tar, tar.gettarinfo(path, arcname=relative), None)
            elif path.is_file():
                with path.open("rb") as stream:
                    self._put(tar, tar.gettarinfo(arcname=relative, fileobj=stream), stream)
        except FileNotFoundError:  # git lists what was deleted and is not yet committed
            return
        except PermissionError as error:
            self.notices.append(f"{relative}: left out: {error.strerror}")

    def _is_excluded(self, path: Path) -> bool:
        """Return whether `path` is a file that jobs must not see, or leads to one."""
        if path in self.excluded:
            return True
        return bool(self._excluded_files) and _identity(path) in self._excluded_files

    def _tracked_secrets(self) -> Iterator[str]:
        """Yield a notice for each excluded file that jobs still get in the history."""
        for path in sorted(self.excluded) if (self.root / ".git").exists() else ():
            if path.is_relative_to(self.root) and not path.is_symlink():
                relative = path.relative_to(self.root).as_posix()
                options = ("--literal-pathspecs", "ls-files", "--error-unmatch", "--", relative)
                if _git(self.root, *options) is not None:
                    yield (
                        f"{relative}: jobs do not get the file, but git tracks it and they get .git; "
                        "`git rm --cached` it, and change secrets that were committed"
                    )

    def _put(self, tar: tarfile.TarFile, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        if member.islnk():  # two names of one file are two files in a checkout
            member.type, member.linkname = tarfile.REGTYPE, ""
            member.size = os.fstat(content.fileno()).st_size if content else 0
        member.mtime = int(member.mtime)
        self.entries[member.name] = Entry.of(member)
        tar.addfile(_owned(member), content)
        if member.isreg():
            blocks = -(-member.size // tarfile.BLOCKSIZE)
            self._contents[member.name] = tar.offset - blocks * tarfile.BLOCKSIZE

    def _paths(self) -> Iterator[str]:
        listed = self._listed_by_git()
        if listed is None:
            yield from _walk(self.root, "")
            return
        for relative in listed:
            path = self.root / relative
            if path.is_dir() and not path.is_symlink():  # a submodule, or a clone inside the clone
                yield from _walk(self.root, relative.rstrip("/"))
            else:
                yield relative

    def _untracked(self, paths: Collection[str]) -> frozenset[str]:
        """Return those of `paths` that git does not track."""
        listing = _git(self.root, "ls-files", "-z", "--cached") if paths else None
        return frozenset(paths).difference(os.fsdecode(name) for name in (listing or b"").split(b"\0"))

    def _add_history(self, tar: tarfile.TarFile) -> None:
        git = self.root / ".git"
        if git.is_dir():
            for path in _walk(self.root, ".git"):
                self._add(tar, self.root, path)
        elif git.is_file():  # a worktree or submodule, whose history lies elsewhere
            with tempfile.TemporaryDirectory(prefix="gocdnext-") as folder:
                clone = Path(folder)
                _git(self.root, "clone", "--quiet", "--no-checkout", "--no-hardlinks", ".", folder)
                _git(clone, "reset", "--quiet")
                for path in _walk(clone, ".git"):
                    self._add(tar, clone, path)
        elif _git(self.root, "rev-parse", "--show-toplevel"):
            self.notices.append(
                f"{self.root} is below the top of its git clone; jobs get its files without .git"
            )

    def _listed_by_git(self) -> list[str] | None:
        listing = _git(
            self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"
        )
        return None if listing is None else [os.fsdecode(name) for name in listing.split(b"\0") if name]


def _unfollowed(path: Path) -> Path:
    """Return `path`, which may be a link, with only its directory resolved."""
    return path.parent.resolve() / path.name


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file regardless of its name; None if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return git's output; None if git fails or is not installed."""
    settings = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false")  # fsmonitor names a program to run
    command = ["git", *settings, "-C", os.fspath(folder), *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _walk(root: Path, start: str) -> Iterator[str]:
    for directory, names, files in os.walk(root / start):
        links = [name for name in names if (Path(directory) / name).is_symlink()]
        for name in sorted([*files, *links]):
            yield os.path.relpath(Path(directory) / name, root)
        names.sort()


def _owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return `member` as owned by the user of this process, as the agent owns the platform's checkout."""
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    return member


def _directory(name: str, mode: int = 0o755) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, mode, int(time.time())
    return member
