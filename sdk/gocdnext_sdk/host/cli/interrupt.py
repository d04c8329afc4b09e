"""Ctrl-C, and what else asks a command to stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gocdnext_sdk.errors import Cancelled, Error
from gocdnext_sdk.host.harness.session import Stop
from gocdnext_sdk.runtime.signals import CANCELLING, handled


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests to stop.

    Raises:
        Cancelled: one came in the block, and a library made another error of it.
    """
    stop = Stop()
    with handled(CANCELLING, lambda signum, _: stop.request(signum)):
        try:
            yield stop
        except Exception as error:
            if stop.requested() and not isinstance(error, Error):
                raise Cancelled(stop.signum) from error
            raise
