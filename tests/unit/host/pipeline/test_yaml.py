from __future__ import annotations

import pytest

from gocdnext_sdk.contract.scalars import Scalar
from gocdnext_sdk.host.pipeline.decode import Decoder
from gocdnext_sdk.host.pipeline.errors import Mark, PipelineError
from gocdnext_sdk.host.pipeline.yaml import MappingNode, ScalarNode, compose


def texts(document: str) -> dict[str, str]:
    decoder = Decoder()
    found = decoder.text_map(compose(document, "f.yaml"))
    assert decoder.problems == []
    return {key: value.text for key, value in found.items()}


def problems(document: str) -> list[str]:
    decoder = Decoder()
    decoder.text_map(compose(document, "f.yaml"))
    return [str(problem) for problem in decoder.problems]


def test_a_scalar_keeps_its_text_and_its_place() -> None:
    root = compose("a:\n  b: !!str 1.10 # why\n", "f.yaml")
    assert isinstance(root, MappingNode)
    ((_, inner),) = root.entries
    assert isinstance(inner, MappingNode)
    ((key, value),) = inner.entries
    assert isinstance(key, ScalarNode)
    assert key == ScalarNode(Mark("f.yaml", 2, 3), Scalar("b"))
    assert value == ScalarNode(Mark("f.yaml", 2, 6), Scalar("1.10", "tag:yaml.org,2002:str"))


def test_only_the_first_document_is_read() -> None:
    assert texts("a: 1\n---\nb: [\n") == {"a": "1"}


def test_anchors_and_merges() -> None:
    document = "x: &x one\ny: *x\n"
    assert texts(document) == {"x": "one", "y": "one"}
    base = "{<<: [{a: 1, b: 1}, {b: 2, c: 2}], c: own}"
    assert texts(base) == {"a": "1", "b": "1", "c": "own"}


def test_a_quoted_merge_key_is_a_plain_key() -> None:
    assert texts("'<<': text") == {"<<": "text"}


def test_a_null_key_is_dropped_and_other_keys_are_text() -> None:
    assert texts("~: a\n1: b\ntrue: c\n") == {"1": "b", "true": "c"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: 1\na: 2\n", "f.yaml:2:1: duplicate key `a`; it is set at f.yaml:1:1"),
        ("1: x\n'1': y\n", "f.yaml:2:1: duplicate key `1`; it is set at f.yaml:1:1"),
        ("[a]: 1\n", "f.yaml:1:1: a key must be a single text"),
        ("<<: text\n", "f.yaml:1:5: `text` stands where a map or a list of maps to merge is expected"),
        ("a: {b: c}\n", "f.yaml:1:4: a map stands where a single text is expected"),
        ("a: !!int x\n", "f.yaml:1:4: `x` is not a !!int; remove the tag or fix the value"),
    ],
)
def test_what_a_map_may_not_hold(document: str, message: str) -> None:
    assert problems(document) == [message]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "f.yaml:1:1: the file is empty; write `stages:` and `jobs:`"),
        ("a: @b\n", "f.yaml:1:4: not YAML: a value cannot start with `@`; quote the value"),
        ("a:\n\tb: c\n", "f.yaml:2:1: not YAML: a tab; indent with spaces"),
        ("a: *x\n", "f.yaml:1:4: unknown anchor *x; define it above with &x"),
        ("a: &x [*x]\n", "f.yaml:1:8: anchor *x contains itself; repeat the value instead"),
        (
            "a: b: c\n",
            "f.yaml:1:5: not YAML: a `:` within a value; quote the value, or indent it like the lines around",
        ),
        (
            "jobs:\n  one:\n    stage: a\n\n   image: x\n",
            "f.yaml:5:4: not YAML: indented by 3, as nothing above it is; indent it like line 2 or line 3",
        ),
        (
            "a:\n  - x\n - y\n",
            "f.yaml:3:2: not YAML: indented by 1, as nothing above it is; indent it like line 1 or line 2",
        ),
        (
            "a: [1\nb: 2\n",
            "f.yaml:2:2: not YAML: did not find expected ',' or ']', while parsing a flow sequence",
        ),
    ],
)
def test_what_is_no_yaml(document: str, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        compose(document, "f.yaml")
    assert caught.value.lines() == [message]
    assert caught.value.exit_code == 2


def test_a_character_that_no_file_may_hold() -> None:
    with pytest.raises(PipelineError, match=r"f\.yaml:2:1: not YAML: the character"):
        compose("a: 1\nb: \0\n", "f.yaml")


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("with: {u: https://x/y?z=1}\n", "1:11"),
        ("script: [echo what?]\n", "1:10"),
        ('a: "x\\/y"\n', "1:4"),
        ("%YAML 1.2\n---\na: b\n", "1:1"),
        ("a: b\n---\n@bad\n", "3:1"),
        ('a: b\n--- "x', "2:7"),
    ],
)
def test_what_libyaml_reads_and_the_platform_does_not(document: str, place: str) -> None:
    """yaml-test-suite JR7V, 3UYS and others; each was given to yaml.v3 3.0.1."""
    with pytest.raises(PipelineError) as caught:
        compose(document, "f.yaml")
    assert str(caught.value).startswith(f"f.yaml:{place}: ")


@pytest.mark.parametrize(
    "document",
    [
        "a: https://x/y?z=1\n",
        "a: ['x?', \"y?\"]\n",
        'a: "x\\\\/y\\tz"\n',
        'ä: "ö\\n" # \\/\nb: "/"\n',
        "%YAML 1.1\n---\na: b\n",
        "a: b\n...\n",
        "a: b\n---\n",
        "a: b\n---\nb: [",
        "a: b\n---\nc\n@bad",
        "a: " + "[" * 90 + "]" * 90,
    ],
)
def test_what_both_read(document: str) -> None:
    compose(document, "f.yaml")
