"""Whatever a stranger's file holds: a pipeline, or a mistake with its place, and soon."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gocdnext_sdk.host.lint.check import lint_text
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.pipeline import Graph, PipelineError, Sources, parse_text, resolve

ROOT = Path(__file__).parents[4]
PIPELINES = [path.read_text() for path in sorted(ROOT.glob("examples/**/.gocdnext/*.yaml"))]
CATALOG = Catalog.load()

PIECES = st.sampled_from(
    [
        *"abc019 -:#&*!|>'\"%@`{}[],?\t\n\r\0~=.$\u2028\x85\x0bé",
        *(
            "\n  ",
            "\n- ",
            ": ",
            "jobs:\n",
            "stages: [a]\n",
            "<<: *a\n",
            "&a ",
            "*a",
            "---\n",
            "...\n",
            "!!binary é",
        ),
        *(
            "with:",
            "needs: [a]",
            "outputs: {a: A}",
            "matrix:",
            "${{ needs.a.outputs.b }}",
            "uses: x@v1",
            "null",
        ),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a good pipeline with a few pieces cut out, doubled, moved or put in."""
    text = draw(st.sampled_from(PIPELINES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 60)))
        match draw(st.sampled_from(["cut", "double", "move", "put", "line"])):
            case "cut":
                text = text[:start] + text[end:]
            case "double":
                text = text[:end] + text[start:]
            case "move":
                text = text[:start] + text[end:] + text[start:end]
            case "put":
                text = text[:start] + draw(PIECES) + text[end:]
            case _:
                lines = text.splitlines(keepends=True)
                lines[draw(st.integers(0, max(0, len(lines) - 1))) :][:1] = []
                text = "".join(lines)
    return text


def read(text: str) -> None:
    """Do all that is done with a pipeline before something runs."""
    try:
        pipeline = parse_text(text, "stranger.yaml")
        graph = Graph.of(pipeline)
    except PipelineError as error:
        assert error.lines()
        assert all(line.startswith("stranger.yaml:") and "\n" not in line for line in error.lines())
        return
    for instance in graph.jobs:
        if instance.job.action is None:  # whoever runs or plans it says so instead
            continue
        try:
            resolve(pipeline, instance, Sources())
        except PipelineError as error:
            assert error.lines()


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
@example("[" * 10_000)
@example("{a: " * 10_000)
@example("- " * 10_000)
@example("\x85\t")
@example("a\u2028b: [\n\t")
@example("jobs: {a: {script: [!!binary é]}}")
def test_any_text_is_a_pipeline_or_a_mistake(text: str) -> None:
    read(text)
    lint_text(text, "stranger.yaml", CATALOG)


@given(mutated())
def test_a_damaged_pipeline_is_a_pipeline_or_a_mistake(text: str) -> None:
    read(text)
    lint_text(text, "stranger.yaml", CATALOG)


@pytest.mark.parametrize("depth", [4, 40])
def test_maps_that_merge_each_other_again_and_again_take_no_time(depth: int) -> None:
    """Each of 40 maps merges the one before ten times."""
    levels = [f"l{n}: &l{n}\n  <<: [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, depth)]
    text = f"l0: &l0 {{a: 1}}\n{''.join(levels)}stages: [x]\nvariables:\n  <<: *l{depth - 1}\njobs: {{}}\n"
    read(text)
