"""Whatever a `with:` map holds, each plugin says what is wrong with it, in lines, and touches nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
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
from gocdnext_sdk.tools import dockerignore

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


LONG = ["a" * 256, "a/" * 3000 + "a", "/" * 5000, "é" * 130]
"""What no file system takes for a path, and what it takes for one in spite of its length."""


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
@pytest.mark.parametrize("long", LONG, ids=lambda text: f"{len(text)}{text[:2]}")
def test_a_path_of_any_length_is_a_line_about_its_input(
    plugin: type[Plugin[Any]], checkout: Path, long: str
) -> None:
    """Each input alone, beside those that each plugin needs, in every form that holds a path."""
    needed = {"image": "ghcr.io/org/app", "source": "ghcr.io/org/app:v1", "target": "ghcr.io/org/app:v2"}
    needed |= {"scan-type": "fs", "key": "Dockerfile", "context": "."}
    keys = {with_key(name) for name in plugin.inputs.model_fields}
    for key in sorted(keys):
        for value in (long, f"id={long}", f"@{long}.tpl", f"oci:{long}"):
            given_ = {name: text for name, text in needed.items() if name in keys} | {key: value}
            environ = {variable(name): text for name, text in given_.items()}
            try:
                read_inputs(plugin.inputs, environ | {"PATH": os.defpath})
            except InputError as error:
                assert all(len(line.splitlines()) == 1 for line in error.lines()), (key, error.lines())


@pytest.mark.parametrize("name", ["buildx", "kaniko"])
@pytest.mark.parametrize("long", LONG)
def test_so_is_one_in_a_dockerfile_or_beside_it(checkout: Path, name: str, long: str) -> None:
    (plugin,) = (each for each in PLUGINS if each.name.endswith(name))
    lines = (
        f"COPY {long} /x",
        f"COPY *{long} /x",
        f"COPY */{long} /x",
        f"ADD {long}\0 /x",
        f"WORKDIR /{long}",
    )
    for line in (*lines, f"FROM {long}"):
        (checkout / "Dockerfile").write_text(f"FROM scratch\n{line}\n")
        environ = {variable("image"): "ghcr.io/org/app", "PATH": os.defpath}
        with suppress(InputError):
            read_inputs(plugin.inputs, environ)


@pytest.mark.parametrize("name", ["buildx", "kaniko"])
def test_a_dockerfile_may_have_the_longest_of_names(checkout: Path, name: str) -> None:
    """Which its own `.dockerignore` could not have."""
    (plugin,) = (each for each in PLUGINS if each.name.endswith(name))
    (checkout / ("d" * 250)).write_text("FROM scratch\nCOPY a /\n")
    environ = {variable("image"): "ghcr.io/org/app", variable("dockerfile"): "d" * 250, "PATH": os.defpath}
    inputs = read_inputs(plugin.inputs, environ)
    assert dockerignore.find(inputs.find_dockerfile(checkout), checkout) is None
