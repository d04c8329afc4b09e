"""The page about testing: its code does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gocdnext_sdk.host.testing import fixtures

PAGE = (Path(__file__).parents[3] / "docs" / "testing.md").read_text()

PIPELINE = """
stages: [build, scan]
jobs:
  build: {stage: build, uses: ghcr.io/org/build@v1, outputs: {digest: DIGEST}}
  scan:
    stage: scan
    uses: ghcr.io/org/scan@v1
    needs: [build]
    with: {digest: "${{ needs.build.outputs.digest }}"}
"""


def test_a_pipeline_is_tested_without_docker(tmp_path: Path, pytester: pytest.Pytester) -> None:
    (code,) = (text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "MemoryEngine" in text)
    (pytester.path / ".gocdnext").mkdir()
    (pytester.path / ".gocdnext" / "release.yaml").write_text(PIPELINE)
    pytester.makepyfile(code)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_every_fixture_is_listed() -> None:
    brought = {name for name in vars(fixtures) if name.startswith("gocdnext_")} - {"gocdnext_sdk"}
    assert set(re.findall(r"^\| `(gocdnext_\w+)", PAGE, re.MULTILINE)) == brought
