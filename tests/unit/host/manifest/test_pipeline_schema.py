"""The schema for editors takes what the parser takes, and knows the plugins' inputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.pipeline_schema import pipeline_schema
from gocdnext_sdk.host.pipeline import PipelineError, parse_text

ROOT = Path(__file__).parents[4]
PIPELINES = sorted(ROOT.glob("examples/recipe/*.yaml")) + sorted(ROOT.glob("examples/*/.gocdnext/*.yaml"))
UPSTREAM = ROOT / "tests/unit/host/lint/upstream_examples.yaml"


class Editor(yaml.SafeLoader):
    """Reads as editors do, by YAML 1.2: `on` and `yes` are texts."""


Editor.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Editor.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(pipeline_schema(Catalog.load()))


def accepts(validator: jsonschema.Draft202012Validator, text: str) -> bool:
    return bool(validator.is_valid(yaml.load(text, Loader=Editor)))


def job(text: str, name: str = "a") -> str:
    return f"stages: [s]\njobs:\n  {name}: {{stage: s, {text}}}\n"


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_pipelines_are_taken(validator: jsonschema.Draft202012Validator, path: Path) -> None:
    validator.validate(yaml.load(path.read_text(), Loader=Editor))


@pytest.mark.parametrize("name", yaml.safe_load(UPSTREAM.read_text()))
def test_the_bash_plugins_examples_are_taken(validator: jsonschema.Draft202012Validator, name: str) -> None:
    jobs: dict[str, Any] = yaml.safe_load(UPSTREAM.read_text())
    validator.validate({"stages": ["s"], "jobs": {"a": {"stage": "s"} | jobs[name]}})


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (job("image: alpine, script: [make]"), True),
        (job("image: alpine, script: make"), False),
        (job("image: alpine, docker: yes, script: [make]"), True),
        (job("image: alpine, docker: 'true', script: [make]"), False),
        (job("image: alpine, script: [make], retries: 1"), False),
        (job("image: alpine, script: [make], outputs: {digest: DIGEST}"), True),
        (job("image: alpine, script: [make], outputs: {digest: {env: DIGEST, mask: yes}}"), False),
        (job("image: alpine, script: [make], id_tokens: {T: {aud: a}, U: {aud: [a, b]}}"), True),
        (job("image: alpine, script: [make], parallel: {matrix: [{GO: [1.25, x]}]}"), True),
        (job("image: alpine, script: [make], variables: {A: [b]}"), False),
        (job("image: alpine, script: [make], variables: {A: 1, B: ~}"), True),
        ("stages: [s]\njobs:\nservices:\n  - {name: db, image: postgres, ports: [1]}\n", False),
        ("stages: [s]\njobs:\nnotifications:\n  - {on: failure, uses: ghcr.io/a/b@v1, with: {a: b}}\n", True),
    ],
)
def test_it_says_what_the_parser_says(
    validator: jsonschema.Draft202012Validator, text: str, good: bool
) -> None:
    assert accepts(validator, text) is good
    try:
        parse_text(text)
    except PipelineError:
        assert not good
    else:
        assert good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (job("uses: a.b/gocdnext-plugin-trivy@v1"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: HIGH}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {sevrity: HIGH}"), False),
        (job("uses: gocdnext-plugin-trivy, with: {sevrity: HIGH}"), False),
        (job("uses: 'a.b:5000/c/gocdnext-plugin-trivy:v1@sha256:0', with: {sevrity: HIGH}"), False),
        (job("uses: docker.io/aquasec/trivy@v1, with: {sevrity: HIGH}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {scan-type: images}"), False),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {scan-type: '${TYPE}'}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {ignore-unfixed: yes}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {ignore-unfixed: maybe}"), False),
        (job("uses: a.b/gocdnext-plugin-buildx@v1"), False),
        (job("uses: a.b/gocdnext-plugin-buildx@v1, with: {push: false}"), False),
        (job("uses: a.b/gocdnext-plugin-buildx@v1, with: {push: false}", ".template"), True),
        (job("uses: a.b/gocdnext-plugin-buildx@v1, with: {psh: false}", ".template"), False),
        (job("extends: .x, uses: a.b/gocdnext-plugin-buildx@v1, with: {push: false}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {username: a}"), False),
    ],
)
def test_with_is_checked_against_the_plugin(
    validator: jsonschema.Draft202012Validator, text: str, good: bool
) -> None:
    assert accepts(validator, text) is good


def test_every_pattern_is_one_by_ecma_262_too() -> None:
    """With the flag u, by which JSON Schema 2020-12 reads them, only syntax characters may be escaped."""
    text = json.dumps(pipeline_schema(Catalog.load()))
    patterns = re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', text)
    assert patterns
    for pattern in map(json.loads, patterns):
        assert not re.search(r"\\[^\^$\\.*+?()\[\]{}|/dDsSwWbBfnrtv]", pattern)
