"""The `gocdnext-plugin` command: a mistake ends as one line and an exit code.

The entry point is installed without the extra `cli` too, so nothing of that extra is imported here.
"""

from __future__ import annotations

import os
import sys

from gocdnext_sdk.errors import UsageError, report


def main() -> None:
    """Run the command line; the entry point of `gocdnext-plugin`."""
    try:
        from gocdnext_sdk.host.cli.commands import group

        group.main(prog_name="gocdnext-plugin")
    except ModuleNotFoundError as error:
        what = f"the Python module {error.name} is not installed"
        missing = UsageError(what, "run: pip install 'gocdnext-plugin-sdk[cli]'")
        sys.exit(report(missing, os.environ, sys.stderr))
    except Exception as error:  # noqa: BLE001 - users never see a traceback
        sys.exit(report(error, os.environ, sys.stderr))
