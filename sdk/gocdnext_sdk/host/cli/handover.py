"""`gocdnext-plugin handover`: what jobs of earlier runs left for `run --reuse`."""

from __future__ import annotations

import click

from gocdnext_sdk.host.harness import user_folders
from gocdnext_sdk.host.harness.handover import entries


@click.group()
def command() -> None:
    """List or clear what jobs left for `run --job NAME --reuse`.

    These are the artifacts and outputs that a job passes on to others.
    """


@command.command(name="list")
def list_() -> None:
    """Show what each job left.

    A line has its size, its checkout, its pipeline, the job and the paths.
    """
    for each in entries(user_folders.handover()):
        what = ", ".join(kept.path for kept in each.artifacts) or "outputs only"
        click.echo(f"{each.size / 1e6:10.1f} MB  {each.checkout}  {each.pipeline}  {each.job}: {what}")


@command.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
def clear(jobs: tuple[str, ...]) -> None:
    """Delete what these jobs left, or all of it."""
    found = [each for each in entries(user_folders.handover()) if not jobs or each.job in jobs]
    if missing := sorted(set(jobs) - {each.job for each in found}):
        raise click.UsageError(f"nothing is kept of {', '.join(missing)}")
    size = sum(each.size for each in found)
    for each in found:
        each.remove()
    click.echo(f"{len(found)} deleted, {size / 1e6:.1f} MB")
