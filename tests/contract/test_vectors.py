"""The platform's own answers, as data: `CONTRACT_VECTORS=FILE make vectors` runs another file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.contract import ContractError, keys, masks, outputs, refs, uses
from gocdnext_sdk.host.pipeline.decode import Decoder
from gocdnext_sdk.host.pipeline.yaml import compose

FILE = Path(os.environ.get("CONTRACT_VECTORS") or Path(__file__).with_name("vectors.json"))
VECTORS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))

SECTIONS = {
    "catalog_lookup",
    "key_transform",
    "masks",
    "outputs_file",
    "refs",
    "uses",
    "with_scalar",
}


def each(section: str) -> pytest.MarkDecorator:
    found = VECTORS.get(section, [])
    cases = found if isinstance(found, list) else found["cases"]
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=f"{section}-{i}") for i, case in enumerate(cases)]
    )


def test_every_section_of_the_file_is_tested() -> None:
    sections = {name for name, value in VECTORS.items() if not isinstance(value, str)}
    assert sections
    assert sections <= SECTIONS


def test_the_projects_own_file_has_every_section() -> None:
    own = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))
    assert set(own) >= SECTIONS


@each("key_transform")
def test_key_transforms(case: dict[str, str]) -> None:
    assert keys.shared_key(case["in"]) == case["shared"]
    assert keys.isolated_key(case["in"]) == case["isolated"]


@each("catalog_lookup")
def test_catalog_lookup(case: dict[str, Any]) -> None:
    assert (uses.catalog_name(case["image"]) == "trivy") is case["hits_trivy"]


@each("uses")
def test_uses_to_image(case: dict[str, Any]) -> None:
    if case.get("error"):
        with pytest.raises(ContractError):
            uses.image(case["in"])
    else:
        assert uses.image(case["in"]) == case["image"]


@each("refs")
def test_references(case: dict[str, Any]) -> None:
    sources = VECTORS["refs"]["sources"]
    if case.get("error"):
        with pytest.raises(ContractError):
            refs.resolve_strict(case["in"], sources)
    else:
        strict = refs.resolve_strict(case["in"], sources)
        assert strict == case["strict"]
        assert refs.resolve_soft(strict, sources) == case["strict_then_soft"]


@each("outputs_file")
def test_outputs_file(case: dict[str, Any]) -> None:
    declared = VECTORS["outputs_file"]["declared"]
    data = case["file"].encode()
    if case.get("error"):
        with pytest.raises(ContractError):
            outputs.collect(data, declared)
    else:
        assert outputs.collect(data, declared) == {alias: case[alias] for alias in declared if alias in case}


@each("masks")
def test_masks(case: dict[str, Any]) -> None:
    assert masks.apply(case["text"], case["masks"]) == case["out"]


@each("with_scalar")
def test_with_scalar(case: dict[str, Any]) -> None:
    decoder = Decoder()
    decoded = decoder.text_map(compose(f"a: {case['yaml']}\n", "vector.yaml"))
    assert bool(decoder.problems) is case.get("error", False)
    if not case.get("error"):
        assert {key: value.text for key, value in decoded.items()} == {"a": case["value"]}
