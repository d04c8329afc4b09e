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
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.host.planning.plan_run import plan_run
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


# --- through a whole run, of which a plan notes what it would start

FLAG = "--canary"
OUTSIDE = ("../canary", "/canary-outside", "canary-link")
NASTY = st.sampled_from(
    [
        *(
            FLAG,
            f"{FLAG}=1",
            "-c",
            "-",
            "--",
            "a b",
            "'a' \"b\"",
            "a\nb",
            f"v1\n{FLAG}",
            f"v1,{FLAG}",
            "\x1b[2J",
            "ü",
            "x" * 5000,
        ),
        *OUTSIDE,
        *(
            "https://u:hunter2-hunter2@host/x?token=hunter2-hunter2",
            "ghcr.io/org/app:v1",
            "@/canary-outside.tpl",
        ),
        *(
            f"K={FLAG}",
            f"{FLAG}=K",
            "id=Dockerfile",
            "id=canary-link",
            "src=canary-link",
            "oci:canary-link",
            "$(id)",
            "%s",
        ),
        *(
            "type=registry,ref=ghcr.io/a/b",
            "type=local,src=canary-link",
            f"type=gha,scope={FLAG}",
            "registry:5000",
        ),
    ]
)
WORKING: dict[str, list[dict[str, str]]] = {
    "gocdnext-plugin-buildx": [{"image": "ghcr.io/org/app"}, {"image": "app", "platforms": "linux/arm64"}],
    "gocdnext-plugin-kaniko": [{"image": "ghcr.io/org/app"}, {"image": "app", "cache": "true"}],
    "gocdnext-plugin-trivy": [
        *({"scan-type": "image", "target": "ghcr.io/org/app:v1"}, {}, {"scan-type": "config"}),
        *(
            {"scan-type": "repo", "target": "https://github.com/org/app"},
            {"scan-type": "sbom", "target": "sbom.json"},
        ),
        {"format": "template", "template": "@report.tpl"},
    ],
    "gocdnext-plugin-cosign": [
        {"image": "ghcr.io/org/app", "key": "cosign.key", "tlog": "false"},
        {"image": "ghcr.io/org/app", "key": "cosign.pub", "action": "verify"},
        {"image": "ghcr.io/org/app", "key": "awskms:///x", "action": "attest", "predicate": "sbom.json"},
    ],
    "gocdnext-plugin-docker-push": [
        {"source": "ghcr.io/org/app:v1", "target": "quay.io/org/app"},
        {"source": "oci:image", "target": "quay.io/org/app"},
        {"action": "delete-tag", "target": "quay.io/org/app:v1"},
    ],
}
"""Maps that a run takes, for strangers to spoil."""

FREE_TEXT = frozenset(
    {"--build-arg", "--label", "--annotation", "--annotations", "--skip-dirs", "--skip-files"}
    | {"--template", "--target", "--registry-mirror"}
)
"""Flags whose value is text, not a path."""

WITH_SOURCE = ("--secret", "--ssh", "--cache-from", "--cache-to", "--output")
"""Flags whose value may have a path behind `src=`."""

PEM = "-----BEGIN {0}-----\nMFkw\n-----END {0}-----\n"


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which jobs work, with a link that leads out of it."""
    (tmp_path / "canary").mkdir()
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "canary-link").symlink_to("../canary")
    for name, text in {
        "Dockerfile": "FROM scratch\n",
        "sbom.json": "{}",
        "report.tpl": "x",
        "cosign.key": PEM.format("ENCRYPTED SIGSTORE PRIVATE KEY"),
        "cosign.pub": PEM.format("PUBLIC KEY"),
    }.items():
        (workspace / name).write_text(text)
    (workspace / "image").mkdir()
    monkeypatch.chdir(workspace)
    return workspace


def spoilt(plugin: type[Plugin[Any]]) -> st.SearchStrategy[dict[str, str]]:
    """Return maps that work, with a few values of a stranger."""
    fields = {with_key(name): field for name, field in plugin.inputs.model_fields.items()}
    values = {
        key: st.sampled_from(words) | NASTY if (words := list(choices(field.annotation))) else NASTY | VALUES
        for key, field in fields.items()
    }
    entry = st.sampled_from(sorted(values)).flatmap(lambda key: st.tuples(st.just(key), values[key]))
    strange = st.lists(entry, min_size=1, max_size=3).map(dict)
    return st.builds(lambda given_, more: given_ | more, st.sampled_from(WORKING[plugin.name]), strange)


def looks_like_a_flag(argv: tuple[str, ...]) -> list[str]:
    """Return the words of a stranger that a tool would take for a flag of its own."""
    before = ("", *argv)
    return [
        word
        for flag, word in zip(before, argv, strict=False)
        if word.startswith(FLAG) and not flag.startswith("--")
    ]


def paths_outside(argv: tuple[str, ...]) -> list[str]:
    """Return the words that name what is outside the checkout."""
    found = []
    for flag, word in zip(("", *argv), argv, strict=False):
        name, equals, value = word.partition("=") if word.startswith("--") else (flag, "", word)
        value = value if equals or not word.startswith("--") else word
        parts = (
            value.rpartition("src=")[2] if name in WITH_SOURCE else "",
            value.partition("=")[2] if name == "--build-context" else "",
        )
        # The cache's directory may be anywhere, by an absolute path.
        paths = parts if name == "--cache-dir" and value.startswith("/") else (value, *parts)
        if name not in FREE_TEXT and any(
            path == each or path.startswith(f"{each}/") for path in paths for each in OUTSIDE
        ):
            found.append(word)
    return found


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
@given(data=st.data())
def test_a_strangers_value_is_never_a_flag_nor_a_path_outside(
    plugin: type[Plugin[Any]], hostile: Path, data: st.DataObject
) -> None:
    with_ = data.draw(spoilt(plugin))
    environ = {variable(key): value.replace("\0", "") for key, value in with_.items()}
    environ |= {"PATH": os.defpath, "HOME": "/nonexistent", "DOCKER_HOST": "unix:///nonexistent"}
    try:
        plan = plan_run(plugin, environ, hostile, Placeholders())
    except InputError as error:
        assert "hunter2-hunter2" not in str(error)
        return
    for step in plan.steps:
        if step.action == "run":
            assert looks_like_a_flag(step.words) == []
            assert paths_outside(step.words) == []
