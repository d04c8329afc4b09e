"""``gocdnext-plugin exec``: one plugin, one `with:` map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from gocdnext_sdk.contract.dialects import dialect, dialects
from gocdnext_sdk.contract.keys import MARK, variable
from gocdnext_sdk.contract.refs import is_name, references
from gocdnext_sdk.errors import InputError
from gocdnext_sdk.host.cli import project
from gocdnext_sdk.host.cli.options import (
    input_option,
    secrets_file_option,
    variable_option,
)
from gocdnext_sdk.host.cli.publishing import ask_to_publish
from gocdnext_sdk.host.cli.secrets import collect
from gocdnext_sdk.host.harness.invocation.interface import Invocation, Outcome
from gocdnext_sdk.host.harness.invocation.process import attached
from gocdnext_sdk.host.harness.publishing import Publication, images, outside
from gocdnext_sdk.host.harness.report.interface import LogLine, NullListener
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.pipeline import Graph, Run, Sources, revision
from gocdnext_sdk.host.pipeline.graph import JobInstance, Stage
from gocdnext_sdk.host.pipeline.model import Pipeline
from gocdnext_sdk.host.pipeline.modes import DOCKER, MODES, NAMES
from gocdnext_sdk.host.pipeline.resolve import notices, resolve
from gocdnext_sdk.host.pipeline.single import single
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.plugin import Plugin

_SYSTEM = click.Choice([*NAMES, *(each.name for each in dialects())])


@click.command("exec", short_help="Run one plugin with one with: map.")
@click.argument("target", metavar="PLUGIN")
@input_option
@variable_option
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME",
    help="Take a secret from the environment, or ask. --with 'password=${{ NAME }}' refers to it.",
)
@secrets_file_option
@click.option("--publish", is_flag=True, help="Publish outside of this machine, without a question.")
@click.option("--docker", is_flag=True, help="Give it the Docker engine, as `docker: true` does.")
@click.option("--image", "in_image", is_flag=True, help="Build its image and run it in a fresh container.")
@click.option("--use-image", metavar="REF", help="Run it in a container of this image.")
@click.option("--network", metavar="NAME", help="Run its container in this network, such as `host`.")
@click.option(
    "--as",
    "system",
    type=_SYSTEM,
    default=DOCKER.name,
    show_default=True,
    help="Hand the inputs over as this mode of the platform's agent does, or as this other CI system.",
)
@click.option("--engine", "former", type=_SYSTEM, hidden=True, help="The former name of --as.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    target: str,
    inputs: dict[str, str],
    variables: dict[str, str],
    secrets: tuple[str, ...],
    secrets_file: Path | None,
    publish: bool,
    docker: bool,
    in_image: bool,
    use_image: str | None,
    network: str | None,
    system: str,
    former: str | None,
) -> None:
    """Run PLUGIN, its directory or its name, once in the current directory.

    It runs as a process that finds its tools in your PATH, or with --image in its own image on a copy of the
    current directory. What it declares to publish outside of this machine needs --publish, or an answer. The
    exit code is the plugin's.
    """
    if network and not (in_image or use_image):
        raise click.UsageError("--network is for a container; add --image")
    folder = project.plugin(target, project.Project.find().plugins)
    plugin = load_plugin(folder)
    given = collect(file=secrets_file, names=secrets, wanted=())
    for key, text in inputs.items():
        for name in filter(is_name, references(text)):
            if name not in (*given, *variables) and not name.startswith("CI"):
                advice = f"add --secret {name}, or --var {name}=VALUE"
                raise click.UsageError(f"--with {key}: ${{{{ {name} }}}} is not known; {advice}")
    workspace = Path.cwd()
    pipeline, instance = single(
        f"{plugin.name}:{plugin.image_tag}",
        inputs,
        name=folder.resolve().name,
        variables=variables,
        secrets=given,
        docker=docker,
    )
    system = former or system
    mode = next((each for each in MODES.values() if each.name == system), None)
    sources = Sources(run=Run(revision=revision.read(workspace)), secrets=given, mode=mode or DOCKER)
    job = resolve(pipeline, instance, sources)
    for notice in notices(job):
        click.echo(f"note: {notice}", err=True)
    published = _published(folder, pipeline, instance, sources)
    if published and not _is_refused(plugin, job.env, workspace):
        ask_to_publish(published, workspace, said=publish)
    environ = job.env if mode else _under(system, job.env, inputs)
    invocation = Invocation(
        name=job.name,
        folder=folder,
        workspace=workspace,
        environ=environ,
        docker=docker,
        masks=job.masks,
        private=(secrets_file,) if secrets_file else (),
    )
    if in_image or use_image:
        outcome = _in_container(invocation, use_image or _built(folder, plugin.name), network)
    else:
        outcome = attached(invocation)
    for name, value in outcome.outputs.items():
        click.echo(f"output {name}={value}")
    ctx.exit(outcome.exit_code)


def _published(
    folder: Path, pipeline: Pipeline, instance: JobInstance, sources: Sources
) -> tuple[Publication, ...]:
    manifest = Manifest.of(folder)
    if not (manifest.facts.publishes or manifest.facts.writes or manifest.facts.signs):
        return ()
    graph = Graph(pipeline, (Stage(instance.job.stage, (instance,)),))
    return outside(images(graph, sources, Catalog([manifest], {manifest.name: folder})), ())


def _is_refused(plugin: type[Plugin[Any]], environ: Mapping[str, str], workspace: Path) -> bool:
    """Tell whether the plugin will name mistakes in its inputs, or a module it lacks, and do nothing."""
    try:
        read_inputs(plugin.inputs, environ, workspace=workspace)
    except (InputError, ImportError):
        return True
    return False


def _under(name: str, environ: Mapping[str, str], inputs: Iterable[str]) -> dict[str, str]:
    """Return a job's variables as another CI system sets them.

    Args:
        name: its name.
        environ: the job's on gocdnext.
        inputs: the keys of its `with:` map.
    """
    system = dialect(name)
    given = {key: environ[variable(key)] for key in inputs}
    own = {MARK, *map(variable, given)}
    rest = {name: text for name, text in environ.items() if name not in own}
    return {**rest, **system.marks, **system.hand_over(given)}


class _Lines(NullListener):
    """Prints what the plugin prints."""

    def line(self, job: str, line: LogLine) -> None:
        click.echo(line.text, err=line.stream == "stderr")

    def notice(self, text: str, job: str = "") -> None:
        click.echo(f"note: {text}", err=True)


def _built(folder: Path, name: str) -> str:
    from gocdnext_sdk.host.harness.build import build_contexts, build_image

    image = f"localhost/{name}:dev"
    click.echo(f"building {image}", err=True)
    build_image(folder, image, build_contexts())
    return image


def _in_container(invocation: Invocation, image: str, network: str | None) -> Outcome:
    from gocdnext_sdk.host.cli.interrupt import interruptible
    from gocdnext_sdk.host.harness.engine.local import local_engine
    from gocdnext_sdk.host.harness.invocation.container import DEFAULT_NETWORK, InContainer
    from gocdnext_sdk.host.harness.session import Session

    with interruptible() as stop, Session(local_engine(), stop) as session:
        return InContainer(session, image, network or DEFAULT_NETWORK, _Lines())(invocation)
