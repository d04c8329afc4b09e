"""`gocdnext-plugin completion`: commands and options at the press of a key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_PROGRAM = "gocdnext-plugin"


@click.command("completion", short_help="Print what makes a shell complete commands and options.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print the code that makes SHELL complete this command; evaluate it when the shell starts.

    \b
    bash   eval "$(gocdnext-plugin completion bash)"
    zsh    eval "$(gocdnext-plugin completion zsh)"
    fish   gocdnext-plugin completion fish | source
    """
    from gocdnext_sdk.host.cli.commands import group

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    variable = f"_{_PROGRAM.upper().replace('-', '_')}_COMPLETE"
    click.echo(found(group, {}, _PROGRAM, variable).source(), nl=False)
