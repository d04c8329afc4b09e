"""The `CI_*` variables the platform gives every job.

Source: upstream `server/internal/scheduler/civars.go`. A value that is not known leaves its
variable unset, never empty, so that `${CI_TAG_NAME}` stays visible as a mistake.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from gocdnext_sdk.contract.keys import SHORT_SHA

Cause: TypeAlias = Literal["webhook", "pull_request", "tag", "manual", "upstream", "schedule", "poll"]
"""Why a run started. A push is `webhook`."""


ALWAYS: Final = frozenset(
    {
        *("CI", "GOCDNEXT", "CI_RUN_ID", "CI_RUN_COUNTER", "CI_PIPELINE_ID", "CI_PROJECT_ID", "CI_JOB_NAME"),
        *("CI_COMMIT_SHA", "CI_COMMIT_SHORT_SHA", "CI_BRANCH", "CI_CAUSE"),
    }
)
"""The platform's own variables in every job (docs/contract.md §5.1)."""

SOMETIMES: Final[Mapping[str, str]] = {
    **{
        f"CI_PULL_REQUEST_{name}": "pull_request"
        for name in ("KEY", "BRANCH", "BASE", "TITLE", "AUTHOR", "URL", "LABELS")
    },
    **{f"CI_TAG_{name}": "tag" for name in ("NAME", "MESSAGE", "AUTHOR")},
    **{f"CI_UPSTREAM_{name}": "upstream" for name in ("PIPELINE", "RUN_COUNTER", "STAGE")},
}
"""The platform's variables that only some runs have, and the event that starts these."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The revision a run works on."""

    sha: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """The tag whose push started a run."""

    name: str
    message: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The pull request that started a run."""

    number: int
    branch: str = ""
    base: str = ""
    title: str = ""
    author: str = ""
    url: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """The run of another pipeline that started this one."""

    pipeline: str
    counter: int
    stage: str = ""


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a pipeline, as its jobs may know it."""

    revision: Revision = Revision()
    cause: Cause = "manual"
    tag: Tag | None = None
    pull_request: PullRequest | None = None
    upstream: Upstream | None = None
    counter: int = 1
    id: str = field(default_factory=_uuid)
    pipeline_id: str = field(default_factory=_uuid)
    project_id: str = field(default_factory=_uuid)
    project_slug: str = ""
    """The project's name in URLs. No variable holds it; identity tokens do."""


def variables(run: Run, job: str) -> dict[str, str]:
    """Return the built-ins of one job.

    Args:
        run: what is known of the run.
        job: the job's name as the pipeline has it, also for a cell of a matrix.
    """
    revision = run.revision
    found = {
        "CI": "true",
        "GOCDNEXT": "true",
        "CI_RUN_ID": run.id,
        "CI_RUN_COUNTER": str(run.counter),
        "CI_PIPELINE_ID": run.pipeline_id,
        "CI_PROJECT_ID": run.project_id,
        "CI_JOB_NAME": job,
        "CI_COMMIT_SHA": revision.sha,
        "CI_COMMIT_SHORT_SHA": revision.sha[:SHORT_SHA],
        # Upstream server/internal/webhook/tag_push.go: a tag's run is on the tag.
        "CI_BRANCH": run.tag.name if run.cause == "tag" and run.tag else revision.branch,
        "CI_CAUSE": run.cause,
    }
    if run.cause == "pull_request" and (pr := run.pull_request):
        found |= {
            "CI_PULL_REQUEST_KEY": str(pr.number) if pr.number > 0 else "",
            "CI_PULL_REQUEST_BRANCH": pr.branch,
            "CI_PULL_REQUEST_BASE": pr.base,
            "CI_PULL_REQUEST_TITLE": pr.title,
            "CI_PULL_REQUEST_AUTHOR": pr.author,
            "CI_PULL_REQUEST_URL": pr.url,
            "CI_PULL_REQUEST_LABELS": ",".join(pr.labels),
        }
    if run.cause == "tag" and (tag := run.tag):
        found |= {
            "CI_TAG_NAME": tag.name,
            "CI_TAG_MESSAGE": tag.message,
            "CI_TAG_AUTHOR": tag.author,
        }
    # Under any cause: a manual run of a downstream pipeline carries it too.
    if (up := run.upstream) and up.counter > 0:
        found |= {
            "CI_UPSTREAM_PIPELINE": up.pipeline,
            "CI_UPSTREAM_RUN_COUNTER": str(up.counter),
            "CI_UPSTREAM_STAGE": up.stage,
        }
    return {name: value for name, value in found.items() if value}


def why_unset(name: str) -> tuple[str, str] | None:
    """Return why a run lacks a variable that `variables` can give, and what to do; None for another name."""
    if (event := SOMETIMES.get(name)) is not None:
        given = {"tag": "--event tag --tag NAME", "pull_request": "--event pull_request --pr NUMBER"}
        advice = f"pass {given[event]}" if event in given else "start it from another pipeline"
        return f"only a run of the event {event} has {name}", advice
    if name in ("CI_COMMIT_SHA", "CI_COMMIT_SHORT_SHA"):
        return f"the checkout has no commit, so this run has no {name}", "commit first"
    return ("the checkout is on no branch", "pass --branch") if name == "CI_BRANCH" else None
