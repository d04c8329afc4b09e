from __future__ import annotations

import pytest

from gocdnext_sdk.host.pipeline import Graph, PipelineError, parse_text

PIPELINE = parse_text(
    """
stages: [build, empty, test]
jobs:
  late: {stage: test, image: a, script: [x], needs: [cells, early]}
  cells: {stage: test, image: a, script: [x], parallel: {matrix: [{B: [x, y], A: ["1"]}]}}
  early: {stage: build, image: a, script: [x], needs: [first]}
  first: {stage: build, image: a, script: [x]}
  lonely: {stage: build, image: a, script: [x]}
"""
)


def names(*only: str) -> list[tuple[str, list[str]]]:
    return [(stage.name, [job.name for job in stage.jobs]) for stage in Graph.of(PIPELINE, only).stages]


def test_stages_in_order_and_needed_jobs_first() -> None:
    assert names() == [
        ("build", ["first", "lonely", "early"]),
        ("test", ["cells [A=1 B=x]", "cells [A=1 B=y]", "late"]),
    ]


def test_a_cell_has_the_platforms_key() -> None:
    cell = Graph.of(PIPELINE).stages[1].jobs[0]
    assert cell.cell_key == "A=1,B=x"
    assert Graph.of(PIPELINE).jobs[0].cell_key == ""


def test_a_chosen_job_brings_what_it_needs_and_no_more() -> None:
    assert names("early") == [("build", ["first", "early"])]
    assert names("late") == [
        ("build", ["first", "early"]),
        ("test", ["cells [A=1 B=x]", "cells [A=1 B=y]", "late"]),
    ]


def test_one_cell_can_be_chosen() -> None:
    assert names("cells [A=1 B=y]") == [("test", ["cells [A=1 B=y]"])]
    assert names("cells [A=1 B=y]", "late")[1][1] == ["cells [A=1 B=x]", "cells [A=1 B=y]", "late"]


def test_an_unknown_job_gets_a_suggestion() -> None:
    with pytest.raises(PipelineError, match="there is no job `frist`; did you mean `first`"):
        Graph.of(PIPELINE, ["frist"])
