"""Key material for tools that touches no file system.

Where the kernel has memfd, key material lives in anonymous memory, and a tool reads it through
``/proc/self/fd/N``. None of it outlives the job, not even after SIGKILL, and only a tool that gets the name
inherits the memory. Elsewhere, and where a tool must have a real file, it is a 0600 file in a private 0700
directory, on tmpfs if there is one. Both are removed when the job ends, the file overwritten first; after
SIGKILL they stay, and end with the container.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.secret import Secret

_IN_MEMORY = re.compile(r"/proc/self/fd/([0-9]+)")


class SecretFiles:
    """Files that exist only while the job runs. A context manager; leaving it wipes everything."""

    def __init__(self) -> None:
        self._fds: list[int] = []
        self._folders: dict[Path, tuple[int, ...]] = {}
        self._wiping = ExitStack()
        self._root: Path | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.wipe()

    def named_in(self, words: Iterable[str]) -> tuple[int, ...]:
        """Return the descriptors that a tool must inherit to open the files that `words` name.

        Args:
            words: its arguments and the values of its variables.
        """
        text = "\0".join(words)
        named = {int(number) for number in _IN_MEMORY.findall(text)}
        named |= {fd for folder, fds in self._folders.items() if str(folder) in text for fd in fds}
        return tuple(sorted(named.intersection(self._fds)))

    def file(self, content: str | bytes | Secret, name: str = "secret") -> str:
        """Return a path from which a tool can read `content`.

        Args:
            content: what the file holds.
            name: the file's name if it has to be a real one.
        """
        if isinstance(content, Secret):
            content = content.reveal()
        data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        try:
            fd = os.memfd_create(name)
        except (AttributeError, OSError):  # another system; a seccomp profile that refuses it
            return str(self._write(name, data))
        self._fds.append(fd)
        self._wiping.callback(os.close, fd)
        with os.fdopen(os.dup(fd), "wb") as stream:
            stream.write(data)
        # Every open of /proc/self/fd/N starts at 0; only users of the descriptor itself see this offset.
        os.lseek(fd, 0, os.SEEK_SET)
        return f"/proc/self/fd/{fd}"

    def named(self, name: str, content: str | bytes | Secret) -> Path:
        """Return a private directory that holds `content` under exactly `name`.

        Some tools take a directory and look for a file of a fixed name in it (``DOCKER_CONFIG``).
        """
        return self.folder({name: content})

    def folder(self, contents: Mapping[str, str | bytes | Secret]) -> Path:
        """Return a private directory that holds each content under its name.

        A tool that gets the directory's name can open all of them.
        """
        directory = _private(self.directory())
        directory.mkdir(mode=0o700)
        fds = []
        for name, content in contents.items():
            path = self.file(content, name)
            (directory / name).symlink_to(path)
            if found := _IN_MEMORY.fullmatch(path):
                fds.append(int(found[1]))
        self._folders[directory] = tuple(fds)
        return directory

    def directory(self) -> Path:
        """Return the job's private 0700 directory, on tmpfs where there is one.

        Raises:
            ContainerError: nothing can be written anywhere but in the checkout.
        """
        if self._root is None:
            from shutil import rmtree

            from gocdnext_sdk.runtime.temporary import temporary

            shm = Path("/dev/shm")  # noqa: S108 - a tmpfs by definition; what is made in it is private
            usable = shm.is_dir() and os.access(shm, os.W_OK | os.X_OK)
            root = _private(shm if usable else temporary(os.environ))
            # In this order: a signal may come between any two lines.
            self._wiping.callback(rmtree, root, ignore_errors=True)
            root.mkdir(mode=0o700)
            self._root = root
        return self._root

    def wipe(self) -> None:
        """Overwrite and remove everything. Can be called more than once."""
        self._wiping.close()
        self._fds.clear()
        self._folders.clear()
        self._root = None

    def stored(self, folder: Path, name: str, content: Secret) -> None:
        """Write a real file: for a tool that would pass the memory's descriptor on to foreign programs.

        Args:
            folder: is made, below `directory`.
            name: of the file in it.
            content: what the file holds.
        """
        folder.mkdir(mode=0o700)
        self._store(folder / name, content.reveal().encode(errors="surrogateescape"))

    def _write(self, name: str, data: bytes) -> Path:
        self._count += 1
        path = self.directory() / f"{self._count}-{name}"
        self._store(path, data)
        return path

    def _store(self, path: Path, data: bytes) -> None:
        self._wiping.callback(_overwrite, path)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as stream:
                stream.write(data)
        except OSError as error:  # a /dev/shm of a few kB
            raise ToolError(
                f"{path.parent.parent} takes no file of {len(data)} bytes for a secret: {error.strerror}",
                "give the job a larger /dev/shm, or allow memfd_create in its seccomp profile",
            ) from None


def _private(parent: Path) -> Path:
    """Return an unpredictable path that does not exist."""
    return parent / f"gocdnext-{os.urandom(8).hex()}"


def _overwrite(path: Path) -> None:
    with suppress(FileNotFoundError), path.open("r+b") as stream:
        stream.write(b"\0" * path.stat().st_size)
        stream.flush()
        os.fsync(stream.fileno())
