"""What kaniko makes of links in the build context: it copies the link where BuildKit copies what it leads to.

Found by running both, and in `pkg/commands/copy.go` of the executor.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from gocdnext_sdk.tools.dockerfile import Instruction
from gocdnext_sdk.workspace import exists, is_link

from .preflight import Stage, Unsupported


def links(stages: Iterable[Stage], root: Path) -> Iterator[Unsupported]:
    """Yield the sources of COPY and ADD that are links, or behind one.

    Args:
        stages: those that are built.
        root: the context.
    """
    for stage in stages:
        for each in stage.instructions:
            if each.keyword in ("COPY", "ADD") and "from" not in dict(each.flags):
                yield from _links(each, root)


def _links(each: Instruction, root: Path) -> Iterator[Unsupported]:
    for word in each.words[:-1]:
        if "$" in word or "://" in word:
            continue
        if link := _first_link(root, word):
            yield Unsupported(
                each.line,
                f"{each.keyword} {word}: {link} is a link, and kaniko copies the link, not its target",
                "name its target",
            )


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
