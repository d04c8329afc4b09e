"""``gocdnext-plugin plan``: what a pipeline or a plugin would do, without doing it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gocdnext_sdk.contract.refs import references
from gocdnext_sdk.host.cli.options import ENGINES, event_options, pairs, run_of
from gocdnext_sdk.host.cli.secrets import collect
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.pipeline import Checkout, Sources, parse_file
from gocdnext_sdk.host.pipeline.graph import Graph
from gocdnext_sdk.host.pipeline.resolve import EngineMapping
from gocdnext_sdk.host.pipeline.single import single
from gocdnext_sdk.host.planning import Placeholders


@click.command("plan", short_help="Show what a pipeline or a plugin would do, without doing it.")
@click.argument("target", type=click.Path(path_type=Path, exists=True))
@click.option("--with", "inputs", callback=pairs, multiple=True, metavar="KEY=VALUE", help="An input.")
@click.option("--var", "variables", callback=pairs, multiple=True, metavar="NAME=VALUE", help="A variable.")
@click.option("--docker", is_flag=True, help="Graph a plugin's job with `docker: true`.")
@click.option("--job", "jobs", multiple=True, metavar="NAME", help="Only this job and what it needs.")
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME", help="Take a secret from the environment."
)
@click.option(
    "--secrets-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="As for `run`."
)
@click.option(
    "--plugins",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A plugin's folder, or a folder of such. Repeatable.",
)
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The checkout. [default: the folder that holds .gocdnext, or the current one]",
)
@event_options
@click.option("--engine", type=click.Choice(ENGINES), default="docker", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    target: Path,
    inputs: dict[str, str],
    variables: dict[str, str],
    docker: bool,
    jobs: tuple[str, ...],
    secrets: tuple[str, ...],
    secrets_file: Path | None,
    folders: tuple[Path, ...],
    workspace: Path | None,
    event: str,
    branch: str | None,
    tag: str | None,
    pr: int,
    engine: EngineMapping,
    as_json: bool,
) -> None:
    """Show what TARGET, a pipeline file or a plugin's folder, would do.

    Nothing is started, contacted or written. Credentials are named with the host they go to, and never
    shown; a secret that is not given is taken for a good one. What only a run can know stands there as what
    it is, such as `<digest of ghcr.io/org/app:v1>`. The exit code is 0, or 2 if inputs are wrong.
    """
    from gocdnext_sdk.host.harness.runner import with_variables, workspace_of
    from gocdnext_sdk.host.manifest.find import find_plugin
    from gocdnext_sdk.host.planning.plan_pipeline import Planner
    from gocdnext_sdk.host.planning.text import lines

    shown = Placeholders()
    workspace = (workspace or (Path.cwd() if target.is_dir() else workspace_of(target))).resolve()
    unknown = Checkout(shown.commit(), shown.text("branch"))
    given = collect(file=secrets_file, names=secrets, wanted=(), ask=None)
    sources = Sources(run=run_of(workspace, event, branch, tag, pr, unknown=unknown), secrets=given)
    if target.is_dir():
        plugin = load_plugin(target)
        image = f"{plugin.name}:{plugin.image_tag}"
        # Each ${{ NAME }} is taken for a secret, of the environment or not.
        named = [name for text in inputs.values() for name in references(text)]
        pipeline, instance = single(
            image,
            inputs,
            name=target.resolve().name,
            variables=variables,
            secrets=dict.fromkeys([*given, *named]),
            docker=docker,
        )
        planner = Planner(sources, workspace, lambda _: plugin, engine, shown)
        plans = [planner.job(pipeline, instance)]
    else:
        if inputs or docker:
            raise click.UsageError("--with and --docker are for a plugin; a pipeline says them itself")
        planner = Planner(
            sources,
            workspace,
            lambda image: find_plugin(image, folders),
            engine,
            shown,
        )
        pipeline = with_variables(parse_file(target), variables)
        for notice in pipeline.notices:
            click.echo(f"note: {notice}", err=True)
        plans = list(planner.plan(Graph.of(pipeline, jobs)))
    if as_json:
        click.echo(json.dumps({"jobs": [each.as_dict() for each in plans]}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join("\n".join(lines(each)) for each in plans))
    ctx.exit(2 if any(each.problems for each in plans) else 0)
