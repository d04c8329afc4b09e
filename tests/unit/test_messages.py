"""What the SDK says, to the letter. This is the one place that pins wording: others assert keys and codes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from gocdnext_sdk import (
    AtLeastOne,
    Boolean,
    Error,
    Input,
    InputError,
    MutuallyExclusive,
    Pairs,
    PluginInputs,
    Reference,
    RequiredIf,
    RequiredTogether,
    Secret,
    Tags,
    ToolError,
    WorkspacePath,
)
from gocdnext_sdk.host.pipeline import PipelineError, parse_text
from gocdnext_sdk.host.scaffold import scaffold
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.runtime.tool import find_tool


class Inputs(PluginInputs):
    """One of each."""

    image: Reference = Input(description="The image to publish. A tag in it counts too.")
    mode: Literal["sign", "verify"] = Input("sign", description="What to do.")
    push: Boolean = Input("true", description="Whether to push.")
    tags: Tags = Input("latest", description="Tags.")
    build_args: Pairs = Input("", description="Build arguments.")
    report: WorkspacePath | None = Input(None, description="Where the report goes.")
    number: int = Input("1", description="How many.")
    key: Secret | None = Input(None, description="A key.")
    identity: str | None = Input(None, description="An identity.")
    username: str | None = Input(None, description="A user.")
    password: Secret | None = Input(None, description="A password.")

    constraints = (
        MutuallyExclusive("key", "identity"),
        RequiredTogether("username", "password"),
        RequiredIf("key", "mode", "verify"),
    )


class OneOfTwo(PluginInputs):
    """A demand for one."""

    key: Secret | None = Input(None, description="A key.")
    identity: str | None = Input(None, description="An identity.")

    constraints = (AtLeastOne("key", "identity"),)


@pytest.mark.parametrize(
    ("with_", "line"),
    [
        ({"imag": "x"}, "with.imag: unknown input; did you mean `image`?"),
        ({"IMAGE": ""}, "with.image: is required (the image to publish)"),
        ({"mode": "sing"}, 'with.mode: "sing" is not one of "sign", "verify"; did you mean "sign"?'),
        ({"push": "maybe"}, 'with.push: "maybe" is not a boolean; write "true" or "false"'),
        (
            {"number": "few"},
            (
                'with.number: "few": input should be a valid integer, '
                "unable to parse string as an integer (how many)"
            ),
        ),
        (
            {"tags": "a/b c d"},
            'with.tags: "a/b" is not a tag; letters, digits, "_", "." and "-", at most 128',
        ),
        ({"tags": " , "}, "with.tags: is an empty list; leave it out, or check which variable is empty"),
        ({"build-args": "A=1\nA=2"}, "with.build-args: item 2 repeats an earlier name"),
        (
            {"report": "../up"},
            'with.report: "../up" is outside the workspace; give a path inside the checkout',
        ),
        ({"image": "https://x/y"}, 'with.image: "https://x/y" has a scheme; write it as "x/y"'),
        ({"key": "k", "identity": "i"}, 'with.identity: cannot be combined with "key"; keep one of the two'),
        ({"username": "u"}, 'with.password: is required with "username"; is the secret set?'),
        ({"mode": "verify"}, "with.key: is required with mode: verify"),
    ],
)
def test_an_input(with_: dict[str, str], line: str) -> None:
    given = {"IMAGE": "app", **{key.upper().replace("-", "_"): text for key, text in with_.items()}}
    with pytest.raises(InputError) as caught:
        read_inputs(Inputs, {f"PLUGIN_{key}": text for key, text in given.items()})
    assert caught.value.lines()[0] == line


def test_two_spellings_of_one_key() -> None:
    with pytest.raises(InputError) as caught:
        read_inputs(Inputs, {"PLUGIN_BUILD_ARGS": "A=1", "PLUGIN_BUILDARGS": "A=2", "PLUGIN_IMAGE": "app"})
    assert caught.value.lines()[0] == (
        "with.build-args: is set twice with different values; keep one spelling of the key"
    )


def test_one_of_two() -> None:
    with pytest.raises(InputError) as caught:
        read_inputs(OneOfTwo, {})
    assert caught.value.lines() == ['with.key: is required; give "key" or "identity"']


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "p.yaml:1:1: the file is empty; write `stages:` and `jobs:`"),
        ("stages: [a]\njobs:\n\tx: 1", "p.yaml:3:1: not YAML: a tab; indent with spaces"),
        (
            "stages: [a]\njobs: {x: {stage: b, script: [x]}}",
            "p.yaml:2:12: job `x`: stage `b` is not in stages:; the stages are a",
        ),
        (
            "stages: [a]\njobs: {x: {stage: a, script: x}}",
            "p.yaml:2:30: `x` stands where a list is expected; write [a, b], or one `- a` a line",
        ),
        (
            "stages: [a]\njobs: {x: {stage: a, srcipt: [x]}}",
            "p.yaml:2:22: job `x` has no key `srcipt`; did you mean `script`?",
        ),
        (
            "stages: [a]\njobs: {x: {stage: a, script: [x], depends_on: [y]}}",
            "p.yaml:2:35: job `x` has no key `depends_on`; write `needs`",
        ),
        (
            "stages: [a]\njobs: {x: {stage: a, uses: a/b, with: {tags: [a, b]}}}",
            (
                "p.yaml:2:46: a list stands where a single text is expected; "
                "write `tags: |`, and one entry a line below it"
            ),
        ),
        (
            "stages: [s]\njobs:\n a: {stage: s, needs: [b]}\n b: {stage: s, needs: [a]}",
            "p.yaml:3:16: dependency cycle: a -> b -> a; break the cycle",
        ),
    ],
)
def test_a_pipeline(text: str, line: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_text(text, "p.yaml")
    assert caught.value.lines() == [line]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "h.io/App",
            '"h.io/App" is not an image reference: the repository "App" is not valid; write it as "app"',
        ),
        ("app:a b", '"a b" is not a tag; letters, digits, "_", "." and "-", at most 128'),
        ("app@sha256:0", '"sha256:0" is not a digest; write it as "sha256:<64 hex digits>"'),
        ("http://h/app", '"http://h/app" has a scheme; write it as "h/app"'),
    ],
)
def test_a_reference(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Reference.parse(text)
    assert str(caught.value) == message


def test_a_tool_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        find_tool("hadolint", {"PATH": str(tmp_path)}, tmp_path)
    assert caught.value.lines() == [
        "hadolint is not installed; add it to the plugin's image or, outside an image, to PATH"
    ]


def test_a_directory_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(Error) as caught:
        scaffold("my-plugin", tmp_path)
    assert caught.value.lines() == [
        f"{tmp_path} exists and is not empty; choose another directory with --directory"
    ]
