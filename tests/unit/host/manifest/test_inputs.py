"""What a manifest says of a value is what the plugin's own code says, as far as it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from gocdnext_sdk.host.manifest.catalog import Catalog, bundled
from gocdnext_sdk.host.manifest.inputs import FORMATS, inputs_of
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog
from gocdnext_sdk.inputs import types
from gocdnext_sdk.inputs.constraints import Always, Constraint
from gocdnext_sdk.inputs.model import PluginInputs, all_constraints
from gocdnext_sdk.inputs.reader import given_texts, wrong_values

TEXTS = (
    *("true", "maybe", "1", "one", "a b", "a,b", ", ,", "A=1\nA=2", "=1", "x/y", "ghcr.io/Org/app", "+"),
    *(
        "../up",
        "/workspace/file",
        "nowhere.json",
        "{",
        "{}",
        "[]",
        "image",
        "registry",
        "CRITICL",
        "-----BEGIN",
    ),
)
"""Each is right for some types and wrong for others."""


@pytest.mark.parametrize("folder", bundled(), ids=lambda folder: folder.name)
def test_the_manifest_finds_nothing_that_the_code_does_not(folder: Path) -> None:
    manifest = read_catalog(folder / "plugin.yaml")
    code, described = load_plugin(folder).inputs, inputs_of(manifest)
    found = 0
    for spec in manifest.inputs:
        for text in TEXTS:
            ours, theirs = (wrong_values(model, {spec.name: text}) for model in (described, code))
            if ours:
                assert ours == theirs
                found += 1
    assert found > 50
    assert given_texts(described, {}) == given_texts(code, {})
    assert rules(described) == rules(code)


def test_every_type_has_a_name_in_manifests() -> None:
    names = {TypeAdapter(each).json_schema().get("format") for each in vars(types).values() if _is_type(each)}
    assert names - {None} <= set(FORMATS)
    assert {TypeAdapter(each).json_schema()["format"]: each for each in FORMATS.values()} == dict(FORMATS)


def _is_type(value: object) -> bool:
    return hasattr(value, "__metadata__")


def test_keys_of_any_spelling_are_read(tmp_path: Path) -> None:
    (tmp_path / "plugin.yaml").write_text(
        "name: other\ninputs: {dryRun: {type: boolean}, build_args: {format: pairs}, a.b: {type: integer}}\n"
    )
    catalog = Catalog.load([tmp_path])
    manifest = catalog.find("a.b/other:1")
    assert manifest is not None
    model = catalog.inputs(manifest)
    problems = wrong_values(model, {"dryRun": "maybe", "build_args": "=1", "a.b": "x"})
    assert {problem.key for problem in problems} == {"dryRun", "build_args", "a.b"}
    assert given_texts(model, {"dryRun": "On"}) == {"dryRun": "true"}


def test_code_that_cannot_be_imported_here_is_not_at_hand(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text("import only_in_the_image\n")
    (tmp_path / "plugin.yaml").write_text("name: other\ninputs: {quiet: {type: boolean}}\n")
    catalog = Catalog.load([tmp_path])
    (manifest,) = (each for each in catalog if each.name == "other")
    assert wrong_values(catalog.inputs(manifest), {"quiet": "maybe"})


def test_what_only_code_can_say_is_said_where_the_code_is(tmp_path: Path) -> None:
    catalog = Catalog.load()
    trivy = catalog.find("gocdnext-plugin-trivy")
    assert trivy is not None
    assert [problem.key for problem in wrong_values(catalog.inputs(trivy), {"exit-code": "700"})] == [
        "exit-code"
    ]
    assert not wrong_values(inputs_of(trivy), {"exit-code": "700"})


def rules(model: type[PluginInputs]) -> set[Constraint]:
    return {each for each in all_constraints(model) if not isinstance(each, Always)}
