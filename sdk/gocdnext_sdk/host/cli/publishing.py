"""The word that publishing needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from gocdnext_sdk.host.harness import user_folders
from gocdnext_sdk.host.harness.brought_back import BroughtBack
from gocdnext_sdk.host.harness.publishing import Publication, demand_word, listed
from gocdnext_sdk.host.pipeline import revision

_SHOWN = 5
"""Changed files that a message lists."""


def ask_to_publish(found: Sequence[Publication], workspace: Path, *, said: bool) -> None:
    """Make sure that publishing is wanted: by the option, or by an answer on the terminal.

    Args:
        found: what leaves this machine.
        workspace: the checkout; if it differs from its commit, that is said.
        said: whether the option is given.

    Raises:
        UsageError: it is not wanted.
    """
    if not found:
        return
    asks = not said and sys.stdin.isatty() and sys.stderr.isatty()
    if said or asks:
        for line in _dirty(workspace):
            click.echo(line, err=True)
    if asks:
        said = click.confirm(f"This publishes: {listed(found)}. Go on?", default=False, err=True)
    demand_word(found, said=said)


def _dirty(workspace: Path) -> list[str]:
    commit = revision.read(workspace).sha
    if not commit:
        return []
    brought_back = BroughtBack(user_folders.brought_back(), workspace.resolve()).unchanged()
    changed = [each for each in revision.changed(workspace) if each not in brought_back]
    if not changed:
        return []
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    what = f"{', '.join(changed[:_SHOWN])}{more}"
    return [f"note: what is published is not the commit {commit[:8]}: the checkout differs in {what}"]
