"""`gocdnext-plugin run`: a pipeline on the local Docker engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gocdnext_sdk.host.cli.local_run import Asked, LocalRun
from gocdnext_sdk.host.cli.options import (
    DIRECTORY,
    FILE,
    as_option,
    build_context_option,
    event_options,
    pairs,
)
from gocdnext_sdk.host.cli.reports import FORMS, report_options
from gocdnext_sdk.host.cli.watch import watched
from gocdnext_sdk.host.harness.engine.interface import Pull

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
def command(ctx: click.Context, /, *, watch: bool, **options: Any) -> None:
    """Run a pipeline on the local engine as the platform would.

    FILE may also be a directory with .gocdnext, or the name of one of its pipelines. [default: the only one
    of this directory, or of the nearest one above]

    Every job starts from a fresh copy of the checkout in a fresh container: .git and all files that are not
    ignored, but neither the secrets file nor what an earlier run left. What it writes is brought back into
    your tree afterwards. The exit code is 0 if all jobs passed, 1 if one failed, 2 if the pipeline or the
    options are wrong, 3 if the engine fails, and 128+n after signal n.
    """
    forms = {name: options.pop(name) for name in FORMS}
    run = LocalRun(Asked(**options), forms)
    ctx.exit(watched(run.once, run.workspace) if watch else run.once().exit_code)
