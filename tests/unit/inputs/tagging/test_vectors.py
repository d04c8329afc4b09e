"""The same tags as docker/metadata-action makes, for the same text, commit and reference.

`vectors.json` holds its answers: its `src/meta.ts`, `tag.ts` and `flavor.ts` at dc802804 were run on texts of
our own, with their libraries and one fixed time. A tag that stands there twice stands here once. Schedules
with expressions of the default branch are on it: on another branch its answer is GitHub's (docs/tags.md).
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import Ci
from gocdnext_sdk.inputs.tagging.evaluate import evaluate
from gocdnext_sdk.inputs.tagging.rules import Flavor, TagRules
from gocdnext_sdk.runtime.ci import PullRequest

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("vectors.json").read_text())
COMMIT = "860c1904a1ce19322e91ac35af1ab07466440c37"


def run_of(vector: dict[str, Any]) -> Ci:
    kind, name = vector["ref"].removeprefix("refs/").split("/", 1)
    target = vector.get("base")
    return Ci(
        commit=COMMIT,
        branch=name if kind == "heads" else None,
        tag=name if kind == "tags" else None,
        pull_request=PullRequest(number=int(name.split("/")[0]), target=target) if kind == "pull" else None,
        event="manual" if vector["event"] == "workflow_dispatch" else vector["event"],
        default_branch=vector.get("default_branch", "main"),
        committed=datetime(2025, 12, 31, 23, 30, tzinfo=UTC),
        now=datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "vector", VECTORS, ids=lambda each: f"{each['ref']} {each['tags']} {each.get('flavor', '')}"
)
def test_a_vector(vector: dict[str, Any]) -> None:
    found = evaluate(TagRules.parse(vector["tags"]), Flavor.parse(vector.get("flavor", "")), run_of(vector))
    assert list(found.tags) == vector["made"]
    assert found.version == vector["version"]


def test_there_are_enough_of_every_type() -> None:
    assert len(VECTORS) >= 150
    types = Counter(
        line.split(",")[0].lower()
        for vector in VECTORS
        for line in vector["tags"].splitlines()
        if "=" in line
    )
    kinds = ("schedule", "semver", "pep440", "match", "edge", "ref", "raw", "sha")
    assert all(types[f"type={kind}"] >= 5 for kind in kinds)
