"""Marks: what says of an image that it has met its demands, wherever people and policies look.

An attestation goes to any registry; a label is Harbor's, a property Artifactory's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gocdnext_sdk import Invalid

from .attested import parse_age

VALIDATED = "https://github.com/klinux/gocdnext/validated/v1"
"""The predicate type of a mark that is an attestation."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class ImageMark:
    """A mark.

    Args:
        kind: where it is.
        name: of the label or the property.
        value: of the property.
        age: how old it may be, if it is demanded and an attestation.
        text: as written.
    """

    kind: Literal["attestation", "harbor", "artifactory"]
    text: str
    name: str = ""
    value: str = ""
    age: timedelta | None = None

    def __str__(self) -> str:
        return self.text


def parse_mark(number: int, line: str, workspace: Path | None) -> ImageMark:
    """Return the mark in the line of a list.

    Raises:
        ValueError: it is not `attestation`, `harbor:LABEL` or `artifactory:NAME=VALUE`.
    """
    kind, _, rest = line.partition(":")
    head, less, age = (part.strip() for part in line.partition("<"))
    if head == "attestation" and bool(less) == bool(age):
        return ImageMark("attestation", line, age=parse_age(age) if age else None)
    if kind == "harbor" and rest.strip():
        return ImageMark("harbor", line, rest.strip())
    name, _, value = rest.partition("=")
    if kind == "artifactory" and _NAME.fullmatch(name) and _NAME.fullmatch(value):
        return ImageMark("artifactory", line, name, value)
    raise Invalid(f"item {number} is not attestation, harbor:LABEL or artifactory:NAME=VALUE")
