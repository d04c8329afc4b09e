"""What cites the platform's contract, or a defect of the bash plugins, cites something that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTRACT = (ROOT / "docs" / "contract.md").read_text()
SECTIONS = set(re.findall(r"^##+ (\d+(?:\.\d+)?)\.? ", CONTRACT, re.MULTILINE))
DEFECTS = (ROOT / "docs" / "bash-plugins.md").read_text()
SOURCES = sorted(
    path
    for folder in ("sdk", "plugins", "tests", "testbed", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if path != Path(__file__)
)
CITATION = re.compile(r"contract(?:\.md)?\W{0,3}§(\d+(?:\.\d+)?)")


def citations() -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(ROOT)), found[1])
        for path in SOURCES
        for found in CITATION.finditer(path.read_text())
    ]


@pytest.mark.parametrize(("file", "section"), citations())
def test_a_cited_section_is_on_the_page(file: str, section: str) -> None:
    assert section in SECTIONS, f"{file} cites §{section} of docs/contract.md"


def test_every_citation_says_which_file_it_means() -> None:
    vague = [path.name for path in SOURCES if re.search(r"(?<!/)\bcontract §", path.read_text())]
    assert citations()
    assert not vague


def test_the_pages_own_references_are_there() -> None:
    assert set(re.findall(r"§(\d+(?:\.\d+)?)", CONTRACT)) <= SECTIONS


def test_every_module_of_the_contract_is_on_the_page() -> None:
    modules = {path.stem for path in (ROOT / "sdk" / "gocdnext_sdk" / "contract").glob("[a-z]*.py")}
    assert modules - {"errors"} == set(re.findall(r"`contract/(\w+)\.py`", CONTRACT))


def test_every_described_defect_has_its_test_and_every_test_its_description() -> None:
    text = (ROOT / "tests" / "unit" / "plugins" / "test_upstream_defects.py").read_text()
    names = re.findall(r"def test_((?:[btckp]\d+_)+)", text)
    tested = {letter.upper() for name in names for letter in name.rstrip("_").split("_")}
    assert tested == set(re.findall(r"^\| ([BTCKP]\d+) \|", DEFECTS, re.MULTILINE))
