"""An author hears of an input that some CI system cannot hand over."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli.commands import group
from gocdnext_sdk.host.manifest.carriage import not_carried
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest
from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog

ROOT = Path(__file__).parents[4]

PLUGIN = '''
from gocdnext_sdk import *

class Inputs(PluginInputs):
    entrypoint: str = Input("", description="Of the application.")

class Passing(Plugin[Inputs]):
    """Passes."""

    name, inputs = "gocdnext-plugin-passing", Inputs

    def run(self, inputs, job):
        return {}
'''


def told(*names: str) -> list[str]:
    inputs = tuple(InputSpec(name=name, type="string", description="x") for name in names)
    return list(not_carried(Manifest(name="x", inputs=inputs)))


def test_github_keeps_a_name_for_itself() -> None:
    (line,) = told("entrypoint", "image", "args")
    assert line == "with.entrypoint: cannot be given on GitHub Actions; choose another name"


def test_the_sdks_own_input_is_not_taken() -> None:
    assert len(told("outputs-file")) == 1


def test_names_that_every_container_has_arrive_with_their_prefix() -> None:
    assert told("path", "home", "user", "scan-type", "a1") == []


@pytest.mark.parametrize(
    "folder", sorted(ROOT.glob("plugins/*/plugin.yaml")), ids=lambda path: path.parent.name
)
def test_our_own_arrive_everywhere(folder: Path) -> None:
    assert list(not_carried(read_catalog(folder))) == []


def test_the_command_says_so(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    result = CliRunner().invoke(group, ["manifest", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "warning: with.entrypoint: cannot be given on GitHub Actions" in result.output
