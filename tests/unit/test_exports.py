"""What authors import from the packages that load on use is there, and is what type checkers see."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import gocdnext_sdk
from gocdnext_sdk.tools import cosign

LAZY = [gocdnext_sdk, cosign]


@pytest.mark.parametrize(("package", "name"), [(each, name) for each in LAZY for name in each.__all__])
def test_every_name_resolves(package: ModuleType, name: str) -> None:
    assert getattr(package, name) is not None


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_see_what_is_loaded(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text())
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gocdnext_sdk.")
        for alias in node.names
    }
    assert seen == package._HOMES
    assert sorted(seen) == sorted(package.__all__)


def test_what_is_not_used_is_not_loaded() -> None:
    program = "import sys; from gocdnext_sdk import Problem; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = gocdnext_sdk.Nothing  # type: ignore[attr-defined]
