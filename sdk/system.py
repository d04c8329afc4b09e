"""The file system of another image: its files by the paths they have there, and their packages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

MAX_LINKS = 40
LIBRARIES = ("/usr/local/lib", "/usr/lib", "/lib")


@dataclass(frozen=True)
class System:
    """An image's file system.

    Args:
        root: where it is mounted.
    """

    root: Path

    def path(self, path: str | Path) -> str:
        """Follow the links of an absolute path inside the system; return where they lead, absolute there.

        Raises:
            SystemExit: they go round in circles.
        """
        parts, done, links = list(PurePosixPath(path).parts[1:]), PurePosixPath("/"), 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                done = done.parent
                continue
            here = self.root / done.relative_to("/") / part
            if not here.is_symlink():
                done /= part
                continue
            links += 1
            if links > MAX_LINKS:
                raise SystemExit(f"{path}: too many links")
            aim = PurePosixPath(here.readlink())
            if aim.is_absolute():
                done = PurePosixPath("/")
            parts[:0] = [each for each in aim.parts if each != "/"]
        return str(done)

    def file(self, path: str | Path) -> Path:
        """Return the file at an absolute path of the system, links followed."""
        return self.root / self.path(path).lstrip("/")

    def library(self, name: str) -> str:
        """Return the path of a shared library, links followed.

        Raises:
            SystemExit: the system has none of that name.
        """
        for folder in self._folders:
            if self.file(f"{folder}/{name}").is_file():
                return self.path(f"{folder}/{name}")
        raise SystemExit(f"no folder of libraries has {name}")

    @cached_property
    def _folders(self) -> tuple[str, ...]:
        triplets = sorted(each.name for each in (self.root / "usr/lib").glob("*-linux-gnu"))
        return (*LIBRARIES, *(f"/usr/lib/{each}" for each in triplets))

    def owner(self, path: str) -> str | None:
        """Return the name of the Debian package that a file is from; None for what no package brought."""
        return self._owners.get(_merged(path))

    @cached_property
    def _owners(self) -> dict[str, str]:
        """Files to packages, by dpkg's lists: ``NAME.list`` or ``NAME:ARCHITECTURE.list``."""
        return {
            _merged(line): listed.stem.partition(":")[0]
            for listed in sorted((self.root / "var/lib/dpkg/info").glob("*.list"))
            for line in listed.read_text().splitlines()
        }

    @cached_property
    def stanzas(self) -> dict[str, str]:
        """What dpkg's status says of each package."""
        text = (self.root / "var/lib/dpkg/status").read_text()
        found = ((re.search(r"^Package: (\S+)$", each, re.MULTILINE), each) for each in text.split("\n\n"))
        return {name[1]: stanza.strip("\n") + "\n" for name, stanza in found if name}


def _merged(path: str) -> str:
    """Return a path as it is where /bin and /lib are links into /usr, which older lists do not know."""
    return re.sub(r"^/(bin|sbin|lib\w*)/", r"/usr/\1/", path)
