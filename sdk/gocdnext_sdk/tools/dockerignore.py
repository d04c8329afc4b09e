"""What stays out of a build: the `.dockerignore` file, and what the platform itself puts into a checkout.

Lines are read as BuildKit reads them (moby/patternmatcher 0.6.1 `ignorefile`); `ignore_patterns` says what
they match. `tests/e2e/test_dockerignore.py` compares.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gocdnext_sdk.contract.outputs import DIRECTORY, VARIABLE
from gocdnext_sdk.workspace import is_file

_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Go's `strings.TrimSpace` takes off, which is not what `str.strip` does."""


def find(dockerfile: Path, context: Path) -> Path | None:
    """Return the file that counts: the Dockerfile's own wins over the context's."""
    beside = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    return next((each for each in (beside, context / ".dockerignore") if is_file(each)), None)


def read(file: Path) -> str:
    """Return the text of a `.dockerignore`, with its line ends as they are."""
    return file.read_bytes().decode(errors="surrogateescape")


def parse(text: str) -> tuple[str, ...]:
    """Return the patterns of a `.dockerignore`, in order and cleaned, as BuildKit matches them."""
    return tuple(pattern for _, pattern in numbered(text))


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Yield the patterns of a `.dockerignore` with their lines, from 1."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        pattern = line.strip(_BLANKS)
        if not pattern or line.startswith("#"):
            continue
        negation, path = ("!", pattern[1:].strip(_BLANKS)) if pattern.startswith("!") else ("", pattern)
        if path:
            path = _clean(path)
            path = path[1:] if len(path) > 1 and path.startswith("/") else path
        if found := _normal(negation + path):
            yield number, found


def _clean(path: str) -> str:
    """Return the shortest name of `path`, as Go's `filepath.Clean` does."""
    return re.sub("^//", "/", posixpath.normpath(path))


def _normal(pattern: str) -> str:
    """Return a pattern in the form in which it is matched, with its `!`; nothing if nothing is left."""
    text = pattern.strip(_BLANKS)
    return _clean(text) if text else ""


def of_the_platform(environ: Mapping[str, str], context: Path) -> tuple[str, ...]:
    """Return the patterns for the file in which the job collects its outputs, where it is in the context.

    Its name changes with every run. The platform's directory of such files is left out with it, and so is
    one that holds nothing else.
    """
    if not environ.get(VARIABLE):
        return ()
    path = Path(environ[VARIABLE]).resolve()
    return alone(path.parent if path.parent.match(DIRECTORY) else path, context)


def alone(path: Path, context: Path) -> tuple[str, ...]:
    """Return the pattern for a file or directory that is made beside the build, where it is in the context.

    The directories that hold nothing else are left out with it.
    """
    root, path = context.resolve(), path.resolve()
    if path == root or not path.is_relative_to(root):
        return ()
    while path.parent != root and (not path.parent.exists() or list(path.parent.iterdir()) == [path]):
        path = path.parent
    return (literal(str(path.relative_to(root))),)


def literal(path: str) -> str:
    """Return the pattern that matches `path` alone; a line end or a byte order mark is any character."""
    escaped = re.sub(r"[\\*?\[\]!#^|{]", r"\\\g<0>", path)
    bare = re.sub("[\n\ufeff]", "?", escaped)
    return re.sub(f"^[{_BLANKS}]|[{_BLANKS}]$", r"[\g<0>]", bare)


def stage(dockerfile: Path, patterns: Iterable[str], folder: Path) -> Path:
    """Copy a Dockerfile to where it has `patterns` for its own `.dockerignore`; the checkout stays as it is.

    Args:
        dockerfile: the Dockerfile.
        patterns: what the build leaves out.
        folder: is made, with the two files in it.
    """
    folder.mkdir()
    copy = folder / dockerfile.name
    shutil.copyfile(dockerfile, copy)
    copy.with_name(f"{copy.name}.dockerignore").write_text(render(patterns), errors="surrogateescape")
    return copy


def render(patterns: Iterable[str]) -> str:
    """Return the text of a `.dockerignore` with `patterns`, the reverse of `parse`."""
    return "".join(f"{_line(pattern)}\n" for pattern in patterns)


def _line(pattern: str) -> str:
    # A slash in front and one with a blank at the end go, and keep what would go, or mean something, without.
    ways = (pattern, f"/{pattern}", f"/ {pattern}", f"/{pattern}/ /", f"/ {pattern}/ /")
    return next((way for way in ways if parse(way) == (pattern,)), pattern)
