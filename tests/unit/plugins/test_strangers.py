"""Whatever a `with:` map holds, each plugin says what is wrong with it, in lines, and touches nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk import InputError, Plugin
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.inputs.model import with_key
from gocdnext_sdk.inputs.reader import read_inputs

ROOT = Path(__file__).parents[3]
PLUGINS = [load_plugin(path.parent) for path in sorted(ROOT.glob("plugins/*/plugin.py"))]

PIECES = st.sampled_from(
    [
        *"a1,:/@= \n\t\"'{}[]#$%.-é",
        "sha256:",
        "a" * 64,
        "ghcr.io/a/b",
        "v1",
        "K=V",
        "../",
        "/etc/passwd",
        "type=",
    ]
)
COMMON = [
    "true",
    "false",
    "",
    "0",
    "-1",
    "1e9",
    "latest",
    "linux/amd64",
    "ghcr.io/org/app",
    "ghcr.io/org/app:v1",
    ".",
]
COMMON += [
    "{}",
    "[]",
    '{"auths": {}}',
    "sha256:" + "0" * 64,
    "type=registry",
    "A=1",
    "Dockerfile",
    "../..",
    "é" * 200,
]
VALUES = st.sampled_from(COMMON) | st.lists(PIECES, max_size=10).map("".join) | st.text(max_size=40)


def choices(annotation: Any) -> Iterator[str]:
    """Yield the words that an input takes."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    else:
        for each in get_args(annotation):
            yield from choices(each)


def maps(plugin: type[Plugin[Any]]) -> st.SearchStrategy[dict[str, str]]:
    """Return `with:` maps with some of the plugin's keys, most of their values possible ones."""
    fields = {with_key(name): field for name, field in plugin.inputs.model_fields.items()}
    entries = {
        key: st.sampled_from(words) | VALUES if (words := list(choices(field.annotation))) else VALUES
        for key, field in fields.items()
    }
    return st.fixed_dictionaries({}, optional=entries | {"no-such-key": VALUES})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
@given(data=st.data())
def test_any_map_is_taken_or_refused(plugin: type[Plugin[Any]], checkout: Path, data: st.DataObject) -> None:
    given_ = data.draw(maps(plugin))
    environ = {variable(key): value.replace("\0", "") for key, value in given_.items()}
    try:
        read_inputs(plugin.inputs, environ | {"PATH": os.defpath})
    except InputError as error:
        assert error.exit_code == 2
        assert error.lines()
        assert all(line and len(line.splitlines()) == 1 for line in error.lines()), error.lines()
    assert sorted(path.name for path in checkout.iterdir()) == ["Dockerfile"]
