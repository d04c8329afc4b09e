"""The classes on the page about inputs are one plugin, which does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gocdnext_sdk import InputError
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.inputs.reader import read_inputs

PAGE = (Path(__file__).parents[3] / "docs" / "inputs.md").read_text()
HEAD = "from typing import *\nfrom gocdnext_sdk import *\n"
RUN = "\n    def run(self, inputs, job):\n        return {}\n"


def test_the_classes_are_a_plugin(tmp_path: Path) -> None:
    classes = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "plugin.py").write_text(HEAD + "\n".join(classes) + RUN)
    assert Manifest.of(tmp_path).facts.daemon
    model = load_plugin(tmp_path).inputs
    image = {"PLUGIN_TARGET": "ghcr.io/org/app"}
    assert read_inputs(model, image | {"PLUGIN_SKIP": "a, b"}, workspace=tmp_path).paths == ("a", "b")  # type: ignore[attr-defined]
    for wrong in ({"REPORT": "."}, {"FAIL_ON": "low"}, {"REPORT": "r", "TOKEN": "t", "FAIL_ON": "low"}):
        with pytest.raises(InputError):
            read_inputs(
                model, image | {f"PLUGIN_{key}": text for key, text in wrong.items()}, workspace=tmp_path
            )
