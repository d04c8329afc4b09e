from __future__ import annotations

import pytest

from gocdnext_sdk.contract import ContractError, refs
from gocdnext_sdk.contract.refs import JobOutputs

NEEDS = {
    "build": JobOutputs({"digest": "sha256:1", "odd": "${{ X }}"}),
    "test": JobOutputs(cells={"GO=1.24": {"n": "7"}, "GO=1.25": {"n": "8"}}, dimensions=("GO",)),
    "wide": JobOutputs(cells={"GO=1,OS=a": {"n": "9"}}, dimensions=("GO", "OS")),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app@${{ needs.build.outputs.digest }}", "app@sha256:1"),
        ("${{needs.build.outputs.digest}}", "sha256:1"),
        ("${{ needs.test.matrix[1.25].outputs.n }}", "8"),
        ("${{ needs.test.matrix[GO=1.24].outputs.n }}", "7"),
        ("${{ needs.wide.matrix[OS=a, GO=1].outputs.n }}", "9"),
        ("${{ TOKEN }}", "${{ TOKEN }}"),
        ("${{ needs.build.digest }}", "${{ needs.build.digest }}"),
        ("${{ needs.build.outputs.odd }}", "${{ X }}"),
    ],
)
def test_needs_pass(text: str, expected: str) -> None:
    assert refs.resolve_needs(text, NEEDS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ needs.deploy.outputs.x }}", "deploy is not in this job's needs:"),
        ("${{ needs.build.outputs.nope }}", "no output nope"),
        ("${{ needs.build.matrix[1].outputs.digest }}", "build has no matrix"),
        ("${{ needs.test.outputs.n }}", "test is a matrix"),
        ("${{ needs.test.matrix[GO=1.23].outputs.n }}", "no cell GO=1.23; the cells are GO=1.24"),
        ("${{ needs.test.matrix[OS=a].outputs.n }}", "no matrix dimension OS; the dimensions are GO"),
        ("${{ needs.wide.matrix[1].outputs.n }}", "GO, OS needs the form"),
        ("${{ needs.wide.matrix[GO=1,GO=2].outputs.n }}", "names GO twice"),
        ("${{ needs.wide.matrix[GO=1,OS].outputs.n }}", "'OS' is not K=V"),
    ],
)
def test_needs_errors_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ContractError, match=message.replace("(", r"\(").replace("[", r"\[")):
        refs.resolve_needs(text, NEEDS)


def test_the_first_source_with_the_name_wins() -> None:
    assert refs.resolve_strict("${{ A }}", {"A": "1"}, {"A": "2", "B": "3"}) == "1"
    assert refs.resolve_soft("${A}${B}", {"A": "1"}, {"A": "2", "B": "3"}) == "13"


def test_all_unknown_names_are_reported_and_no_value_is() -> None:
    with pytest.raises(ContractError) as caught:
        refs.resolve_strict("${{ B }} ${{ A }} ${{ S }}", {"S": "hunter2"})
    assert "${{ A }}, ${{ B }}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_vertical_tab_is_no_blank_to_the_platform() -> None:
    with pytest.raises(ContractError):
        refs.resolve_strict("${{\vA }}", {"A": "1"})


def test_needed_outputs_are_found_before_anything_ran() -> None:
    text = "${{ needs.a.outputs.x }} ${{ B }} ${{ needs.c.matrix[K=V].outputs.y }}"
    assert refs.needed_outputs(text) == [
        refs.NeededOutput("a", "x"),
        refs.NeededOutput("c", "y", "K=V"),
    ]
    assert refs.references(text)[1] == "B"


def test_a_cells_key_is_sorted() -> None:
    assert refs.cell_key({"OS": "a", "GO": "1"}) == "GO=1,OS=a"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [("", False)]),
        ("a:b", [("a:b", False)]),
        (
            "r/${A}:${{ B.c }}",
            [("r/", False), ("${A}", True), (":", False), ("${{ B.c }}", True), ("", False)],
        ),
        ("${A:-b}", [("${A:-b}", False)]),
        ("$${A}", [("$", False), ("${A}", True), ("", False)]),
    ],
)
def test_a_value_is_split_where_its_references_are(text: str, pieces: list[tuple[str, bool]]) -> None:
    assert list(refs.split(text)) == pieces


def test_blanks_between_the_braces_are_those_of_re2() -> None:
    assert refs.references("${{\t\nA\f\r }}") == ["A"]
    assert refs.references("${{\vA\u00a0}}") == ["\vA\u00a0"]
    assert refs.replace_strict("${{ A }}-${{\vA}}", lambda body: f"<{body}>") == "<A>-<\vA>"
