"""`gocdnext-plugin doctor`: whether this machine has what a local run needs."""

from __future__ import annotations

import click

_MARKS = {"good": ("ok", "green"), "note": ("--", "yellow"), "bad": ("BAD", "red")}


@click.command("doctor", short_help="Say whether this machine has what a local run needs.")
@click.pass_context
def command(ctx: click.Context, /) -> None:
    """Look at the engine, its image store and clock, buildx, QEMU, git, disk and logins.

    No registry is contacted. The exit code is 1 if a run cannot work.
    """
    from gocdnext_sdk.host.harness.doctor import examine

    bad = False
    for each in examine():
        mark, colour = _MARKS[each.state]
        bad = bad or each.state == "bad"
        click.echo(f"{click.style(f'{mark:<4}', fg=colour)}{each.what:<13}{each.found}")
        if each.advice:
            click.echo(f"{'':<17}{each.advice}")
    ctx.exit(1 if bad else 0)
