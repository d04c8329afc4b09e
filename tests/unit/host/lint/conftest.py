"""Lint with the manifests of the project's own plugins, and one that has a former key."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from gocdnext_sdk.host.lint.check import lint_text
from gocdnext_sdk.host.lint.rule import Finding
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest

SAMPLE = Manifest(
    name="gocdnext-plugin-sample",
    inputs=(
        InputSpec(name="level", type="string", description="How much.", choices=("low", "high")),
        InputSpec(name="degree", type="string", description="Former.", successor="level"),
    ),
)
STAGES = ("build", "scan", "sign")


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog([*Catalog.load(), SAMPLE])


@pytest.fixture
def lint(catalog: Catalog) -> Callable[[str], list[Finding]]:
    """Check a pipeline, or the jobs of one; then line 1 is line 3 of what is checked, column 1 column 3."""

    def check(text: str) -> list[Finding]:
        if "\njobs:\n" not in f"\n{text}":
            stages = ", ".join(each for each in STAGES if re.search(rf"\bstage: {each}\b", text))
            jobs = "".join(f"  {line}".rstrip() + "\n" for line in text.splitlines())
            text = f"stages: [{stages or 'build'}]\njobs:\n{jobs}"
        return lint_text(text, "release.yaml", catalog)

    return check
