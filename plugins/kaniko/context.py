"""What kaniko makes of links in the build context: it copies the link where BuildKit copies what it leads to.

Found by running both, and in `pkg/commands/copy.go` of the executor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from gocdnext_sdk.tools.dockerfile import Instruction

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
        for path in _matches(root, word):
            if link := _first_link(root, path):
                yield Unsupported(
                    each.line,
                    f"{each.keyword} {word}: {link} is a link, and kaniko copies the link, not its target",
                    "name its target",
                )
                break


def _matches(root: Path, word: str) -> Iterator[Path]:
    pattern = word.strip("/")
    if any(character in pattern for character in "*?["):
        with suppress(ValueError):  # a pattern that is none: the build will say so
            yield from root.glob(pattern)
    elif pattern:
        yield root / pattern


def _first_link(root: Path, path: Path) -> Path | None:
    """Return the first link on the way from the context to `path`, relative to the context."""
    way = [*reversed(path.parents), path]
    return next((each.relative_to(root) for each in way if root in each.parents and each.is_symlink()), None)
