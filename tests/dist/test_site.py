"""`make docs` builds the site in a venv of its own: strictly, with a page of every public module, whole."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from docs.reference import public_modules

import gocdnext_sdk

ROOT = Path(__file__).parents[2]
PUBLIC = public_modules((ROOT / "docs" / "api.md").read_text())

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(["make", "build/docs/installed"], cwd=ROOT, check=True)
    command = ["build/docs/bin/mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env=environ, check=True)
    return folder


def test_every_public_module_has_a_page_and_a_link_to_it(site: Path) -> None:
    linked = re.findall(r'<a href="(gocdnext_sdk[\w.]*)/">', (site / "api" / "index.html").read_text())
    assert linked == PUBLIC
    for name in PUBLIC:
        page = (site / "api" / name / "index.html").read_text()
        assert f'id="{name}.' in page
        assert re.findall(r'id="gocdnext_sdk[\w.]*\._[a-z]\w*"', page) == [], "private names"


def test_the_page_of_the_package_shows_what_it_loads_on_use(site: Path) -> None:
    page = (site / "api" / "gocdnext_sdk" / "index.html").read_text()
    assert [name for name in gocdnext_sdk.__all__ if f'id="gocdnext_sdk.{name}"' not in page] == []
    assert "One run of a plugin." in page  # Job's docstring


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link)[^>]*(?:src|href)=[\"'](?:https?:)?//[^>]*>", path.read_text()
        )
        assert [each for each in loaded if 'rel="canonical"' not in each] == [], path
