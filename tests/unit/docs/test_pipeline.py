"""The page about pipelines names every key that the parser takes, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.host.pipeline import extends, schema

PAGE = (Path(__file__).parents[3] / "docs" / "pipeline.md").read_text()


def rows(section: str) -> dict[str, str]:
    """Return what the second column of a section's table says of each key."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))


def keys(read: Any) -> Iterator[str]:
    """Yield all keys of a value, at any depth."""
    if isinstance(read, schema.Struct):
        for key, inner in read.known.items():
            yield key
            yield from keys(inner)
    elif isinstance(read, schema.ListOf | schema.MapOf):
        yield from keys(read.read)
    elif read is schema.output:
        yield from schema.OUTPUT


@pytest.mark.parametrize(
    ("section", "known"), [("The pipeline", schema.FILE), ("A job", schema.JOB)], ids=["pipeline", "job"]
)
def test_every_key_is_on_the_page(section: str, known: Mapping[str, Any]) -> None:
    found = rows(section)
    assert set(found) == set(known)
    for key, read in known.items():
        named = re.findall(r"`(\w+)`", found[key])
        assert set(keys(read)) <= set(named), key


def test_what_is_merged_and_lost_is_what_the_parser_merges_and_loses() -> None:
    text = PAGE.partition("\n## `extends`\n")[2].partition("\n## ")[0]
    merged, lost = (
        re.findall(r"`(\w+)`", line) for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)[:2]
    )
    assert set(merged) == set(extends._MERGED)
    assert set(lost) == set(extends._LOST)
