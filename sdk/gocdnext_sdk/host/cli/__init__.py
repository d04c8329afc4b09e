"""The `gocdnext-plugin` command: a mistake ends as one line and an exit code.

The entry point is installed without the extra `cli` too, so nothing of that extra is imported here.
"""

from __future__ import annotations

import os
import sys

from gocdnext_sdk.errors import UsageError, report

MODULES = frozenset(
    {"bcrypt", "click", "cryptography", "docker", "dotenv", "jwt", "oras", "rich", "urllib3", "yaml"}
)
"""What the extra `cli` brings."""


def main() -> None:
    """Run the command line; the entry point of `gocdnext-plugin`."""
    try:
        from gocdnext_sdk.host.cli.commands import group

        group.main(prog_name="gocdnext-plugin")
    except Exception as error:  # noqa: BLE001 - users never see a traceback
        sys.exit(report(_without_the_extra(error) or error, os.environ, sys.stderr))


def _without_the_extra(error: Exception) -> UsageError | None:
    """Return what a missing module of the extra means to a user; None for other errors."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").partition(".")[0] not in MODULES:
        return None
    what = f"the Python module {error.name} is not installed"
    return UsageError(what, "run: pip install 'gocdnext-plugin-sdk[cli]'")
