"""What examples in the documentation are run with."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import Plugin
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.planning import Placeholders, RunPlan, plan_run
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.host.testing.result import Result

PLUGIN = '''
import json

from gocdnext_sdk import *


class ExampleInputs(RegistryLoginInputs):
    """The inputs that the page speaks of."""

    image: Reference = Input(description="…")
    token: Secret = Input(description="…")


class Example(Plugin[ExampleInputs]):
    """An example."""

    name = "gocdnext-plugin-example"
    inputs = ExampleInputs
    outputs = {"DIGEST": "…", "IMAGE": "…", "FINDINGS": "…"}

    def run(self, inputs, job):
BODY
        return {}


if __name__ == "__main__":
    Example.main()
'''

GIVEN = {
    "image": "ghcr.io/org/app:v1",
    "token": "robot:long-password",
    "username": "me",
    "password": "another-password",
}


@dataclass(frozen=True)
class Example:
    """Makes a plugin of the lines of a `run`."""

    folder: Path
    workspace: Path
    run_plugin: PluginRunner

    def plan(self, lines: str) -> RunPlan:
        """Return what they would do."""
        plugin: type[Plugin[Any]] = load_plugin(self._plugin(lines))
        environ = {f"PLUGIN_{key.upper()}": value for key, value in GIVEN.items()}
        return plan_run(plugin, environ, self.workspace, Placeholders())

    def run(self, lines: str) -> Result:
        """Do them."""
        return self.run_plugin(self._plugin(lines), GIVEN, mode="function")

    def _plugin(self, lines: str) -> Path:
        self.folder.mkdir()
        (self.folder / "plugin.py").write_text(PLUGIN.replace("BODY", textwrap.indent(lines, " " * 8)))
        return self.folder


@pytest.fixture
def example(tmp_path: Path, workspace: Path, run_plugin: PluginRunner) -> Example:
    """Plan or run lines of a `run`."""
    return Example(tmp_path / "example", workspace, run_plugin)
