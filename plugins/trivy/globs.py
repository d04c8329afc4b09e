"""The globs of Trivy. A malformed one would match nothing, and disable all that come after it.

Source: Trivy 0.74 `pkg/fanal/utils/utils.go` (`CleanSkipPaths`, `SkipPath`); doublestar 4.10 `validate.go`.
"""

from __future__ import annotations

import re
from os.path import normpath
from typing import Annotated

from pydantic import WithJsonSchema

from gocdnext_sdk import Invalid, from_text
from gocdnext_sdk.inputs.parsers import parse_items

_PART = re.compile(r"\\[^\n]|\[[!^]?+(?:\\[^\n]|[^\\\]\n])++\]|[\s\S]")
"""A character, escaped or not, or a class of them."""

_COMMA = "\0"
"""Stands for one that does not separate items; no variable can hold it."""


def parse_globs(text: str) -> tuple[str, ...]:
    """Read items as `parse_items` does, with the commas that belong to a glob: `**/{test,tests}`, `[,;]`.

    Raises:
        Invalid: one is malformed.
    """
    hidden, depth = [], 0
    for part in _PART.findall(text):
        depth = 0 if part == "\n" else max(0, depth + _deeper(part))
        hidden.append(part.replace(",", _COMMA) if depth or len(part) > 1 else part)
    globs = tuple(each.replace(_COMMA, ",") for each in parse_items("".join(hidden)))
    for number, glob in enumerate(globs, start=1):
        if not _is_glob(normpath(glob)):
            raise Invalid(f"item {number} is no glob: a brace, a bracket or a backslash has no other half")
    return globs


def _is_glob(text: str) -> bool:
    depth = 0
    for part in _PART.findall(text):
        depth += _deeper(part)
        if depth < 0 or part in ("[", "\\"):
            return False
    return depth == 0


def _deeper(part: str) -> int:
    return (part == "{") - (part == "}")


Globs = Annotated[
    tuple[str, ...],
    from_text(parse_globs),
    WithJsonSchema({"type": "string", "format": "items"}),
]
"""Globs, one per line or separated by commas."""
