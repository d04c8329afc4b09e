"""Programs of `testbed/tools` that are the measure for a reader of the SDK, asked through pipes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings

Original = Callable[[Any], dict[str, Any]]


def many(bounded: int, whole: int = 100_000) -> settings:
    """Set how many questions a test makes up: `whole` of them with GOCDNEXT_SOAK=1."""
    soak = os.environ.get("GOCDNEXT_SOAK") == "1"
    return settings(
        max_examples=whole if soak else bounded, deadline=None, suppress_health_check=list(HealthCheck)
    )


@contextmanager
def original(program: str) -> Iterator[Original]:
    """Give a function that asks `program`: a value that JSON has, for what it answers."""
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(question: Any) -> dict[str, Any]:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield ask
        stdin.close()
