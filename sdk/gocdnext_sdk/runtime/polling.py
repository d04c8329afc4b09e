"""Wait until something answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def poll(ask: Callable[[], Answer | None], *, within: float, every: float) -> Answer | None:
    """Call `ask` until it returns a value, and return that; None if it does not in time.

    Args:
        ask: returns None for "not yet"; an exception ends the wait.
        within: seconds; it is called once more after them.
        every: seconds between two calls.
    """
    give_up = time.monotonic() + within
    while (answer := ask()) is None:
        if time.monotonic() > give_up:
            return None
        time.sleep(every)
    return answer
