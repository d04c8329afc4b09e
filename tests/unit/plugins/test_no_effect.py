"""Nothing that is given disappears: each input is declared to count always, or refused where it would not."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic.fields import FieldInfo

from gocdnext_sdk import Always, InputError, OnlyWith, PluginInputs
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.inputs.constraints import NO_EFFECT
from gocdnext_sdk.inputs.model import all_constraints, as_text, is_boolean, key_of
from gocdnext_sdk.inputs.reader import given_texts, read_inputs

MODELS = [
    load_plugin(file.parent).inputs
    for file in sorted((Path(__file__).parents[3] / "plugins").glob("*/plugin.py"))
]
RULES = [
    (model, rule, key)
    for model in MODELS
    for rule in all_constraints(model)
    if isinstance(rule, OnlyWith)
    for key in rule.keys
]


def fields_of(model: type[PluginInputs]) -> dict[str, FieldInfo]:
    return {key_of(name, field): field for name, field in model.model_fields.items()}


def choices(annotation: object) -> Iterator[str]:
    for each in typing.get_args(annotation):
        yield from (each,) if typing.get_origin(annotation) is Literal else choices(each)


def other_than_default(field: FieldInfo) -> str:
    """Return a text that is not the default's; constraints look at texts, so it need not be a good value."""
    default = as_text(field.default) if field.default is not None and not field.is_required() else ""
    if is_boolean(field):
        return "false" if default == "true" else "true"
    return next((each for each in choices(field.annotation) if each != default), "a-value")


def idle(model: type[PluginInputs], rule: OnlyWith) -> dict[str, str]:
    """Return other inputs beside which those of `rule` do not count."""
    if not rule.values:
        return {}
    fields = fields_of(model)
    found = {}
    for other in rule.others:
        wrong = (each for each in choices(fields[other].annotation) if each not in rule.values)
        default = fields[other].default
        good = as_text(default) if default not in (None, "", ()) else "some-value"
        found[other] = next(wrong, good if good not in rule.values else "some-value")
        if is_boolean(fields[other]):
            found[other] = "false" if "true" in rule.values else "true"
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_input_is_declared(model: type[PluginInputs]) -> None:
    declared: set[str] = set()
    for rule in all_constraints(model):
        if isinstance(rule, Always | OnlyWith):
            declared.update(rule.keys)
    assert declared == set(fields_of(model))


@pytest.mark.parametrize(
    ("model", "rule", "key"), RULES, ids=[f"{m.__name__}-{k}-{'|'.join(r.others)}" for m, r, k in RULES]
)
def test_what_does_not_count_is_refused(model: type[PluginInputs], rule: OnlyWith, key: str) -> None:
    given = {key: other_than_default(fields_of(model)[key])} | idle(model, rule)
    with pytest.raises(InputError) as caught:
        read_inputs(model, {variable(name, "shared"): text for name, text in given.items()})
    said = [each.what for each in caught.value.problems if each.key == key]
    assert any(what.startswith(NO_EFFECT) and rule.others[0] in what for what in said), said


@pytest.mark.parametrize(
    ("model", "rule", "key"), RULES, ids=[f"{m.__name__}-{k}-{'|'.join(r.others)}" for m, r, k in RULES]
)
def test_what_counts_is_not(model: type[PluginInputs], rule: OnlyWith, key: str) -> None:
    fields = fields_of(model)
    for other in rule.others:
        for value in rule.values or (other_than_default(fields[other]),):
            given = {key: other_than_default(fields[key]), other: value}
            assert not list(rule.problems(given_texts(model, {k: t for k, t in given.items() if t})))


@pytest.mark.parametrize(
    ("model", "rule", "key"), RULES, ids=[f"{m.__name__}-{k}-{'|'.join(r.others)}" for m, r, k in RULES]
)
def test_its_default_may_stand_anywhere(model: type[PluginInputs], rule: OnlyWith, key: str) -> None:
    default = fields_of(model)[key].default
    if default not in (None, "", ()):
        given = {key: as_text(default)} | idle(model, rule)
        assert key not in [each.key for each in rule.problems(given_texts(model, given))]


def model_of(plugin: str) -> type[PluginInputs]:
    return next(model for model in MODELS if model.__name__ == f"{plugin}Inputs")


FOR_THE_PUSH = {
    "image": "ghcr.io/org/app",
    "registry": "ghcr.io",
    "username": "me",
    "password": "the-password",
    "tags": "v1 latest",
    "flavor": "prefix=a-",
    "labels": "a=b",
    "annotations": "a=b",
    "immutable-tags": "v*",
    "existing": "keep",
}
ATTESTED = {"sbom": "true", "provenance": "mode=max", "oci-artifact": "false", "cache": "registry"}


@pytest.mark.parametrize(
    ("plugin", "more"),
    [("Buildx", ATTESTED), ("Kaniko", {"cache": "true", "cache-ttl": "6h"})],
)
def test_one_pipeline_serves_pushes_and_pull_requests(
    plugin: str, more: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    given = FOR_THE_PUSH | more
    for push in ("true", "false"):
        variables = {variable(key, "shared"): text for key, text in given.items()} | {"PLUGIN_PUSH": push}
        inputs: Any = read_inputs(model_of(plugin), variables, workspace=tmp_path)
        assert inputs.push is (push == "true")
    attested = ("sbom", "provenance", "oci-artifact") if plugin == "Buildx" else ()
    assert inputs.unused == ("immutable-tags", "existing", "annotations", *attested)


def test_a_job_of_a_fork_whose_secrets_are_empty_builds(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with_ = {
        "image": "ghcr.io/org/app",
        "registry": "ghcr.io",
        "username": "",
        "password": "",
        "push": "false",
    }
    variables = {variable(name, "shared"): text for name, text in with_.items()}
    assert not read_inputs(model_of("Buildx"), variables, workspace=tmp_path).all_credentials


@pytest.mark.parametrize(
    ("with_", "key"),
    [
        ({"provenance": "false", "oci-artifact": "true"}, "oci-artifact"),
        ({"insecure-registries": "elsewhere:5000"}, "insecure-registries"),
        ({"mirror-username": "me", "mirror-password": "the-password"}, "mirror-password"),
    ],
)
def test_what_no_build_needs_is_refused(with_: dict[str, str], key: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    variables = {variable(name, "shared"): text for name, text in with_.items()}
    with pytest.raises(InputError) as caught:
        read_inputs(model_of("Buildx"), variables | {"PLUGIN_IMAGE": "ghcr.io/org/app"}, workspace=tmp_path)
    assert key in [each.key for each in caught.value.problems if each.what.startswith(NO_EFFECT)]
