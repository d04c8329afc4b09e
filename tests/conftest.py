"""The shipped fixtures under short names, for this repository's own tests."""

from __future__ import annotations

from typing import Any, Literal

import pytest

pytest_plugins = ["pytester"]


def _short(name: str, scope: Literal["function", "session"]) -> Any:
    @pytest.fixture(name=name, scope=scope)
    def alias(request: pytest.FixtureRequest) -> Any:
        return request.getfixturevalue(f"gocdnext_{name}")

    return alias


fake_tools = _short("fake_tools", "function")
workspace = _short("workspace", "function")
run_plugin = _short("run_plugin", "function")
repository = _short("repository", "function")
run_pipeline = _short("run_pipeline", "function")
registry = _short("registry", "session")
sigstore = _short("sigstore", "session")
