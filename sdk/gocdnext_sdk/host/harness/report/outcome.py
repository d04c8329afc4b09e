"""What a job's own log says of it: its steps, and its result in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gocdnext_sdk.host.harness.report.interface import LogLine, Step

_STEP = "==> "
"""What a plugin's own lines begin with (`Job.say`)."""

_ERROR = "error: "
"""What its errors begin with (`errors.report`)."""

_LONGEST = 300
"""Characters of a result."""


def is_step(line: LogLine) -> bool:
    """Return whether a line tells a step."""
    return line.text.startswith(_STEP)


def steps(lines: Sequence[LogLine]) -> tuple[Step, ...]:
    """Return the steps that a log tells: each begins with a line of the plugin's own.

    Args:
        lines: the whole log; what stands before the first step belongs to none.
    """
    return tuple(
        Step(line.text.removeprefix(_STEP), line.at, number)
        for number, line in enumerate(lines)
        if is_step(line)
    )


def result(lines: Iterable[LogLine], *, passed: bool) -> str:
    """Return what a job says of its result: its last step, or its errors, or the last line of a script.

    Args:
        lines: what its container printed.
        passed: whether it exited with 0.
    """
    texts = [line.text.strip() for line in lines if line.text.strip()]
    if passed:
        said = [text for text in texts if text.startswith(_STEP)][-1:]
    else:
        said = [text for text in texts if text.startswith(_ERROR)] or texts[-1:]
    if not said:
        return ""
    first = said[0].removeprefix(_STEP).removeprefix(_ERROR)
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return first[:_LONGEST] + more
