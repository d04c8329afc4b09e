"""A list that is given and holds nothing is a mistake, whichever plugin and input it is for."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk import InputError, PluginInputs
from gocdnext_sdk.contract.dialects.values import LISTS as FORMATS
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.inputs.constraints import NO_EFFECT
from gocdnext_sdk.inputs.model import with_key
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.inputs.tagging.rules import Flavor, TagRules
from gocdnext_sdk.inputs.translation import form_of

PLUGINS = sorted(file.parent for file in (Path(__file__).parents[3] / "plugins").glob("*/plugin.py"))


def lists() -> Iterator[tuple[type[PluginInputs], str]]:
    for folder in PLUGINS:
        model = load_plugin(folder).inputs
        for name, field in model.model_fields.items():
            if typing.get_origin(field.annotation) is tuple or field.annotation in (TagRules, Flavor):
                yield model, with_key(name)


LISTS = list(lists())

ONE_A_LINE = {"labels", "annotations", "flavor", "build-contexts", "driver-opts", "add-hosts", "also"}
"""To these a comma is as good an item as any; what it lacks is the plugin's to say."""


def said(model: type[PluginInputs], key: str, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_inputs(model, {variable(key, "shared"): text, "PLUGIN_NOTHING_ELSE_IS_GIVEN": "x"})
    return [str(problem) for problem in caught.value.problems if problem.key == key]


def test_all_of_them_are_found() -> None:
    keys = {key for _, key in LISTS}
    assert {
        "tags",
        "build-args",
        "cache-from",
        "platforms",
        "severity",
        "annotations",
        "target",
        "flavor",
    } <= keys
    assert {model.__name__.removesuffix("Inputs") for model, _ in LISTS} == {
        *("Buildx", "Cosign", "DockerPush", "Kaniko", "Trivy")
    }


@pytest.mark.parametrize(("model", "key"), LISTS, ids=lambda value: getattr(value, "__name__", value))
def test_other_systems_know_that_it_is_a_list(model: type[PluginInputs], key: str) -> None:
    assert form_of(model.model_fields[key.replace("-", "_")]) in FORMATS


@pytest.mark.parametrize(("model", "key"), LISTS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("text", [", ,", "# nothing", "\n#\n # \n"])
def test_a_list_of_nothing(model: type[PluginInputs], key: str, text: str) -> None:
    if key in ONE_A_LINE:
        text = text.replace(",", "#")
    lines = said(model, key, text)
    # What counts beside another input alone says that too.
    own = [line for line in lines if NO_EFFECT not in line]
    (problem,) = own or lines
    assert problem.startswith(f"with.{key}: ")


@pytest.mark.parametrize(("model", "key"), LISTS, ids=lambda value: getattr(value, "__name__", value))
def test_the_empty_string_is_not_given(model: type[PluginInputs], key: str) -> None:
    assert not [line for line in said(model, key, " ") if "is an empty list" in line]
