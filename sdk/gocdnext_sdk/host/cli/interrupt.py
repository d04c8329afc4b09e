"""Ctrl-C, and what else asks a command to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gocdnext_sdk.host.harness.session import Stop


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests to stop."""
    stop = Stop()

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.request(signum)

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, handle) for each in signals}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
