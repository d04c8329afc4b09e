"""Many small requests in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_parallel(function: Callable[[_Item], _Result], items: Sequence[_Item], workers: int) -> list[_Result]:
    """Return `function(item)` for each item, in order.

    Unlike those of `concurrent.futures`, the threads are daemons, so a job that is cancelled ends at once.

    Args:
        function: is called in the threads.
        items: what it is called with, one at a time.
        workers: how many threads there are at most; a single item takes none.

    Raises:
        Exception: the first that `function` raised; items that have not started by then are dropped.
    """
    if len(items) <= 1:
        return [function(item) for item in items]
    results: dict[int, _Result] = {}
    errors: list[Exception] = []
    positions = iter(range(len(items)))
    lock = threading.Lock()

    def work() -> None:
        while not errors:
            with lock:
                position = next(positions, None)
            if position is None:
                return
            try:
                results[position] = function(items[position])
            except Exception as error:  # noqa: BLE001 - raised again below
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(items)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # the job is cancelled: start nothing more
        errors.append(InterruptedError())
        raise
    if errors:
        raise errors[0]
    return [results[position] for position in range(len(items))]
