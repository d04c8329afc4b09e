"""The run as a job sees it: each event of docs/contract.md §5.1, and what the checkout adds."""

from __future__ import annotations

import subprocess
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gocdnext_sdk import Ci
from gocdnext_sdk.host.pipeline.builtins import PullRequest, Revision, Run, Tag, Upstream, variables
from gocdnext_sdk.runtime.ci import web_page

SHA = "0123456789abcdef0123456789abcdef01234567"


def seen(tmp_path: Path, **run: object) -> Ci:
    """Return what a job sees of a run that the harness starts as the platform would."""
    known = {"revision": Revision(SHA, "main"), "counter": 7, "id": "run", "pipeline_id": "p", **run}
    return Ci.of(variables(Run(**known), "build"), tmp_path)  # type: ignore[arg-type]


def test_a_push(tmp_path: Path) -> None:
    ci = seen(tmp_path, cause="webhook")
    assert (ci.event, ci.cause, ci.ref) == ("push", "webhook", "refs/heads/main")
    assert (ci.commit, ci.short_commit, ci.branch, ci.tag) == (SHA, SHA[:8], "main", None)
    assert (ci.run_id, ci.run_counter, ci.pipeline_id, ci.job) == ("run", 7, "p", "build")
    assert (ci.pull_request, ci.upstream, ci.committed) == (None, None, None)


def test_a_tag_is_no_branch(tmp_path: Path) -> None:
    ci = seen(tmp_path, cause="tag", tag=Tag("v1", "first", "ann"), revision=Revision(SHA, "v1"))
    assert (ci.event, ci.ref, ci.branch) == ("tag", "refs/tags/v1", None)
    assert (ci.tag, ci.tag_message, ci.tag_author) == ("v1", "first", "ann")


def test_a_tag_is_in_the_branch_if_nowhere_else(tmp_path: Path) -> None:
    assert Ci.of({"CI_CAUSE": "tag", "CI_BRANCH": "v2"}, tmp_path).ref == "refs/tags/v2"


def test_a_pull_request(tmp_path: Path) -> None:
    asked = PullRequest(12, "feat/x", "main", "Do it", "ann", "https://x/12", ("a", "b"))
    ci = seen(tmp_path, cause="pull_request", pull_request=asked)
    assert (ci.event, ci.ref) == ("pull_request", "refs/pull/12/merge")
    assert ci.pull_request is not None
    assert (ci.pull_request.number, ci.pull_request.source, ci.pull_request.target) == (12, "feat/x", "main")
    assert (ci.pull_request.title, ci.pull_request.labels) == ("Do it", ("a", "b"))


def test_a_pull_request_of_which_nothing_is_known_is_still_one(tmp_path: Path) -> None:
    ci = Ci.of({"CI_CAUSE": "pull_request", "CI_BRANCH": "main"}, tmp_path)
    assert ci.pull_request is not None
    assert ci.ref is None


def test_upstream(tmp_path: Path) -> None:
    ci = seen(tmp_path, cause="upstream", upstream=Upstream("base", 3, "publish"))
    assert ci.upstream is not None
    assert (ci.upstream.pipeline, ci.upstream.counter, ci.upstream.stage) == ("base", 3, "publish")


@pytest.mark.parametrize("cause", ["manual", "schedule", "poll"])
def test_other_causes_are_for_a_branch(tmp_path: Path, cause: str) -> None:
    ci = seen(tmp_path, cause=cause)
    assert (ci.event, ci.ref) == (cause, "refs/heads/main")


@pytest.mark.parametrize("cause", ["cron", "manual", "upstream"])
def test_the_revision_of_a_cron_material_is_none(tmp_path: Path, cause: str) -> None:
    """Upstream server/internal/cron/cron.go invents one; a run may be started again, or start another."""
    made_up = {"CI_CAUSE": cause, "CI_BRANCH": "cron", "CI_COMMIT_SHA": "cron:1795000000"}
    ci = Ci.of(made_up, tmp_path)
    assert (ci.cause, ci.event) == (cause, "schedule" if cause == "cron" else cause)
    assert (ci.commit, ci.branch, ci.ref) == (None, None, None)


def test_a_branch_may_be_called_cron(tmp_path: Path) -> None:
    assert seen(tmp_path, cause="webhook", revision=Revision(SHA, "cron")).ref == "refs/heads/cron"


def test_a_run_of_a_cron_material_has_the_commit_that_is_checked_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(SHA)
    ci = Ci.of({"CI_CAUSE": "cron", "CI_BRANCH": "cron", "CI_COMMIT_SHA": "cron:1795000000"}, tmp_path)
    assert (ci.event, ci.commit, ci.branch) == ("schedule", SHA, None)


def test_nothing_is_known_without_variables(tmp_path: Path) -> None:
    ci = Ci.of({"CI_BRANCH": " ", "CI_RUN_COUNTER": "x"}, tmp_path)
    assert ci == Ci()
    assert (ci.ref, ci.short_commit, ci.event) == (None, None, None)


def test_what_the_platform_does_not_say_may_be_a_variable_of_the_job(tmp_path: Path) -> None:
    ci = Ci.of(
        {
            "CI_DEFAULT_BRANCH": "trunk",
            "CI_REPOSITORY_URL": "https://u:p@x.y/a/b.git",
            "CI_COMMIT_TIMESTAMP": "2026-01-02T03:04:05+02:00",
            "CI_RUN_URL": "https://ci/7",
        },
        tmp_path,
    )
    assert (ci.default_branch, ci.repository_url, ci.run_url) == ("trunk", "https://x.y/a/b", "https://ci/7")
    assert ci.committed == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)


def test_the_checkout_says_what_no_variable_does(tmp_path: Path) -> None:
    for command in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", "https://robot:t0ken@git.example.com/org/app.git"],
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    ci = Ci.of({}, tmp_path)
    assert ci.repository_url == "https://git.example.com/org/app"
    assert "t0ken" not in repr(ci)
    assert ci.commit is not None
    assert ci.committed is not None
    assert abs(ci.committed - datetime.now(UTC)).days == 0
    assert ci.branch is None  # which branch a run is for, only the platform knows
    # Not of the commit that is checked out, but of the one the run is for, which is not there.
    assert Ci.of({"CI_COMMIT_SHA": SHA}, tmp_path).committed is None


def test_it_does_not_change(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        Ci().branch = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("https://github.com/org/app.git", "https://github.com/org/app"),
        ("https://github.com/org/app/", "https://github.com/org/app"),
        ("https://x-access-token:abc@github.com/org/app", "https://github.com/org/app"),
        ("https://git.example.com:8443/a/b/c.git?token=x#y", "https://git.example.com:8443/a/b/c"),
        ("http://git.local/a.git", "http://git.local/a"),
        ("git@github.com:org/app.git", "https://github.com/org/app"),
        ("ssh://git@git.example.com:2222/org/app.git", "https://git.example.com/org/app"),
        ("git://git.example.com/org/app", "https://git.example.com/org/app"),
        ("/srv/git/app.git", None),
        ("file:///srv/git/app.git", None),
        ("../app", None),
        ("https://[bad", None),
        ("https://host:port/x", None),
        ("", None),
    ],
)
def test_the_page_of_a_repository(remote: str, page: str | None) -> None:
    assert web_page(remote) == page
