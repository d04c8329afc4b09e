"""`gocdnext-plugin cache`: what `run` keeps between runs."""

from __future__ import annotations

import click

from gocdnext_sdk.host.harness import user_folders
from gocdnext_sdk.host.harness.caches import entries


@click.group()
def command() -> None:
    """List or clear what jobs keep between local runs (`cache:`)."""


@command.command(name="list")
def list_() -> None:
    """Show every cache: its size, its checkout and its key."""
    for each in entries(user_folders.caches()):
        click.echo(f"{each.size / 1e6:10.1f} MB  {each.checkout}  {each.key}")


@command.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def clear(keys: tuple[str, ...]) -> None:
    """Delete the caches with these keys, or all of them."""
    found = [each for each in entries(user_folders.caches()) if not keys or each.key in keys]
    if missing := sorted(set(keys) - {each.key for each in found}):
        raise click.UsageError(f"there is no cache with the key {', '.join(missing)}")
    for each in found:
        each.remove()
    click.echo(f"{len(found)} deleted, {sum(each.size for each in found) / 1e6:.1f} MB")
