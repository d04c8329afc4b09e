"""The adapter of cosign is several modules under one name; a plugin pays for those whose names it uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gocdnext_sdk.tools import cosign


@pytest.mark.parametrize("name", sorted(cosign._HOMES))
def test_every_name_is_that_of_its_module(name: str) -> None:
    found = getattr(cosign, name)
    assert found is vars(sys.modules[cosign._HOMES[name]])[name]
    assert getattr(found, "__module__", cosign._HOMES[name]) == cosign._HOMES[name]


def test_keys_cost_nothing_else() -> None:
    program = (
        "import sys; from gocdnext_sdk.tools.cosign import key_kind;"
        "print([each for each in sys.modules if each.startswith('gocdnext_sdk.tools.cosign.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['gocdnext_sdk.tools.cosign.keys']\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cosign.nothing
