"""``gocdnext-plugin plan``: what a pipeline or a plugin would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gocdnext_sdk.contract.refs import references
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli import project
from gocdnext_sdk.host.cli.options import (
    DIRECTORY,
    as_option,
    event_options,
    input_option,
    plugins_option,
    run_of,
    secrets_file_option,
    variable_option,
)
from gocdnext_sdk.host.cli.project import Project
from gocdnext_sdk.host.cli.secrets import collect
from gocdnext_sdk.host.harness.publishing import images, outside
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.pipeline import Revision, Sources, parse_file, revision
from gocdnext_sdk.host.pipeline.errors import PipelineError, suggest
from gocdnext_sdk.host.pipeline.graph import Graph, Stage
from gocdnext_sdk.host.pipeline.modes import MODES, ModeName
from gocdnext_sdk.host.pipeline.single import single
from gocdnext_sdk.host.pipeline.surprises import surprises

if TYPE_CHECKING:
    from gocdnext_sdk.host.planning import Placeholders
    from gocdnext_sdk.host.planning.plan_pipeline import JobPlan, Planner
    from gocdnext_sdk.plugin import Plugin


@click.command("plan", short_help="Show what a pipeline or a plugin would do, without doing it.")
@click.argument("target", required=False)
@input_option
@variable_option
@click.option("--docker", is_flag=True, help="Plan a plugin's job with `docker: true`.")
@click.option("--job", "jobs", multiple=True, metavar="NAME", help="Only this job and what it needs.")
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME", help="Take a secret from the environment."
)
@secrets_file_option
@plugins_option
@click.option(
    "--workspace",
    type=DIRECTORY,
    help="The checkout. [default: the directory that contains .gocdnext, or the current one]",
)
@event_options
@as_option
@click.option(
    "--graph", type=click.Choice(("text", "mermaid", "svg")), help="Show the order of a pipeline's jobs only."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    target: str | None,
    inputs: dict[str, str],
    variables: dict[str, str],
    docker: bool,
    jobs: tuple[str, ...],
    secrets: tuple[str, ...],
    secrets_file: Path | None,
    plugins: tuple[Path, ...],
    workspace: Path | None,
    event: str,
    branch: str | None,
    tag: str | None,
    pr: int | None,
    mode: ModeName,
    graph: str | None,
    as_json: bool,
) -> None:
    """Show what TARGET, a pipeline or a plugin, would do. [default: the project's only pipeline]

    A pipeline is named by its file, its directory or its name; a plugin by its directory or its name.

    Nothing is started, contacted or written. Credentials are named with the host they go to, and never
    shown; a secret that is not given is taken for a good one. What only a run can know stands there as what
    it is, such as `<digest of ghcr.io/org/app:v1>`. The exit code is 0, or 2 if inputs are wrong.
    """
    from gocdnext_sdk.host.planning import Placeholders
    from gocdnext_sdk.host.planning.text import lines

    settings = Project.find()
    of_plugin, found = _target(target, plugins)
    if graph:
        if of_plugin:
            raise click.UsageError("--graph is for a pipeline")
        from gocdnext_sdk.host.planning.graph import as_mermaid, as_text
        from gocdnext_sdk.host.planning.graph_svg import as_svg

        draw = {"text": as_text, "mermaid": as_mermaid, "svg": as_svg}[graph]
        click.echo(draw(Graph.of(parse_file(found), jobs)))
        return
    variables = {**settings.variables, **variables}
    secrets_file = secrets_file or settings.secrets_file
    if not of_plugin and (inputs or docker):
        raise click.UsageError("--with and --docker are for a plugin; a pipeline sets them itself")
    workspace = workspace or (Path.cwd() if of_plugin else revision.workspace_of(found))
    shown = Placeholders()
    unknown = Revision(shown.commit(), shown.text("branch"))
    sources = Sources(
        run=run_of(workspace.resolve(), event, branch, tag, pr, unknown=unknown),
        secrets=collect(file=secrets_file, names=secrets, wanted=(), ask=None),
        profiles=settings.profiles,
        mode=MODES[mode],
    )
    setting = _Setting(sources, workspace.resolve(), shown)
    if of_plugin:
        plans = [_plan_plugin(found, inputs, variables, docker, setting)]
    else:
        plans = _plan_pipeline(found, jobs, variables, plugins, setting)
    if as_json:
        click.echo(json.dumps({"jobs": [each.as_dict() for each in plans]}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join("\n".join(lines(each)) for each in plans))
    ctx.exit(2 if any(each.problems for each in plans) else 0)


def _target(said: str | None, plugins: tuple[Path, ...]) -> tuple[bool, Path]:
    """Return whether a plugin is meant, and its folder, or else the file of a pipeline."""
    if said is None or Path(said).is_file():
        return False, project.pipeline(said)
    if Path(said).is_dir():
        is_pipeline = bool(project.pipelines_in(Path(said))) and not (Path(said) / "plugin.py").is_file()
        return (False, project.pipeline(said)) if is_pipeline else (True, Path(said))
    with suppress(UsageError):
        return False, project.pipeline(said)
    with suppress(UsageError):
        return True, project.plugin(said, plugins)
    names = sorted({*(each.stem for each in project.nearest()), *project.plugins(plugins)})
    raise UsageError(
        f"there is no file, no pipeline and no plugin {said}",
        suggest(Path(said).stem, names, "pipelines and plugins"),
    )


@dataclass(frozen=True)
class _Setting:
    """What a plan is made in, of a plugin or of a pipeline."""

    sources: Sources
    workspace: Path
    shown: Placeholders

    def planner(self, find: Callable[[str], type[Plugin[Any]] | None]) -> Planner:
        from gocdnext_sdk.host.planning.plan_pipeline import Planner

        return Planner(self.sources, self.workspace, find, self.shown)


def _plan_plugin(
    folder: Path, inputs: Mapping[str, str], variables: Mapping[str, str], docker: bool, setting: _Setting
) -> JobPlan:
    plugin = load_plugin(folder)
    # Each ${{ NAME }} is taken for a secret, of the environment or not.
    named = [name for text in inputs.values() for name in references(text)]
    pipeline, instance = single(
        f"{plugin.name}:{plugin.image_tag}",
        inputs,
        name=folder.resolve().name,
        variables=variables,
        secrets=dict.fromkeys([*setting.sources.secrets, *named]),
        docker=docker,
    )
    planned = setting.planner(lambda _: plugin).job(pipeline, instance)
    manifest = Manifest.of(folder)
    graph = Graph(pipeline, (Stage(instance.job.stage, (instance,)),))
    (found,) = _with_publications([planned], graph, setting, Catalog([manifest], {manifest.name: folder}))
    return found


def _plan_pipeline(
    file: Path,
    jobs: Sequence[str],
    variables: Mapping[str, str],
    plugins: Sequence[Path],
    setting: _Setting,
) -> list[JobPlan]:
    from gocdnext_sdk.host.manifest.find import find_plugin

    pipeline = parse_file(file).with_variables(variables)
    graph = Graph.of(pipeline, jobs)
    for notice in (*pipeline.notices, *surprises(graph, setting.sources.run)):
        click.echo(f"note: {notice}", err=True)
    planner = setting.planner(lambda image: find_plugin(image, plugins))
    return _with_publications(planner.plan(graph), graph, setting, Catalog.load(plugins))


def _with_publications(
    plans: Iterable[JobPlan], graph: Graph, setting: _Setting, catalog: Catalog
) -> list[JobPlan]:
    """Return the plans with what leaves this machine, about which `run` asks."""
    plans, sources = list(plans), setting.sources
    secrets = {name: f"({name})" for instance in graph.jobs for name in instance.job.secrets}
    local = [each.name for each in graph.pipeline.services]
    try:
        found = outside(
            images(graph, replace(sources, secrets={**secrets, **sources.secrets}), catalog), local
        )
    except PipelineError:  # the job's plan tells
        return plans
    told = {plan.name: tuple(each.what for each in found if each.job == plan.name) for plan in plans}
    return [replace(plan, publications=told[plan.name] if plan.run else ()) for plan in plans]
