"""The `gocdnext-plugin` command.

Subcommands are imported when they are called; a mistake ends as one line and an exit code.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final, NoReturn

import click

from gocdnext_sdk.errors import Error

COMMANDS: Final = {
    "exec": "gocdnext_sdk.host.cli.exec",
    "lint": "gocdnext_sdk.host.cli.lint",
    "manifest": "gocdnext_sdk.host.cli.manifest",
    "new": "gocdnext_sdk.host.cli.new",
    "plan": "gocdnext_sdk.host.cli.plan",
    "run": "gocdnext_sdk.host.cli.run",
    "schema": "gocdnext_sdk.host.cli.schema",
    "sigstore": "gocdnext_sdk.host.cli.sigstore",
}
"""Subcommand to the module whose `command` it is."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gocdnext-plugin-sdk", message="%(prog)s %(version)s")
def group() -> None:
    """Write, run and test container plugins for gocdnext pipelines."""


def main() -> None:
    """Run the command line; the entry point of `gocdnext-plugin`."""
    try:
        group.main(prog_name="gocdnext-plugin")
    except Error as error:
        _fail(error.lines(), error.exit_code)
    except Exception as error:  # noqa: BLE001 - users never see a traceback
        _fail([f"unexpected {type(error).__name__}: {error}; GOCDNEXT_DEBUG=1 shows where"], Error.exit_code)


def _fail(lines: list[str], exit_code: int) -> NoReturn:
    if os.environ.get("GOCDNEXT_DEBUG") == "1":
        raise
    for line in lines:
        click.echo(f"error: {line}", err=True)
    sys.exit(exit_code)
