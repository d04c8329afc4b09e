"""The page for those in trouble names inputs that the plugins have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "trouble.md").read_text()
NAMED = re.findall(r"^\| ([\w-]+) \| `([\w-]+)` \|", PAGE, re.MULTILINE)


def inputs(plugin: str) -> set[str]:
    return set(yaml.safe_load((ROOT / "plugins" / plugin / "plugin.yaml").read_text())["inputs"])


@pytest.mark.parametrize(("plugin", "name"), NAMED)
def test_an_input_that_costs_time_is_there(plugin: str, name: str) -> None:
    assert name in inputs(plugin)


def test_every_plugin_has_its_row() -> None:
    assert {plugin for plugin, _ in NAMED} == {path.parent.name for path in ROOT.glob("plugins/*/plugin.py")}


def test_the_gates_that_are_named_are_trivys() -> None:
    assert {"severity", "ignore-unfixed", "exit-code"} <= inputs("trivy")
