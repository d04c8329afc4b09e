"""Options that several subcommands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.project import Project
from gocdnext_sdk.host.pipeline import revision
from gocdnext_sdk.host.pipeline.builtins import Cause, PullRequest, Revision, Run, Tag
from gocdnext_sdk.host.pipeline.modes import DOCKER, NAMES

FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
DIRECTORY: Final = click.Path(path_type=Path, exists=True, file_okay=False)


def pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE options as a map."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{value!r} is not {param.metavar or 'NAME=VALUE'}", ctx, param)
        if name in found:
            raise click.BadParameter(f"{name} is given twice", ctx, param)
        found[name] = text
    return found


def _with_project(ctx: click.Context, param: click.Parameter, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Add the folders of the project's settings."""
    return folders if ctx.resilient_parsing else (*folders, *Project.find().plugins)


plugins_option: Final = click.option(
    "--plugins",
    multiple=True,
    type=DIRECTORY,
    metavar="DIRECTORY",
    callback=_with_project,
    help="Your own plugins: the directory of one, or a directory of such directories. Repeatable.",
)

input_option: Final = click.option(
    "--with", "inputs", callback=pairs, multiple=True, metavar="KEY=VALUE", help="An input."
)

variable_option: Final = click.option(
    "--var", "variables", callback=pairs, multiple=True, metavar="NAME=VALUE", help="A variable."
)

as_option: Final = click.option(
    "--as",
    "mode",
    type=click.Choice(NAMES),
    default=DOCKER.name,
    show_default=True,
    help="Give jobs what this mode of the platform's agent gives them.",
)

build_context_option: Final = click.option(
    "--build-context",
    "build_contexts",
    multiple=True,
    metavar="NAME=VALUE",
    help="Replace a stage of the Dockerfiles that are built. Also: $GOCDNEXT_BUILD_CONTEXTS.",
)

secrets_file_option: Final = click.option("--secrets-file", type=FILE, help="As for `run`.")

_EVENTS: Final[dict[str, Cause]] = {
    "push": "webhook",
    "tag": "tag",
    "pull_request": "pull_request",
    "manual": "manual",
    "schedule": "schedule",
}


def event_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say why a run takes place; `run_of` takes them."""
    for option in (
        click.option(
            "--pr", type=int, help="The pull request's number, with --event pull_request. [default: 1]"
        ),
        click.option(
            "--tag", help="The value of CI_TAG_NAME, with --event tag. [default: the one checked out]"
        ),
        click.option("--branch", help="The value of CI_BRANCH. [default: the one checked out]"),
        click.option("--event", type=click.Choice(list(_EVENTS)), default="manual", show_default=True),
    ):
        command = option(command)
    return command


def run_of(
    workspace: Path,
    event: str,
    branch: str | None,
    tag: str | None,
    pr: int | None,
    project: str = "",
    unknown: Revision | None = None,
) -> Run:
    """Return the run that `event_options` ask for.

    Args:
        workspace: the source of the revision, and of the branch and the tag that are not given.
        event: one of the option's choices.
        branch: what it is on.
        tag: with the event `tag`.
        pr: number, with the event `pull_request`.
        project: the project's name in URLs.
        unknown: what stands for a revision and a branch that the checkout does not tell.

    Raises:
        UsageError: an option is for another event, or there is no tag.
    """
    for option, given, of in (("--tag", tag, "tag"), ("--pr", pr, "pull_request")):
        if given is not None and event != of:
            raise UsageError(f"{option} is for --event {of}, and the event is {event}")
    if event == "tag" and not (tag := tag or revision.tag(workspace)):
        raise UsageError("--event tag: no tag is checked out", "pass --tag NAME")
    found, unknown = revision.read(workspace), unknown or Revision()
    found = Revision(found.sha or unknown.sha, branch or found.branch or unknown.branch)
    cause = _EVENTS[event]
    return Run(
        revision=found,
        cause=cause,
        tag=Tag(tag or "") if cause == "tag" else None,
        pull_request=PullRequest(1 if pr is None else pr, branch=found.branch)
        if cause == "pull_request"
        else None,
        project_slug=project,
    )
