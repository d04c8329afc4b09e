"""What stays out of a build: the `.dockerignore` file, and what the platform itself puts into a checkout.

Patterns are those of BuildKit (moby/patternmatcher, `ignorefile`).
"""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from gocdnext_sdk.contract.outputs import DIRECTORY, VARIABLE
from gocdnext_sdk.workspace import is_file


def find(dockerfile: Path, context: Path) -> Path | None:
    """Return the file that counts: the Dockerfile's own wins over the context's."""
    beside = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    return next((each for each in (beside, context / ".dockerignore") if is_file(each)), None)


def parse(text: str) -> tuple[str, ...]:
    """Return the patterns of a `.dockerignore`, in order and cleaned, as BuildKit's `ignorefile` does."""
    patterns = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        negated = pattern.startswith("!")
        path = pattern.removeprefix("!").strip()
        if path:
            path = re.sub("^//?", "/", posixpath.normpath(path))
            path = path[1:] if len(path) > 1 and path.startswith("/") else path
        patterns.append(f"!{path}" if negated else path)
    return tuple(patterns)


def spelled_out(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return `patterns`, each followed by one for everything below it.

    BuildKit takes what is below an excluded folder for excluded; kaniko looks at one folder above a path.
    """
    # What names the context itself or leaves it matches nothing, and must not match what is below.
    alone = ("**", ".", "/")
    inside = (each for each in patterns if not each.removeprefix("!").startswith("../"))
    both = ((each, each if each.endswith(alone) else f"{each}/**") for each in inside)
    return tuple(pattern for pair in both for pattern in dict.fromkeys(pair))


def of_the_platform(environ: Mapping[str, str], context: Path) -> tuple[str, ...]:
    """Return the patterns for the file in which the job collects its outputs, where it is in the context.

    Its name changes with every run. The platform's directory of such files is left out with it, and so is
    one that holds nothing else.
    """
    if not environ.get(VARIABLE):
        return ()
    root, path = context.resolve(), Path(environ[VARIABLE]).resolve()
    if not path.is_relative_to(root):
        return ()
    if path.parent.match(DIRECTORY):
        path = path.parent
    while path.parent != root and list(path.parent.iterdir()) == [path]:
        path = path.parent
    return (re.sub(r"([\\*?\[\]])", r"\\\1", str(path.relative_to(root))),)


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
    path = pattern.removeprefix("!")
    if path != path.strip() or path.startswith(("!", "#")):
        # Between slashes, which are dropped again, no blank is lost.
        path = f"/{path}/"
    return f"!{path}" if pattern.startswith("!") else path
