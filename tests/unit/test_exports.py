"""What authors import from the package is there, loads on use, and is what type checkers see."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gocdnext_sdk


@pytest.mark.parametrize("name", gocdnext_sdk.__all__)
def test_every_name_resolves(name: str) -> None:
    assert getattr(gocdnext_sdk, name) is not None


def test_type_checkers_see_what_is_loaded() -> None:
    tree = ast.parse(Path(str(gocdnext_sdk.__file__)).read_text())
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gocdnext_sdk.")
        for alias in node.names
    }
    assert seen == gocdnext_sdk._HOMES
    assert set(seen) == set(gocdnext_sdk.__all__)


def test_what_is_not_used_is_not_loaded() -> None:
    program = "import sys; from gocdnext_sdk import Problem; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = gocdnext_sdk.Nothing  # type: ignore[attr-defined]
