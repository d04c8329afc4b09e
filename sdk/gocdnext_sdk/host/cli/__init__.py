"""The `gocdnext-plugin` command: a mistake ends as one line and an exit code.

The entry point is installed without the extra `cli` too, so nothing of that extra is imported here.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

from gocdnext_sdk.errors import Error


def main() -> None:
    """Run the command line; the entry point of `gocdnext-plugin`."""
    try:
        from gocdnext_sdk.host.cli.commands import group

        group.main(prog_name="gocdnext-plugin")
    except Error as error:
        _fail(error.lines(), error.exit_code)
    except ModuleNotFoundError as error:
        what = f"the Python module {error.name} is not installed"
        _fail([f"{what}; run: pip install 'gocdnext-plugin-sdk[cli]'"], 2)
    except Exception as error:  # noqa: BLE001 - users never see a traceback
        _fail([f"unexpected {type(error).__name__}: {error}; GOCDNEXT_DEBUG=1 shows where"], Error.exit_code)


def _fail(lines: list[str], exit_code: int) -> NoReturn:
    if os.environ.get("GOCDNEXT_DEBUG") == "1":
        traceback.print_exc()
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(exit_code)
