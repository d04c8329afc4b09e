"""The subcommands of `gocdnext-plugin`, each imported when it is called."""

from __future__ import annotations

import importlib
from typing import Final

import click

from gocdnext_sdk.errors import closest

COMMANDS: Final = {
    "base": "gocdnext_sdk.host.cli.base",
    "cache": "gocdnext_sdk.host.cli.cache",
    "completion": "gocdnext_sdk.host.cli.completion",
    "doctor": "gocdnext_sdk.host.cli.doctor",
    "exec": "gocdnext_sdk.host.cli.exec",
    "explain": "gocdnext_sdk.host.cli.explain",
    "handover": "gocdnext_sdk.host.cli.handover",
    "init": "gocdnext_sdk.host.cli.init",
    "lint": "gocdnext_sdk.host.cli.lint",
    "manifest": "gocdnext_sdk.host.cli.manifest",
    "new": "gocdnext_sdk.host.cli.new",
    "pin": "gocdnext_sdk.host.cli.pin",
    "plan": "gocdnext_sdk.host.cli.plan",
    "plugins": "gocdnext_sdk.host.cli.plugins",
    "report": "gocdnext_sdk.host.cli.reports",
    "run": "gocdnext_sdk.host.cli.run",
    "schema": "gocdnext_sdk.host.cli.schema",
    "sigstore": "gocdnext_sdk.host.cli.sigstore",
    "trivy-db": "gocdnext_sdk.host.cli.trivy_db",
    "verify-images": "gocdnext_sdk.host.cli.verify_images",
}
"""Subcommand to the module whose `command` it is."""

_FORMER: Final = {"artifacts": "handover"}
"""Names that still work, and that no help lists."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = _FORMER.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            near = closest(cmd_name, COMMANDS)
            hint = f"; did you mean {near}?" if near and not ctx.resilient_parsing else ""
            if hint:
                raise click.UsageError(f"no such command '{cmd_name}'{hint}", ctx)
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gocdnext-plugin-sdk", message="%(prog)s %(version)s")
def group() -> None:
    """Write, run and test container plugins for gocdnext pipelines."""
