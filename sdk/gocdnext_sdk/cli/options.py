"""Options that several subcommands have."""

from __future__ import annotations

from typing import Final

import click

ENGINES: Final = ("docker", "k8s-shared", "k8s-isolated")
"""The platform's engines, as far as they name a plugin's variables differently."""


def pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE options as a map."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", ctx, param)
        found[name] = text
    return found
