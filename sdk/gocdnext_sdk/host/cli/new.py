"""``gocdnext-plugin new``: a plugin's directory, to start from."""

from __future__ import annotations

from pathlib import Path

import click

from gocdnext_sdk.host.scaffold import scaffold

_PATH = click.Path(path_type=Path)


@click.command("new", short_help="Make a new plugin's directory, which passes its own tests at once.")
@click.argument("name")
@click.option("--directory", type=_PATH, metavar="DIRECTORY", help="Where. [default: NAME]")
@click.option("--folder", type=_PATH, hidden=True, help="The former name of --directory.")
def command(*, name: str, directory: Path | None, folder: Path | None) -> None:
    """Make a directory for the plugin NAME: code, manifest, Dockerfile, README, tests and a pipeline.

    Nothing is overwritten. Its tests pass as it is; change it from there.
    """
    directory = directory or folder or Path(name)
    for path in scaffold(name, directory):
        click.echo(path)
    click.echo(f"\nNow: cd {directory} && pytest")
