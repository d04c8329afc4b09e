"""How seconds are measured and compared in all of these tests."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Comparison:
    """Seconds of both, and how they compare: medians.

    The ratio is the median of the rounds' own: a host that gets slower meanwhile does so for both.
    """

    ours: float
    theirs: float
    ratio: float

    @classmethod
    def of(cls, ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> Self:
        """Measure both in turns, after one round that does not count."""
        found = [(ours(), theirs()) for _ in range(rounds + 1)][1:]
        mine, other = map(statistics.median, zip(*found, strict=True))
        return cls(mine, other, statistics.median(a / b for a, b in found))


def container_seconds(client: Any, image: str, **options: Any) -> float:
    """Run a container to its end, and return how long that took."""
    begin = time.perf_counter()
    container = client.containers.run(image, detach=True, **options)
    status = container.wait()["StatusCode"]
    took = time.perf_counter() - begin
    log = container.logs().decode()
    container.remove(v=True)
    assert status == 0, log
    return took


def tool(name: str) -> Path:
    """Return the path of a program of the testbed."""
    path = shutil.which(name)
    assert path, f"{name} is not in PATH"
    return Path(path)
