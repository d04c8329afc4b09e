"""What an image says of itself: labels and annotations, and the date of its source.

Sources: the predefined keys of the OCI image specification (annotations.md); levels of annotations as
docker/buildx 0.36 reads them (`util/buildflags/export.go`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from pydantic import WithJsonSchema

from gocdnext_sdk.errors import Invalid, Problem, quoted
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.inputs.tagging import expressions
from gocdnext_sdk.inputs.tagging.rules import EXPRESSIONS
from gocdnext_sdk.inputs.types import from_text
from gocdnext_sdk.oci.platforms import normal
from gocdnext_sdk.runtime.ci import Ci

SOURCE_DATE = "SOURCE_DATE_EPOCH"
"""The variable of reproducible builds (https://reproducible-builds.org/specs/source-date-epoch/)."""

LEVELS = ("manifest", "index", "manifest-descriptor", "index-descriptor")
"""Where buildx can put an annotation."""

INDEX = frozenset({"index", "index-descriptor", "manifest-descriptor"})
"""Levels that are in an index."""

_KEY = "org.opencontainers.image."
_LEVEL = re.compile(r"(?P<level>[a-z-]+)(?:\[(?P<platform>[A-Za-z0-9_/-]+)\])?")


class Level(NamedTuple):
    """Where an annotation is put.

    Args:
        name: one of `LEVELS`.
        platform: only there; None: everywhere.
    """

    name: str
    platform: str | None = None

    def __str__(self) -> str:
        return f"{self.name}[{self.platform}]" if self.platform else self.name


@dataclass(frozen=True)
class Annotation:
    """One annotation.

    Args:
        levels: where it is put; none: in each manifest.
        key: its name.
        value: its value.
    """

    levels: tuple[Level, ...]
    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Annotation:
        """Read `KEY=VALUE`, `index:KEY=VALUE` or `index,manifest[linux/amd64]:KEY=VALUE`.

        Raises:
            Invalid: it is none of these.
        """
        name, equals, value = text.partition("=")
        levels, colon, key = name.partition(":")
        if not colon:
            levels, key = "", name
        if not equals or not key.strip():
            lacking = "name" if equals else "value"
            raise Invalid(f"{quoted(text)} has no {lacking}", "write one KEY=VALUE per line")
        found = tuple(_level(each.strip(), text) for each in levels.split(",")) if colon else ()
        return cls(found, key, value)

    def __str__(self) -> str:
        """Return it as buildx takes it."""
        levels = ",".join(map(str, self.levels))
        return f"{levels}:{self.key}={self.value}" if levels else f"{self.key}={self.value}"


Annotations = Annotated[
    tuple[Annotation, ...],
    from_text(lambda text: tuple(map(Annotation.parse, parse_lines(text)))),
    WithJsonSchema({"type": "string", "format": "annotations"}),
]
"""Annotations, one a line, with the level before a colon."""


def _level(text: str, line: str) -> Level:
    found = _LEVEL.fullmatch(text)
    if found is None or found["level"] not in LEVELS:
        raise Invalid(f"{quoted(line)}: {quoted(text)} is not a level", f"choose from {', '.join(LEVELS)}")
    if found["platform"] and found["level"].startswith("index"):
        raise Invalid(f"{quoted(line)}: an index has no platform", f"write {found['level']}:")
    return Level(found["level"], found["platform"] and normal(found["platform"]))


def check_literal(key: str, texts: Iterable[str]) -> Iterator[Problem]:
    """Check that no label or annotation has an expression of `tags`, which would be published as it is.

    docker/metadata-action evaluates those there; other templates are texts there too.

    Args:
        key: the input.
        texts: its lines.
    """
    for number, text in enumerate(texts, start=1):
        for name in expressions.names(text):
            if name in EXPRESSIONS:
                what = f'item {number} has "{{{{{name}}}}}", which is for `tags` and not evaluated here'
                yield Problem(key, what, "write a variable, such as ${CI_COMMIT_SHA}")
                break


def check_once(key: str, names: Iterable[str]) -> Iterator[Problem]:
    """Check that no name is there twice: of the two values one would be lost.

    Args:
        key: the input.
        names: those of its lines.
    """
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if name in seen:
            yield Problem(key, f"item {number} repeats an earlier name", "leave one out")
        seen.add(name)


def source_date(environ: Mapping[str, str], ci: Ci) -> int | None:
    """Return the date that a build takes for its own, in seconds since 1970.

    The job's SOURCE_DATE_EPOCH, else when the commit was made.
    """
    given = environ.get(SOURCE_DATE, "").strip()
    if given.isascii() and given.isdigit():
        return int(given)
    return int(ci.committed.timestamp()) if ci.committed and not given else None


def labels(
    own: Iterable[str], ci: Ci, version: str | None, title: str, environ: Mapping[str, str]
) -> Iterator[str]:
    """Yield labels, `KEY=VALUE`: those of the run, then `own`, which win. What is not known is left out.

    Args:
        own: labels that are given.
        ci: the run.
        version: the tag that stands for it.
        title: of an image whose repository is not known.
        environ: the job's.
    """
    own = tuple(own)
    date = source_date(environ, ci)
    page = ci.repository_url
    found = {
        "created": datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if date is not None
        else None,
        "revision": ci.commit,
        "source": page,
        "title": page.rpartition("/")[2] if page else title,
        "url": page,
        "version": version,
    }
    given = {label.partition("=")[0] for label in own}
    for key, value in found.items():
        if value and _KEY + key not in given:
            yield f"{_KEY}{key}={value}"
    yield from own
