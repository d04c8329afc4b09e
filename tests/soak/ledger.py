"""What the long suites count: a verdict for every case, and one table at the end.

`make test` runs a bounded slice of each suite, `make soak` the whole.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import TypeVar

Item = TypeVar("Item")

WHOLE = os.environ.get("GOCDNEXT_SOAK") == "1"
"""Whether everything runs, and not a slice."""

PROPERTY = "soak"
"""The name of a test's property that carries its verdicts to the table."""


class Verdict(StrEnum):
    """What one case came to."""

    FINE = "fine"
    LEAK = "leak"
    HANG = "hang"
    HALF_DONE = "half-done"
    WRONG_EXIT = "wrong exit"


Record = Callable[[str, Verdict], None]
"""Takes the suite's name and a verdict."""


def slice_of(cases: Iterable[Item], count: int) -> Sequence[Item]:
    """Return all of `cases`, or `count` of them that are the same in every run and spread over all."""
    found = list(cases)
    if WHOLE or len(found) <= count:
        return found
    ordered = sorted(range(len(found)), key=lambda at: sha256(repr((at, found[at])).encode()).digest())
    return [found[at] for at in sorted(ordered[:count])]


def table(verdicts: Iterable[tuple[str, str]]) -> list[str]:
    """Return the table of all verdicts, a line a suite.

    Args:
        verdicts: pairs of a suite's name and the verdict of one of its cases.
    """
    counts: dict[str, Counter[str]] = {}
    for suite, verdict in verdicts:
        counts.setdefault(suite, Counter())[verdict] += 1
    bad = [each for each in Verdict if each is not Verdict.FINE]
    lines = [f"{'suite':24}{'cases':>8}" + "".join(f"{each:>12}" for each in bad)]
    for suite in sorted(counts):
        found = counts[suite]
        lines.append(f"{suite:24}{found.total():>8}" + "".join(f"{found[each]:>12}" for each in bad))
    return lines
