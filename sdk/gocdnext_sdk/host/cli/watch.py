"""Running again and again, as the checkout changes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from gocdnext_sdk.errors import Error, report
from gocdnext_sdk.host.harness.report.interface import RunReport
from gocdnext_sdk.host.harness.watch import changed, state, wait_for_change


def watched(once: Callable[[], RunReport], checkout: Path) -> int:
    """Run now and after each change in the checkout, until Ctrl-C; return the exit code.

    It is the last run's, or Ctrl-C's own (130) if that run has passed.

    What jobs bring back is no change. A pipeline that is wrong is said, and waits for the next change.
    """
    code = 0
    try:
        while True:
            before, written = state(checkout), set[str]()
            try:
                ended = once()
            except Error as error:
                code = report(error, os.environ, sys.stderr)
            else:
                code, written = ended.exit_code, {path for job in ended.jobs for path in job.written}
            if code >= 128:
                return code
            now = state(checkout)
            found = changed(before, now, but=written)
            if not found:
                click.echo("waiting for a change; Ctrl-C ends", err=True)
                found = wait_for_change(checkout, now)
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            click.echo(f"changed: {', '.join(found[:3])}{more}", err=True)
    except KeyboardInterrupt:
        return code or 128 + signal.SIGINT
