"""Wrap the prose of Markdown files at one width: `make wrap`.

Only paragraphs and list items are touched. Front matter, code, tables, headings, comments and what stands
between the markers of `gocdnext-plugin manifest` stay as they are. Code in a line and links are never broken:
one that is longer than a line has a line of its own. Pages that are generated are left to what writes them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH = 120

_GENERATED = re.compile(r"docs/lint\.md|plugins/[\w-]+/ci/.*")
_FRONT_MATTER = re.compile(r"---\n.*?^---\n", re.MULTILINE | re.DOTALL)

_FENCE = re.compile(r"\s*(```|~~~)")
_ITEM = re.compile(r"(\s*(?:[-*+]|\d+\.) +)(?=\S)")
_OTHER = re.compile(r"\s*(#|\||<|!\[|\[[^\]]+\]: )|\s*$")
_WORD = re.compile(r"(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|\S)+")
_STARTS_A_BLOCK = re.compile(r"[-+*#>|]|\d+\.$")


def pages() -> list[str]:
    """Return the Markdown files that people write, by their paths in the repository."""
    command = ["git", "ls-files", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if not _GENERATED.fullmatch(name)]


def wrapped(text: str) -> str:
    """Return a page with its prose wrapped."""
    front = _FRONT_MATTER.match(text)
    start = front.end() if front else 0
    return text[:start] + "".join(f"{line}\n" for line in _lines(iter(text[start:].splitlines())))


def _lines(lines: Iterator[str]) -> Iterator[str]:
    paragraph: list[str] = []
    for line in lines:
        item = _ITEM.match(line)
        fence = _FENCE.match(line)
        if paragraph and (item or fence or _OTHER.match(line)):
            yield from _fill(paragraph)
            paragraph = []
        if fence:
            yield line
            yield from _until(lines, fence[1])
        elif line.endswith(":begin -->"):
            yield line
            yield from _until(lines, "<!-- ")
        elif _OTHER.match(line) or (not paragraph and not item and line.startswith("    ")):
            yield line
        else:
            paragraph.append(line)
    yield from _fill(paragraph)


def _until(lines: Iterator[str], end: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line.lstrip().startswith(end):
            return


def _fill(paragraph: list[str]) -> Iterator[str]:
    """Yield a paragraph's lines: each takes as many words as go into it."""
    if not paragraph:
        return
    item = _ITEM.match(paragraph[0])
    first = item[1] if item else re.match(r"\s*", paragraph[0])[0]  # type: ignore[index]
    words = _WORD.findall(" ".join(line.strip() for line in paragraph)[len(first.strip()) :])
    line = first + words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) <= WIDTH or _STARTS_A_BLOCK.match(word):
            line += f" {word}"
        else:
            yield line
            line = " " * len(first) + word
    yield line


if __name__ == "__main__":
    for name in pages():
        page = ROOT / name
        page.write_text(wrapped(page.read_text(encoding="utf-8")), encoding="utf-8")
