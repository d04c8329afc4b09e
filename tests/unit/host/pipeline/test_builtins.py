from __future__ import annotations

from gocdnext_sdk.host.pipeline import PullRequest, Revision, Run, Tag, Upstream
from gocdnext_sdk.host.pipeline.builtins import variables

ALWAYS = {
    "CI",
    "GOCDNEXT",
    "CI_RUN_ID",
    "CI_RUN_COUNTER",
    "CI_PIPELINE_ID",
    "CI_PROJECT_ID",
    "CI_JOB_NAME",
    "CI_CAUSE",
}


def test_without_a_revision_only_the_certain_ones_are_set() -> None:
    assert set(variables(Run(), "build")) == ALWAYS


def test_a_revision() -> None:
    found = variables(Run(revision=Revision("0123456789abcdef", "main"), cause="webhook"), "build")
    assert {k: found[k] for k in set(found) - ALWAYS} == {
        "CI_COMMIT_SHA": "0123456789abcdef",
        "CI_COMMIT_SHORT_SHA": "01234567",
        "CI_BRANCH": "main",
    }
    assert (found["CI_CAUSE"], found["CI_JOB_NAME"]) == ("webhook", "build")


def test_a_detached_head_has_no_branch() -> None:
    assert "CI_BRANCH" not in variables(Run(revision=Revision("0123")), "build")


def test_a_tags_variables_come_with_its_cause_only() -> None:
    tag = Tag("v1.2.3", author="ann")
    found = variables(Run(cause="tag", tag=tag), "build")
    assert (found["CI_TAG_NAME"], found["CI_TAG_AUTHOR"]) == ("v1.2.3", "ann")
    assert "CI_TAG_MESSAGE" not in found
    assert "CI_TAG_NAME" not in variables(Run(cause="manual", tag=tag), "build")


def test_a_pull_request() -> None:
    request = PullRequest(12, "fix", "main", "Fix it", labels=("bug", "ci"))
    found = variables(Run(cause="pull_request", pull_request=request), "build")
    assert {k: v for k, v in found.items() if k.startswith("CI_PULL_REQUEST")} == {
        "CI_PULL_REQUEST_KEY": "12",
        "CI_PULL_REQUEST_BRANCH": "fix",
        "CI_PULL_REQUEST_BASE": "main",
        "CI_PULL_REQUEST_TITLE": "Fix it",
        "CI_PULL_REQUEST_LABELS": "bug,ci",
    }


def test_an_upstream_run_shows_under_any_cause() -> None:
    found = variables(Run(cause="manual", upstream=Upstream("core", 41, "publish")), "build")
    assert found["CI_UPSTREAM_RUN_COUNTER"] == "41"
    assert found["CI_UPSTREAM_PIPELINE"] == "core"
    assert found["CI_UPSTREAM_STAGE"] == "publish"


def test_one_run_keeps_its_ids() -> None:
    run = Run()
    assert variables(run, "a")["CI_RUN_ID"] == variables(run, "b")["CI_RUN_ID"]
    assert Run().id != run.id
