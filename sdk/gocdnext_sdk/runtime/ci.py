"""What a job knows of its run: the platform's `CI_*` variables as one typed value.

docs/contract.md §5.1 says which variable exists when. Only this module reads them: what another CI system
calls otherwise becomes a `CI_*` variable before a job starts.

Public through `gocdnext_sdk` (docs/api.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from gocdnext_sdk.contract.keys import SHORT_SHA
from gocdnext_sdk.runtime.checkout import Checkout

Event: TypeAlias = Literal["push", "pull_request", "tag", "manual", "upstream", "schedule", "poll"]
"""What started a run, as a pipeline's `when.event` names it."""

_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[\w.-]+):(?P<path>(?!//)\S+)")
"""How ssh writes a repository: `git@github.com:org/app.git`."""

_CRON = "cron:"
"""How the revision of a cron material begins, whose branch is `cron`; neither is in any repository.

Source: upstream `server/internal/cron/cron.go`.
"""


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """The pull request that started a run; what is not known is None.

    Args:
        number: its number.
        source: the branch it would merge.
        target: the branch it would merge into.
        title: whatever its author wrote.
        author: who opened it.
        url: its page.
        labels: its labels.
    """

    number: int | None = None
    source: str | None = None
    target: str | None = None
    title: str | None = None
    author: str | None = None
    url: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The run of another pipeline that started this one."""

    pipeline: str | None = None
    counter: int | None = None
    stage: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ci:
    """The run that a job belongs to; what is not known is None.

    Args:
        commit: the whole id of the revision.
        branch: the branch; None in a run for a tag or of a cron material.
        tag: the tag whose push started the run.
        tag_message: of that tag.
        tag_author: of that tag.
        event: what started the run.
        cause: the same, in the platform's word (CI_CAUSE): a push is `webhook`, a cron material `cron`.
        pull_request: that started the run.
        upstream: the run that started this one.
        default_branch: of the repository.
        repository_url: its page, without credentials.
        committed: when the commit was made, in UTC.
        run_id: of the run.
        run_url: its page.
        run_counter: its number.
        pipeline_id: of the pipeline.
        project_id: of the project.
        job: the job's name.
        now: when the job asked, in UTC.
    """

    commit: str | None = None
    branch: str | None = None
    tag: str | None = None
    tag_message: str | None = None
    tag_author: str | None = None
    event: Event | None = None
    cause: str | None = None
    pull_request: PullRequest | None = None
    upstream: Upstream | None = None
    default_branch: str | None = None
    repository_url: str | None = None
    committed: datetime | None = None
    run_id: str | None = None
    run_url: str | None = None
    run_counter: int | None = None
    pipeline_id: str | None = None
    project_id: str | None = None
    job: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)

    @property
    def short_commit(self) -> str | None:
        """The first 8 characters of the commit."""
        return self.commit[:SHORT_SHA] if self.commit else None

    @property
    def ref(self) -> str | None:
        """The git reference: `refs/heads/main`, `refs/tags/v1` or `refs/pull/7/merge`."""
        if self.pull_request is not None:
            number = self.pull_request.number
            return f"refs/pull/{number}/merge" if number else None
        if self.tag:
            return f"refs/tags/{self.tag}"
        return f"refs/heads/{self.branch}" if self.branch else None

    @classmethod
    def of(cls, environ: Mapping[str, str], workspace: Path) -> Ci:
        """Return what the variables of a job say, and the checkout where they do not.

        Args:
            environ: the job's.
            workspace: the checkout, or any other directory.
        """

        def value(name: str) -> str | None:
            return environ.get(f"CI_{name}", "").strip() or None

        checkout = Checkout(workspace)
        cause, branch = value("CAUSE"), value("BRANCH")
        pull_request = None
        if cause == "pull_request" or _has(environ, "PULL_REQUEST_"):
            pull_request = _pull_request(value)
        tag = value("TAG_NAME")
        if cause == "tag":  # CI_BRANCH is the tag then
            tag, branch = tag or branch, None
        elif tag:
            branch = None
        commit = value("COMMIT_SHA")
        if commit and commit.startswith(_CRON):
            commit = branch = None
        commit = commit or checkout.commit
        return cls(
            commit=commit,
            branch=branch,
            tag=tag,
            tag_message=value("TAG_MESSAGE"),
            tag_author=value("TAG_AUTHOR"),
            event=_event(cause, pull_request, tag),
            cause=cause,
            pull_request=pull_request,
            upstream=Upstream(
                pipeline=value("UPSTREAM_PIPELINE"),
                counter=_number(value("UPSTREAM_RUN_COUNTER")),
                stage=value("UPSTREAM_STAGE"),
            )
            if _has(environ, "UPSTREAM_")
            else None,
            default_branch=value("DEFAULT_BRANCH") or checkout.default_branch,
            repository_url=web_page(value("REPOSITORY_URL") or checkout.remote or ""),
            committed=_date(value("COMMIT_TIMESTAMP")) or (checkout.committed(commit) if commit else None),
            run_id=value("RUN_ID"),
            run_url=value("RUN_URL"),
            run_counter=_number(value("RUN_COUNTER")),
            pipeline_id=value("PIPELINE_ID"),
            project_id=value("PROJECT_ID"),
            job=value("JOB_NAME"),
        )


def web_page(remote: str) -> str | None:
    """Return the page of a repository; None for one that is on no server.

    Args:
        remote: where git finds the repository. Credentials, a query and `.git` are left out, and ssh becomes
            https: git servers have both under one name.
    """
    if "://" not in remote and (found := _SCP.fullmatch(remote)):
        scheme, host, path = "https", found["host"], found["path"]
    else:
        try:
            parts = urlsplit(remote)
            port = parts.port
        except ValueError:
            return None
        if parts.scheme not in ("https", "http", "ssh", "git+ssh", "git") or not parts.hostname:
            return None
        scheme = parts.scheme if parts.scheme in ("https", "http") else "https"
        host, path = parts.hostname, parts.path
        if port and scheme == parts.scheme:
            host = f"{host}:{port}"
    path = path.strip("/").removesuffix(".git").rstrip("/")
    return f"{scheme}://{host}/{path}" if path else None


def _has(environ: Mapping[str, str], prefix: str) -> bool:
    return any(name.startswith(f"CI_{prefix}") and text.strip() for name, text in environ.items())


def _pull_request(value: Callable[[str], str | None]) -> PullRequest:
    labels = (value("PULL_REQUEST_LABELS") or "").split(",")
    return PullRequest(
        number=_number(value("PULL_REQUEST_KEY")),
        source=value("PULL_REQUEST_BRANCH"),
        target=value("PULL_REQUEST_BASE"),
        title=value("PULL_REQUEST_TITLE"),
        author=value("PULL_REQUEST_AUTHOR"),
        url=value("PULL_REQUEST_URL"),
        labels=tuple(label.strip() for label in labels if label.strip()),
    )


def _event(cause: str | None, pull_request: PullRequest | None, tag: str | None) -> Event | None:
    if cause == "webhook":
        return "push"
    if cause == "cron":  # a material of the pipeline; the project's own clocks say `schedule`
        return "schedule"
    for event in get_args(Event):
        if event == cause:
            return event  # type: ignore[no-any-return]
    if pull_request is not None:
        return "pull_request"
    return "tag" if tag else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _date(text: str | None) -> datetime | None:
    """Read seconds since 1970, or a date as RFC 3339 writes it."""
    if text is None:
        return None
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
