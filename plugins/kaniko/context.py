"""What kaniko makes of the build context: of links, and of what a `.dockerignore` leaves out.

It copies a link where BuildKit copies what it leads to, passes over a source that is left out where BuildKit
does not find it, and asks its patterns about each path alone. Found by running both, and in
`pkg/commands/copy.go` and `pkg/util/fs_util.go` of the executor.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from gocdnext_sdk.tools import dockerignore
from gocdnext_sdk.workspace import exists, is_link

from .preflight import Stage, Unsupported

if TYPE_CHECKING:
    from gocdnext_sdk.tools.ignore_patterns import Pattern


def sources(stages: Iterable[Stage], root: Path, ignore_file: Path | None) -> Iterator[Unsupported]:
    """Yield the sources of COPY and ADD that are links, or behind one, and those that are left out.

    Args:
        stages: those that are built.
        root: the context.
        ignore_file: the `.dockerignore` that counts.
    """
    lines = dockerignore.parse(dockerignore.read(ignore_file)) if ignore_file else ()
    patterns = tuple(filter(None, map(_read, lines)))
    for each in (each for stage in stages for each in stage.instructions):
        if each.keyword not in ("COPY", "ADD") or "from" in dict(each.flags):
            continue
        for word in each.words[:-1]:
            if "$" in word or "://" in word:
                continue
            if link := _first_link(root, word):
                yield Unsupported(
                    each.line,
                    f"{each.keyword} {word}: {link} is a link, and kaniko copies the link, not its target",
                    "name its target",
                )
            elif ignore_file and _is_left_out(patterns, root, word):
                yield Unsupported(
                    each.line,
                    f"{each.keyword} {word}: {ignore_file.name} leaves it out, and kaniko copies nothing",
                    f"take it in with !{posixpath.normpath(word).lstrip('/')}, or leave it out here",
                )


def _is_left_out(patterns: Sequence[Pattern], root: Path, word: str) -> bool:
    """Tell whether BuildKit does not find `word`, because it is left out with all that is below it."""
    from gocdnext_sdk.tools.ignore_patterns import leaves_out

    path = posixpath.normpath(f"/{word}").strip("/")
    if not path or any(character in path for character in "*?[") or not exists(root / path):
        return False  # of what a wildcard matches, nothing need be there
    parts = path.split("/")
    out, counted = False, list[bool]()
    for depth in range(1, len(parts) + 1):
        out, counted = leaves_out(patterns, "/".join(parts[:depth]), counted)
    waiting: list[tuple[str, Sequence[bool]]] = [(path, counted)]
    while out and waiting:
        folder, above = waiting.pop()
        for inner, is_folder in _entries(root, folder):
            out, counted = leaves_out(patterns, inner, above)
            if not out:
                break
            if is_folder and not _is_whole(patterns, inner):
                waiting.append((inner, counted))
    return out


def _first_link(root: Path, word: str) -> Path | None:
    """Return the first link on the way from the context to what `word` matches, relative to the context."""
    found = [root]
    # A path cannot lead out of the context; one that is too long, or whatever else, is not there.
    for part in posixpath.normpath(f"/{word}").strip("/").split("/"):
        found = [each for folder in found for each in _named(folder, part)]
        if link := next(filter(is_link, found), None):
            return link.relative_to(root)
        if not found:
            return None
    return None


def _named(folder: Path, part: str) -> list[Path]:
    """Return what a part of a pattern matches in `folder`."""
    if not any(character in part for character in "*?["):
        return [folder / part] if exists(folder / part) or is_link(folder / part) else []
    try:
        return sorted(each for each in folder.iterdir() if fnmatchcase(each.name, part))
    except OSError:  # a file, which holds nothing
        return []


def malformed(ignore_file: Path | None) -> Iterator[tuple[str, str]]:
    """Yield `FILE:LINE` and text of what is no pattern in a `.dockerignore`: kaniko then takes all in."""
    if ignore_file:
        for line, pattern in dockerignore.numbered(dockerignore.read(ignore_file)):
            if not _read(pattern):
                yield f"{ignore_file.name}:{line}", pattern


def _read(pattern: str) -> Pattern | None:
    from gocdnext_sdk.tools import ignore_patterns

    try:
        return ignore_patterns.read(pattern)
    except ValueError:
        return None


def left_out(patterns: Sequence[str], root: Path) -> tuple[str, ...]:
    """Return patterns by which kaniko leaves out of a context what BuildKit leaves out by `patterns`.

    BuildKit takes what is below an excluded directory for excluded; kaniko, for a pattern with `**`, looks at
    one directory above a path. So each is followed by one for everything below it. That does where nothing is
    taken in again. Else the order counts in another way too, and what would still differ is named.
    """
    spelled = tuple(each for pattern in patterns for each in _with_what_is_below(pattern))
    if not any(pattern.startswith("!") for pattern in patterns):
        return spelled
    return (*spelled, *_differences(patterns, spelled, root))


_ENDS_WITH = re.compile(r"(!?)\*\*(?=[^/*])([^*?\[\]\\]+)")
"""`**name` is what ends with it; with more behind it, it would be what is called so."""


def _with_what_is_below(pattern: str) -> tuple[str, ...]:
    # The context itself is never left out; what is below it would be.
    if pattern.removeprefix("!") in (".", "/"):
        return (pattern,)
    ends = _ENDS_WITH.fullmatch(pattern)
    return pattern, f"{ends[1]}**/*{ends[2]}/**" if ends else f"{pattern}/**"


def _differences(patterns: Sequence[str], spelled: Sequence[str], root: Path) -> Iterator[str]:
    """Yield a pattern for each path that only one of kaniko, by `spelled`, and BuildKit leaves out."""
    from gocdnext_sdk.tools.ignore_patterns import leaves_out, read

    theirs, ours = tuple(map(read, patterns)), tuple(map(read, spelled))
    # Path to whether it is left out, directories before what is in them: what comes later counts.
    named: dict[str, bool] = {}
    waiting: list[tuple[str, Sequence[bool]]] = [("", ())]
    while waiting:
        folder, above = waiting.pop()
        for path, is_folder in _entries(root, folder):
            out, counted = leaves_out(theirs, path, above)
            if out is not _kaniko_leaves_out(ours, path, named):
                named[path] = out
                yield f"{'' if out else '!'}{dockerignore.literal(path)}"
            if is_folder and not (out and _is_whole(theirs, path)):
                waiting.append((path, counted))


def _entries(root: Path, folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the paths in a directory of the context, and which are directories."""
    with suppress(OSError), os.scandir(root / folder) as entries:
        for entry in sorted(entries, key=attrgetter("name")):
            yield f"{folder}/{entry.name}".removeprefix("/"), entry.is_dir(follow_symlinks=False)


def _kaniko_leaves_out(patterns: Sequence[Pattern], path: str, named: Mapping[str, bool]) -> bool:
    """Tell whether kaniko leaves `path` out (patternmatcher `Matches`), with the patterns of `named` last."""
    parts = path.split("/")
    folders = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
    for folder in folders:
        if folder in named:
            return named[folder]
    out = False
    for pattern in patterns:
        if pattern.negated == out:
            depth = pattern.text.count("/") + 1
            above = folders[-depth] if depth < len(folders) else path
            if pattern.matches(path) or pattern.matches(above):
                out = not pattern.negated
    return out


def _is_whole(patterns: Iterable[Pattern], folder: str) -> bool:
    """Tell whether nothing below `folder` can be taken in again (fsutil `onlyPrefixExcludeExceptions`)."""
    for pattern in patterns:
        if pattern.negated:
            path = pattern.text.removesuffix("/**").removesuffix("/*")
            if re.search(r"[*\[\]?^\\]", path) or f"{path}/".startswith(f"{folder}/"):
                return False
    return True
