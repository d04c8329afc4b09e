"""The tutorial leaves nothing of the scaffold's plugin in what people read. tests/e2e does the whole page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gocdnext_sdk.host.lint.check import lint_text
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.scaffold import scaffold

PAGE = (Path(__file__).parents[3] / "docs" / "tutorial.md").read_text()
FILES = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(rm tests/.*?)^pytest\n```$", PAGE, re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's folder at the page's end, but for what needs an engine."""
    folder = tmp_path_factory.mktemp("tutorial") / "image-labels"
    scaffold("image-labels", folder)
    for name, text in FILES:
        (folder / name).write_text(text)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    commands = f"{COMMANDS}gocdnext-plugin manifest --check ."
    subprocess.run(["bash", "-euc", commands], cwd=folder, env={**os.environ, "PATH": path}, check=True)
    return folder


@pytest.mark.parametrize("name", ["README.md", "examples/check.yaml", "plugin.yaml"])
def test_nobody_speaks_of_the_scaffolds_inputs(name: str, folder: Path) -> None:
    assert not re.findall(r"FIXME|XXX|\bwords\b|\bpath\b|allowed", (folder / name).read_text())


def test_the_job_in_the_readme_is_good(folder: Path) -> None:
    (job,) = re.findall(r"^```yaml\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    text = "stages: [check]\njobs:\n" + re.sub(r"^", "  ", job, flags=re.MULTILINE)
    assert "image: ghcr.io/org/app:v1" in text
    assert lint_text(text, "README.md", Catalog.load([folder])) == []
