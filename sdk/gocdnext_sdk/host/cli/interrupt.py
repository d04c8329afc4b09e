"""Ctrl-C, and what else asks a command to stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gocdnext_sdk.host.harness.session import Stop
from gocdnext_sdk.runtime.signals import CANCELLING, handled


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests to stop."""
    stop = Stop()
    with handled(CANCELLING, lambda signum, _: stop.request(signum)):
        yield stop
