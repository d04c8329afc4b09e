"""The schema for editors takes what the parser takes, and knows the plugins' inputs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gocdnext_sdk.host.manifest import key_texts
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.pipeline_schema import pipeline_schema
from gocdnext_sdk.host.pipeline import PipelineError, parse_text
from gocdnext_sdk.host.pipeline import schema as tables
from gocdnext_sdk.inputs.parsers import parse_words
from gocdnext_sdk.inputs.types import one_of

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
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: HIGHH}"), False),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: 'high, Critical'}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: 'HIGH,CRITICALL'}"), False),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: ' LOW  MEDIUM,,'}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: 'HIGH # or MORE\\n'}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: 'HIGH #or'}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: 'HIGH#or'}"), False),
        (job('uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: "#all\\nHIGH # it\\nLOW"}'), True),
        (job('uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: "HIGH # it\\nLOWW"}'), False),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: ''}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: '${LEVEL}'}"), True),
        (job("uses: a.b/gocdnext-plugin-trivy@v1, with: {severity: 1}"), False),
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


@pytest.mark.parametrize(
    "text",
    [
        "HIGH",
        "high\nLow",
        " HIGH ,, LOW",
        "HIGH #x y",
        "#x\nLOW",
        "HIGH,#x",
        "HIGHH",
        "HIGH LO",
        "HIGH#",
        "\tLOW\r\n",
    ],
)
def test_a_list_of_known_words_is_read_as_the_plugin_reads_it(
    validator: jsonschema.Draft202012Validator, text: str
) -> None:
    good = True
    try:
        one_of("HIGH", "LOW").check(parse_words(text))
    except ValueError:
        good = False
    pipeline = job(f"uses: a.b/gocdnext-plugin-trivy@v1, with: {{severity: {json.dumps(text)}}}")
    assert accepts(validator, pipeline) is good


def test_a_pattern_of_words_takes_no_time(validator: jsonschema.Draft202012Validator) -> None:
    text = json.dumps("HIGH " + "# , " * 20_000 + "\n!")
    assert not accepts(validator, job(f"uses: a.b/gocdnext-plugin-trivy@v1, with: {{severity: {text}}}"))


def test_every_pattern_is_one_by_ecma_262_too() -> None:
    """With the flag u, by which JSON Schema 2020-12 reads them, only syntax characters may be escaped."""
    text = json.dumps(pipeline_schema(Catalog.load()))
    patterns = re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', text)
    assert patterns
    for pattern in map(json.loads, patterns):
        assert not re.search(r"\\[^\^$\\.*+?()\[\]{}|/dDsSwWbBfnrtv]", pattern)


def described(schema: Any, path: str = "") -> dict[str, bool]:
    """Return every key of every map in a schema, and whether hovering over it shows something."""
    found: dict[str, bool] = {}
    for key, inner in schema.get("properties", {}).items():
        found[f"{path}.{key}"] = bool(inner.get("description"))
        for each in (inner, inner.get("items"), inner.get("additionalProperties")):
            if isinstance(each, dict):
                found |= described(each, f"{path}.{key}")
    return found


def test_an_editor_has_a_word_for_every_key() -> None:
    schema = pipeline_schema(Catalog.load())
    found = described(schema)
    for name in ("template", "notification", "output"):
        found |= described(schema["$defs"][name], name)
    assert len(found) > 90
    assert [key for key, text in found.items() if not text] == []


def test_no_word_is_for_a_key_that_is_not_there() -> None:
    def names(read: Any) -> Iterator[str]:
        if isinstance(read, tables.Struct):
            yield read.where
        for each in (*read.known.values(),) if isinstance(read, tables.Struct) else ():
            yield from names(each)
        if isinstance(read, tables.ListOf | tables.MapOf):
            yield from names(read.read)

    levels = (*tables.FILE.values(), *tables.JOB.values())
    assert set(key_texts.INNER) <= {name for read in levels for name in names(read)}
    assert set(key_texts.FILE) == set(tables.FILE)
    assert set(key_texts.JOB) == set(tables.JOB)


def test_it_compiles_in_the_tool_that_checks_files_before_a_commit(tmp_path: Path) -> None:
    """check-jsonschema reads patterns by ECMA-262, as editors and ajv do."""
    (tmp_path / "schema.json").write_text(json.dumps(pipeline_schema(Catalog.load())))
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(job("uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1, with: {target: .}"))
    bad.write_text(job("uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1, with: {tarject: .}"))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(tmp_path / "schema.json")]
    for file, code in ((good, 0), (bad, 1)):
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
