"""What a git checkout says of itself, read without git, which no plugin's image has.

Source: git's documentation, gitrepository-layout(5). What is not found, or not understood, is None: a
checkout is an optional source of facts.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from gocdnext_sdk.runtime.objects import OBJECT_ID, DamagedObject, Objects
from gocdnext_sdk.workspace import read_text

_COMMITTER = re.compile(rb"^committer .*> (\d{1,12}) [+-]\d{4}$", re.MULTILINE)
_LINKS = 5
"""How many symbolic references lead to one another; git's own limit."""


class Checkout:
    """A checkout, or a directory that is none.

    Args:
        folder: where `.git` is.
    """

    def __init__(self, folder: Path) -> None:
        self._git = folder / ".git"
        if self._git.is_file():  # a worktree or a submodule
            self._git = folder / (_text(self._git) or "").removeprefix("gitdir:").strip()
        common = _text(self._git / "commondir")
        self._common = self._git / common.strip() if common else self._git

    @property
    def commit(self) -> str | None:
        """The commit that is checked out."""
        return self.resolve("HEAD")

    @property
    def default_branch(self) -> str | None:
        """The remote's default branch, as `git clone` notes it."""
        text = _text(self._common / "refs/remotes/origin/HEAD") or ""
        return text.strip().removeprefix("ref: refs/remotes/origin/") if text.startswith("ref: ") else None

    @property
    def remote(self) -> str | None:
        """The URL of the remote `origin` as it is written, which may hold credentials."""
        section = ""
        for line in (_text(self._common / "config") or "").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line.partition("]")[0] + "]"
            elif section == '[remote "origin"]' and (found := re.fullmatch(r"url\s*=\s*(.+)", line)):
                return found[1].strip('"')
        return None

    def committed(self, commit: str) -> datetime | None:
        """Return when a commit was made, as its committer says, in UTC."""
        found = None
        # Whatever stands in a damaged object: there is no date then.
        with suppress(DamagedObject):
            if OBJECT_ID.fullmatch(commit) and (read := self.objects.read(commit)) and read[0] == "commit":
                found = _COMMITTER.search(read[1].partition(b"\n\n")[0])
        return datetime.fromtimestamp(int(found[1]), UTC) if found else None

    @cached_property
    def objects(self) -> Objects:
        """The commits, and what they refer to."""
        return Objects(self._common / "objects")

    def references(self, prefix: str) -> dict[str, str]:
        """Return the references whose names begin with `prefix`, such as `refs/tags/`, and their objects."""
        folder = self._common / prefix
        names = {name for name in self._packed_refs if name.startswith(prefix)}
        names |= {
            path.relative_to(self._common).as_posix()
            for path in (folder.rglob("*") if folder.is_dir() else ())
            if path.is_file() and not path.is_symlink()
        }
        found = {name: self.resolve(name) for name in sorted(names)}
        return {name: target for name, target in found.items() if target}

    @cached_property
    def shallow(self) -> frozenset[str]:
        """The commits at which a shallow checkout ends."""
        return frozenset((_text(self._common / "shallow") or "").split())

    def resolve(self, name: str) -> str | None:
        """Return the object that a reference such as `refs/tags/v1` or `HEAD` names."""
        for _ in range(_LINKS):
            text = _text(self._git / name) or _text(self._common / name)
            text = text.strip() if text else self._packed_refs.get(name, "")
            if not text.startswith("ref: refs/"):
                return text if OBJECT_ID.fullmatch(text) else None
            name = text.removeprefix("ref: ")
            if ".." in name:  # no reference is called so
                return None
        return None

    @cached_property
    def _packed_refs(self) -> dict[str, str]:
        lines = (_text(self._common / "packed-refs") or "").splitlines()
        pairs = (line.split(" ", 1) for line in lines if line[:1] not in ("#", "^", ""))
        return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _text(path: Path) -> str | None:
    try:
        return read_text(path)
    except (OSError, ValueError):
        return None
