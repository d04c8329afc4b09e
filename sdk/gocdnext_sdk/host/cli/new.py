"""``gocdnext-plugin new``: a plugin's directory, to start from."""

from __future__ import annotations

from pathlib import Path

import click

from gocdnext_sdk.host.scaffold import scaffold


@click.command("new", short_help="Make a new plugin's directory, which passes its own tests at once.")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="Where. [default: NAME]")
def command(*, name: str, folder: Path | None) -> None:
    """Make a directory for the plugin NAME: code, manifest, Dockerfile, README, tests and a pipeline.

    Nothing is overwritten. Its tests pass as it is; change it from there.
    """
    folder = folder or Path(name)
    for path in scaffold(name, folder):
        click.echo(path)
    click.echo(f"\nNow: cd {folder} && pytest")
