"""`gocdnext-plugin init`: a first pipeline, from what is in the folder."""

from __future__ import annotations

from pathlib import Path

import click

from gocdnext_sdk.host.cli.options import DIRECTORY
from gocdnext_sdk.host.scaffold.first_pipeline import first_pipeline


@click.command("init", short_help="Write a first pipeline, from what is in the directory.")
@click.argument("folder", type=DIRECTORY, default=".", metavar="[DIRECTORY]")
@click.option("--print", "only_print", is_flag=True, help="Print it, and write nothing.")
def command(*, folder: Path, only_print: bool) -> None:
    """Write .gocdnext/ci.yaml for what is in DIRECTORY, and say why it is what it is.

    It knows Dockerfiles, Python, Go, Node, Rust and Java. Nothing is overwritten.
    """
    found = first_pipeline(folder)
    if only_print:
        click.echo(found.text, nl=False)
        return
    file = found.write(folder)
    for reason in found.reasons:
        click.echo(reason)
    click.echo(f"\n{file} is written. Now: gocdnext-plugin run --registry")
