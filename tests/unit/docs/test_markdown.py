"""Every page as a whole: it can be found, its links lead somewhere, and its lines have one width."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from docs.wrap import pages, wrapped

ROOT = Path(__file__).parents[3]
TRACKED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def prose(name: str) -> str:
    """Return a page without its code."""
    text = re.sub(r"^( *)```.*?^\1```$", "", (ROOT / name).read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def anchors(path: Path) -> set[str]:
    """Return what a fragment can name in a page, as code hosts and mkdocs make it from a heading."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TRACKED)
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(name: str) -> None:
    for target, anchor in LINK.findall(prose(name)):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), target
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), f"{target}#{anchor}"


def test_every_page_is_linked_from_the_first() -> None:
    linked = {target for target, _ in LINK.findall(prose("docs/index.md"))}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"} <= linked


@pytest.mark.parametrize("name", pages())
def test_prose_is_wrapped_at_one_width(name: str) -> None:
    text = (ROOT / name).read_text()
    assert wrapped(text) == text, "run `make wrap`"


def test_what_is_no_prose_stays_as_it_is() -> None:
    page = """\
---
name: a
description: b
---
# A heading

- one
  item

| a | table |
| --- | --- |

```sh
some
code
```
<!-- inputs:begin -->
two
lines
<!-- inputs:end -->
"""
    assert wrapped(page) == page.replace("one\n  item", "one item")
