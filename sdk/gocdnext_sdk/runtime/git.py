"""The history of a checkout, read without git: commits, tags, and which files have changed.

Public through `Job.git` and `gocdnext_sdk` (docs/api.md).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from gocdnext_sdk.errors import GitError
from gocdnext_sdk.runtime.checkout import Checkout
from gocdnext_sdk.runtime.objects import OBJECT_ID, DamagedObject, Kind

_PERSON = re.compile(r"(?P<who>.*?) ?<[^<]*> (?P<when>-?\d{1,11}) [+-]\d{4}")
_PLACES = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/", "refs/remotes/origin/")
"""Where a short name is looked for, in this order (gitrevisions(7)). In CI, many branches are remote."""

_FOLDER = b"40000"
_WHOLE = "let the pipeline fetch the whole history, with tags"


@dataclass(frozen=True)
class Commit:
    """One commit.

    Args:
        id: its whole id.
        tree: of its files.
        parents: the ids of the commits before it; two or more in a merge.
        author: who wrote it.
        committed: when, in UTC.
        message: the whole of it.
    """

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    committed: datetime
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


class Git:
    """A checkout's history.

    A name is a commit's whole id, `HEAD`, a tag, or a branch; `origin` is taken for its remote.

    Args:
        workspace: the checkout.
    """

    def __init__(self, workspace: Path) -> None:
        self._checkout = Checkout(workspace)

    def commit(self, name: str = "HEAD") -> Commit:
        """Return a commit.

        Raises:
            GitError: there is none of that name, or the checkout does not have it.
        """
        if OBJECT_ID.fullmatch(name):
            return self._commit(self._peeled(name))
        for place in _PLACES:
            if ".." not in name and (found := self._checkout.resolve(f"{place}{name}")):
                return self._commit(self._peeled(found))
        raise GitError(f'the checkout has no commit, branch or tag called "{name}"', _WHOLE)

    @cached_property
    def tags(self) -> Mapping[str, str]:
        """The commits of all tags, by name. A checkout may have been made without its tags."""
        found = {}
        for name, target in self._checkout.references("refs/tags/").items():
            commit = self._peeled(target)
            if self._read(commit)[0] == "commit":
                found[name.removeprefix("refs/tags/")] = commit
        return found

    def history(self, until: str = "HEAD", since: str | None = None) -> Iterator[Commit]:
        """Yield the commits that led to `until`, the newest first, as `git log since..until` does.

        Args:
            until: the last one.
            since: it and what led to it are left out.

        Raises:
            GitError: a name is unknown, or a shallow checkout ends before the history does.
        """
        known = {commit.id for commit in self._walk(self.commit(since))} if since is not None else set()
        return (commit for commit in self._walk(self.commit(until), known))

    def merge_base(self, one: str, other: str) -> Commit | None:
        """Return the newest commit that led to both; None if they have none in common.

        Raises:
            GitError: as `history`.
        """
        known = {commit.id for commit in self._walk(self.commit(one))}
        return next((commit for commit in self._walk(self.commit(other)) if commit.id in known), None)

    def changed(self, since: str, until: str = "HEAD") -> tuple[str, ...]:
        """Return the paths of the files that differ, as `git diff --name-only since until` does.

        For what a pull request changes, `since` is the `merge_base` with its target.

        Args:
            since: the commit before.
            until: the commit after.

        Raises:
            GitError: a name is unknown, or the checkout does not have what it needs.
        """
        return tuple(sorted(self._differing(self.commit(since).tree, self.commit(until).tree, "")))

    def _walk(self, start: Commit, without: set[str] | frozenset[str] = frozenset()) -> Iterator[Commit]:
        """Yield what led to `start`, the newest first."""
        seen = {start.id, *without}
        waiting = [] if start.id in without else [_dated(start)]
        while waiting:
            commit = heapq.heappop(waiting)[2]
            yield commit
            if commit.id in self._checkout.shallow and commit.parents:
                raise GitError(f"the history ends at {commit.id[:8]}: the checkout is shallow", _WHOLE)
            for parent in commit.parents:
                if parent not in seen:
                    seen.add(parent)
                    heapq.heappush(waiting, _dated(self._commit(parent)))

    def _commit(self, name: str) -> Commit:
        kind, content = self._read(name)
        if kind != "commit":
            raise GitError(f"{name} is a {kind} and not a commit")
        head, _, message = content.partition(b"\n\n")
        fields: dict[str, list[str]] = {}
        for line in head.decode(errors="replace").split("\n"):
            key, _, value = line.partition(" ")
            fields.setdefault(key, []).append(value)
        author, committer = (_PERSON.fullmatch(fields.get(key, [""])[0]) for key in ("author", "committer"))
        if not committer or not author or "tree" not in fields:
            raise GitError(f"the commit {name} is damaged")
        return Commit(
            id=name,
            tree=fields["tree"][0],
            parents=tuple(fields.get("parent", ())),
            author=author["who"],
            committed=datetime.fromtimestamp(int(committer["when"]), UTC),
            message=message.decode(errors="replace").strip(),
        )

    def _peeled(self, name: str) -> str:
        """Return what an annotated tag is a tag of, or the object itself."""
        for _ in range(5):
            kind, content = self._read(name)
            found = re.match(rb"object ([0-9a-f]+)\n", content) if kind == "tag" else None
            if found is None:
                break
            name = found[1].decode()
        return name

    def _differing(self, one: str | None, other: str | None, path: str) -> Iterator[str]:
        before, after = self._tree(one), self._tree(other)
        for name in before.keys() | after.keys():
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            folders = [entry[1] if entry and entry[0] == _FOLDER else None for entry in (old, new)]
            if any(folders):
                yield from self._differing(folders[0], folders[1], f"{path}{name}/")
            if any(entry and entry[0] != _FOLDER for entry in (old, new)):
                yield f"{path}{name}"

    def _tree(self, name: str | None) -> dict[str, tuple[bytes, str]]:
        """Return mode and id of everything in a directory, by name (`git cat-file tree`)."""
        if name is None:
            return {}
        kind, content = self._read(name)
        size, found, position = len(name) // 2, {}, 0
        while kind == "tree" and position < len(content):
            end = content.index(b"\0", position)
            mode, _, file = content[position:end].partition(b" ")
            position = end + 1 + size
            found[file.decode(errors="surrogateescape")] = (mode, content[end + 1 : position].hex())
        return found

    def _read(self, name: str) -> tuple[Kind, bytes]:
        try:
            found = self._checkout.objects.read(name)
        except DamagedObject as error:
            raise GitError(f"the checkout is damaged: {error}") from None
        if found is None:
            raise GitError(f"the checkout does not have {name[:8]}", _WHOLE)
        return found


def _dated(commit: Commit) -> tuple[float, str, Commit]:
    """Return what sorts the newest first."""
    return -commit.committed.timestamp(), commit.id, commit
