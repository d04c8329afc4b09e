from __future__ import annotations

from dataclasses import replace

import pytest

from gocdnext_sdk.contract.id_tokens import Identity
from gocdnext_sdk.host.pipeline import Graph, PullRequest, Revision, Run, Tag, parse_text
from gocdnext_sdk.host.pipeline.identity import identity

RUN = Run(revision=Revision("a" * 40, "main"), cause="webhook", counter=7, project_slug="shop")


def of(run: Run, job: str = "") -> Identity:
    pipeline = parse_text(
        f"name: release\nstages: [s]\njobs:\n  sign: {{stage: s, image: alpine, script: [sign], {job}}}\n"
    )
    return identity(run, pipeline, Graph.of(pipeline).jobs[-1])


def test_a_branch_run_is_known_by_its_branch() -> None:
    assert of(RUN) == Identity(
        project_slug="shop",
        project_id=RUN.project_id,
        pipeline="release",
        pipeline_id=RUN.pipeline_id,
        job="sign",
        run_id=RUN.id,
        run_counter="7",
        cause="webhook",
        ref_type="branch",
        ref="main",
        sha="a" * 40,
    )


@pytest.mark.parametrize(
    ("run", "ref"),
    [
        (replace(RUN, cause="tag", tag=Tag("v1")), ("tag", "v1")),
        (replace(RUN, cause="tag"), ("", "")),
        (replace(RUN, revision=Revision()), ("", "")),
        (replace(RUN, cause="manual"), ("branch", "main")),
    ],
)
def test_the_ref_is_what_started_the_run(run: Run, ref: tuple[str, str]) -> None:
    assert (of(run).ref_type, of(run).ref) == ref


def test_a_pull_request_is_known_by_its_number() -> None:
    asked = of(replace(RUN, cause="pull_request", pull_request=PullRequest(12, branch="main")))
    assert (asked.pr_number, asked.subject) == ("12", "project:shop:pipeline:release:pull_request")


def test_a_cell_of_a_matrix_says_which() -> None:
    cell = of(RUN, 'parallel: {matrix: [{GO: ["1.25"]}]}')
    assert (cell.job, cell.matrix_key) == ("sign", "GO=1.25")
