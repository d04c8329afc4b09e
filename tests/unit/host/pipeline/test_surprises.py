"""What is legal and probably not meant: told before a run, and in a plan."""

from __future__ import annotations

import pytest

from gocdnext_sdk.host.pipeline import Graph, PipelineError, Run, Sources, parse_text, resolve
from gocdnext_sdk.host.pipeline.builtins import Revision, Tag
from gocdnext_sdk.host.pipeline.surprises import surprises

PIPELINE = """\
stages: [a]
variables: {BASE_IMAGE: alpine}
jobs:
  one:
    stage: a
    uses: a/b
    with:
      tags: %s
"""


def told(tags: str, run: Run, **given: str) -> list[str]:
    pipeline = parse_text(PIPELINE % tags, "p.yaml").with_variables(given)
    return [str(each) for each in surprises(Graph.of(pipeline), run)]


@pytest.mark.parametrize(
    ("tags", "advice"),
    [
        (
            "v${CI_TAG_NAME}",
            "only a run of the event tag has CI_TAG_NAME; it stays as it is written; pass --event",
        ),
        ("${CI_PULL_REQUEST_KEY}", "only a run of the event pull_request has CI_PULL_REQUEST_KEY"),
        ("${CI_UPSTREAM_STAGE}", "only a run of the event upstream has CI_UPSTREAM_STAGE"),
        ("${CI_COMMIT_SHA}", "the checkout has no commit, so this run has no CI_COMMIT_SHA"),
        ("${CI_BRANCH}", "the checkout is on no branch"),
    ],
)
def test_an_input_for_what_this_run_has_not(tags: str, advice: str) -> None:
    (line,) = told(tags, Run())
    assert line.startswith("p.yaml:8:13: job `one`, with.tags: ")
    assert advice in line


@pytest.mark.parametrize(
    "tags", ["${CI_RUN_ID}", "${BASE_IMAGE}", "${WHATEVER}", "${CI_TAG_NAME}${CI_COMMIT_SHA}"]
)
def test_what_the_run_has_or_nobody_knows_is_no_surprise(tags: str) -> None:
    run = Run(revision=Revision("a" * 40, "main"), cause="tag", tag=Tag("v1"))
    assert told(tags, run) == []


def test_a_variable_that_is_given_under_almost_its_name() -> None:
    (line,) = told("x", Run(), BASE_IMGAE="alpine:3")
    what, advice = line.split("; ")
    assert what == "p.yaml:2:25: the pipeline's variable is BASE_IMAGE, and BASE_IMGAE is given"
    assert advice == "did you mean BASE_IMAGE?"
    assert told("x", Run(), BASE_IMAGE="alpine:3", OTHER="y") == []


def test_a_reference_to_the_commit_of_a_checkout_without_one() -> None:
    pipeline = parse_text(PIPELINE % '"${{ CI_COMMIT_SHA }}"', "p.yaml")
    (job,) = Graph.of(pipeline).jobs
    with pytest.raises(PipelineError, match=r"the checkout has no commit, .* CI_COMMIT_SHA; commit first"):
        resolve(pipeline, job, Sources(run=Run()))
