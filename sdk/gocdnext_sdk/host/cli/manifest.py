"""``gocdnext-plugin manifest``: bring generated files up to date, or say which are not."""

from __future__ import annotations

from pathlib import Path

import click

from gocdnext_sdk.host.cli.options import DIRECTORY
from gocdnext_sdk.host.manifest.carriage import not_carried
from gocdnext_sdk.host.manifest.ci_files import FILES
from gocdnext_sdk.host.manifest.files import outdated, write
from gocdnext_sdk.host.manifest.model import Manifest


@click.command(short_help="Generate plugin.yaml and the README's tables from plugin.py.")
@click.argument("folders", metavar="DIRECTORY...", nargs=-1, required=True, type=DIRECTORY)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not up to date.")
@click.option(
    "--for",
    "systems",
    metavar="SYSTEM",
    multiple=True,
    type=click.Choice(tuple(FILES)),
    help=f"Generate what a CI system wants under ci/, too: {', '.join(FILES)}. May be repeated.",
)
@click.pass_context
def command(context: click.Context, folders: tuple[Path, ...], check: bool, systems: tuple[str, ...]) -> None:
    """Generate plugin.yaml, schema.json and the README's tables from the model in plugin.py."""
    stale = 0
    for folder in folders:
        for line in not_carried(Manifest.of(folder)):
            click.echo(f"{folder}: warning: {line}", err=True)
        for path in outdated(folder, systems) if check else write(folder, systems):
            stale += check
            click.echo(f"{path}: not what plugin.py says" if check else f"{path}: written")
    if stale:
        click.echo(f"run: gocdnext-plugin manifest {' '.join(map(str, folders))}")
        context.exit(1)
