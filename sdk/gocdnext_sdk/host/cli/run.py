"""`gocdnext-plugin run`: a pipeline on the local Docker engine."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.interrupt import interruptible
from gocdnext_sdk.host.cli.options import (
    DIRECTORY,
    FILE,
    as_option,
    build_context_option,
    event_options,
    pairs,
    run_of,
)
from gocdnext_sdk.host.cli.project import Project
from gocdnext_sdk.host.cli.project import pipeline as find_pipeline
from gocdnext_sdk.host.cli.publishing import ask_to_publish
from gocdnext_sdk.host.cli.reports import recorded, report_options, write_forms
from gocdnext_sdk.host.cli.secrets import collect
from gocdnext_sdk.host.cli.sigstore import STATE, running
from gocdnext_sdk.host.cli.watch import watched
from gocdnext_sdk.host.harness import user_folders
from gocdnext_sdk.host.harness.engine.interface import Pull
from gocdnext_sdk.host.harness.engine.local import local_engine
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS
from gocdnext_sdk.host.harness.image_manifests import manifests_here
from gocdnext_sdk.host.harness.options import MANY_FILES, NewRegistry, NewSigstore, Preferred, RunOptions
from gocdnext_sdk.host.harness.prepare import Prepared, prepare
from gocdnext_sdk.host.harness.report.interface import Tee
from gocdnext_sdk.host.harness.runner import run_prepared
from gocdnext_sdk.host.harness.session import Session, Stop
from gocdnext_sdk.host.harness.stand_in import login_secrets
from gocdnext_sdk.host.pipeline import Graph, parse_file, revision
from gocdnext_sdk.host.pipeline.model import Approval
from gocdnext_sdk.host.pipeline.modes import MODES, ModeName

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.report.console import ConsoleListener
    from gocdnext_sdk.host.harness.report.interface import RunReport

_PATH = click.Path(path_type=Path)


@click.command("run", short_help="Run a pipeline on the local engine as the platform would.")
@click.argument("target", metavar="[FILE]", required=False)
@click.option("--job", "jobs", multiple=True, metavar="NAME", help="Run a job and what it needs. Repeatable.")
@click.option("--secrets-file", type=FILE, help="Secrets as dotenv, or as a YAML map (.yaml, .yml).")
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME", help="Take a secret from the environment, or ask."
)
@click.option(
    "--var",
    "variables",
    callback=pairs,
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a pipeline variable. Repeatable.",
)
@click.option(
    "--local",
    callback=pairs,
    multiple=True,
    metavar="NAME=DIRECTORY",
    help="Build the plugin from a directory instead of using its published image. Repeatable.",
)
@click.option(
    "--use-image",
    "use_images",
    callback=pairs,
    multiple=True,
    metavar="NAME=REF",
    help="Use this image for the plugin. Repeatable.",
)
@build_context_option
@as_option
@click.option("--registry", is_flag=True, help="Start a throw-away registry for the jobs.")
@click.option(
    "--registry-for",
    "registry_for",
    multiple=True,
    metavar="HOST",
    help="Let the throw-away registry stand in for what jobs publish at this host, or at `all`. Repeatable.",
)
@click.option("--publish", is_flag=True, help="Publish outside of throw-away registries, without a question.")
@click.option("--registry-port", type=click.IntRange(1, 65535), help="Its port; implies --registry.")
@click.option(
    "--sigstore",
    is_flag=True,
    help="Issue id_tokens and start a private Sigstore for keyless signing. FOR LOCAL USE AND TESTS ONLY.",
)
@click.option(
    "--sigstore-at",
    type=_PATH,
    metavar="DIRECTORY",
    help="Use the registry and the Sigstore that `gocdnext-plugin sigstore DIRECTORY` started.",
)
@click.option(
    "--id-token",
    "id_tokens",
    multiple=True,
    metavar="NAME",
    help="Give jobs that declare it this identity token, from the environment, of an issuer of your own. "
    "Repeatable.",
)
@click.option(
    "--project", help="The project's slug in identity tokens. [default: the name of the checkout's directory]"
)
@click.option(
    "--network", metavar="NAME", help="Run jobs in this network, or in that of container:NAME, not a new one."
)
@event_options
@click.option(
    "--workspace", type=DIRECTORY, help="The checkout. [default: the directory that contains .gocdnext]"
)
@click.option("--default-image", default="", metavar="REF", help="For scripts that name no image.")
@click.option(
    "--pull", type=click.Choice([each.value for each in Pull]), default="missing", show_default=True
)
@click.option("--parallel", type=click.IntRange(0), default=0, help="Run at most this many jobs at a time.")
@click.option("--notify", is_flag=True, help="Send the pipeline's notifications; they are shown otherwise.")
@click.option("--ask", is_flag=True, help="Ask at approval gates; they pass otherwise.")
@click.option("--no-cache", is_flag=True, help="Neither restore nor store what `cache:` names.")
@click.option(
    "--reuse", is_flag=True, help="Run the jobs of --job alone, with what others left in earlier runs."
)
@click.option(
    "--show-outputs", is_flag=True, help="Show outputs, such as digests, in logs. Secrets stay masked."
)
@click.option("--watch", is_flag=True, help="Run again whenever the checkout changes, until Ctrl-C.")
@click.option("--no-layers", is_flag=True, help="Copy the checkout for every job, even a large one.")
@report_options
@click.option("--no-record", is_flag=True, help="Do not keep the run for `gocdnext-plugin report`.")
@click.option("--verbose", is_flag=True, help="Show every line of every job, not only its steps.")
@click.option("--no-color", is_flag=True, help="Plain text. Also: $NO_COLOR.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    target: str | None,
    jobs: tuple[str, ...],
    secrets_file: Path | None,
    secrets: tuple[str, ...],
    variables: dict[str, str],
    local: dict[str, str],
    use_images: dict[str, str],
    build_contexts: tuple[str, ...],
    mode: ModeName,
    registry: bool,
    registry_for: tuple[str, ...],
    publish: bool,
    registry_port: int | None,
    sigstore: bool,
    sigstore_at: Path | None,
    id_tokens: tuple[str, ...],
    project: str | None,
    network: str | None,
    event: str,
    branch: str | None,
    tag: str | None,
    pr: int,
    workspace: Path | None,
    default_image: str,
    pull: str,
    parallel: int,
    notify: bool,
    ask: bool,
    no_cache: bool,
    no_layers: bool,
    reuse: bool,
    show_outputs: bool,
    watch: bool,
    no_record: bool,
    verbose: bool,
    no_color: bool,
    **forms: Path | None,
) -> None:
    """Run a pipeline on the local engine as the platform would.

    FILE may also be a directory with .gocdnext, or the name of one of its pipelines. [default: the only one
    of this directory, or of the nearest one above]

    Every job starts from a fresh copy of the checkout in a fresh container: .git and all files that are not
    ignored, but neither the secrets file nor what an earlier run left. What it writes is brought back into
    your tree afterwards. The exit code is 0 if all jobs passed, 1 if one failed, 2 if the pipeline or the
    options are wrong, 3 if the engine fails, and 128+n after signal n.
    """
    from gocdnext_sdk.host.harness.report.console import ConsoleListener, Detail, open_console

    settings = Project.find()
    file = find_pipeline(target)
    workspace = (workspace or revision.workspace_of(file)).resolve()
    own_secrets = secrets_file or settings.secrets_file
    new = registry or registry_port or (registry_for and not sigstore_at)
    new_registry = NewRegistry(registry_port or 0) if new else None
    new_sigstore = NewSigstore() if sigstore else None
    shared = running(sigstore_at) if sigstore_at else None
    if shared and (new_registry or new_sigstore or network):
        raise UsageError("--sigstore-at brings its own registry and network; leave the other options out")
    if ask and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--ask needs a terminal")
    detail: Detail = "everything" if verbose else "steps"
    told: dict[str, str] = {}

    def prepared_run() -> Prepared:
        pipeline = parse_file(file)
        lay_out = Graph.alone if reuse and jobs else Graph.of
        selected = [each.job for each in lay_out(pipeline, jobs).jobs]
        wanted = {name for job in selected for name in job.secrets} - told.keys()
        if new_registry or shared:
            wanted.difference_update(REGISTRY_SECRETS)
        if registry_for:
            wanted.difference_update(name for job in selected for name, _ in login_secrets(job))
        told.update(collect(file=own_secrets, names=secrets, wanted=sorted(wanted)))
        options = RunOptions(
            jobs=jobs,
            secrets=told,
            variables={**settings.variables, **variables},
            preferred=Preferred(images=settings.images, local=settings.local),
            local={name: _folder(folder) for name, folder in local.items()},
            use_images=use_images,
            build_contexts=build_contexts,
            mode=MODES[mode],
            registry=shared[0] if shared else new_registry,
            registry_for=registry_for,
            sigstore=shared[1] if shared else new_sigstore,
            id_tokens=collect(file=None, names=id_tokens, wanted=(), option="--id-token"),
            network=network,
            run=run_of(workspace, event, branch, tag, pr, project or ""),
            pull=Pull(pull),
            parallel=parallel,
            default_image=default_image,
            profiles=settings.profiles,
            notify=notify,
            brought_back=user_folders.brought_back(),
            caches=None if no_cache else user_folders.caches(),
            layered_from=None if no_layers else MANY_FILES,
            handover=user_folders.handover(),
            manifests=manifests_here,
            reuse=reuse,
            show_outputs=show_outputs,
            private=tuple(each for each in (own_secrets, sigstore_at and sigstore_at / STATE) if each),
        )
        prepared = prepare(pipeline, options, workspace)
        ask_to_publish(prepared.publications, workspace, said=publish)
        return prepared

    def once() -> RunReport:
        prepared = prepared_run()
        with (
            interruptible() as stop,
            closing(ConsoleListener(open_console("never" if no_color else "auto"), detail)) as console,
            recorded(keep=not no_record) as recorder,
            Session(local_engine(), stop) as session,
        ):
            if ask:
                gates = partial(_approve, console, stop)
                prepared = replace(prepared, options=replace(prepared.options, approve=gates))
            report = run_prepared(prepared, session=session, listener=Tee(console, recorder))
        write_forms(recorder.report or report, forms)
        return report

    ctx.exit(watched(once, workspace) if watch else once().exit_code)


def _approve(console: ConsoleListener, stop: Stop, name: str, gate: Approval) -> bool:
    needed = f" ({gate.required} people there)" if gate.required > 1 else ""
    what = f": {gate.description}" if gate.description else ""
    return console.ask(f"approve `{name}`{needed}{what}?", stop.requested)


def _folder(text: str) -> Path:
    folder = Path(text)
    if not folder.is_dir():
        raise UsageError(f"--local: {text} is not a directory")
    return folder
