"""The page about a release that proves itself shows the pipeline that the tests run, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "proof.md").read_text()
PIPELINE = (ROOT / "examples" / "proof" / ".gocdnext" / "release.yaml").read_text()


def test_the_page_is_the_example_part_by_part() -> None:
    shown = "".join(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    _, _, pipeline = PIPELINE.partition("\n\n")[0].rpartition("#\n"), "", PIPELINE
    start = pipeline.index("name: release")
    assert lines(shown) == lines(pipeline[start:])


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]
