"""``python -m testbed``: each command does what is missing, and nothing when nothing is."""

from __future__ import annotations

import argparse
import os
import sys

from testbed import engine
from testbed.cache import SetupError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    engines = commands.add_parser("engine", help="the Docker engine that everything runs on")
    engines.add_argument("action", choices=["up", "down", "remove", "status"])
    options = parser.parse_args()
    try:
        if options.command == "engine":
            print({"up": engine.up, "down": engine.down, "remove": engine.remove, "status": engine.status}[options.action]() or "")
    except SetupError as mistake:
        if os.environ.get("GOCDNEXT_DEBUG"):
            raise
        print(f"setup: {mistake}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
