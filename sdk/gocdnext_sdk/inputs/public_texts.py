"""What an input may not hold: secrets of the job, where a tool gets it as an argument, or it is published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gocdnext_sdk.errors import Problem
from gocdnext_sdk.runtime.exposure import Exposure

PULLED = "who pulls can read it"
"""Why no secret may be in an image's configuration, labels or annotations."""

ARGUMENT = "every process on the host can read it in the tool's arguments"
"""Why no secret may be an argument of a tool."""


def check_public(
    texts: Mapping[str, Iterable[str] | str | None], known: Exposure, why: str
) -> Iterator[Problem]:
    """Check that no text holds a secret, and that no value is a part of one.

    Args:
        texts: the text or the lines of each input, by its key; of `KEY=VALUE`, the value counts too.
        known: the secrets.
        why: who could read it; not whose it is.
    """
    for key, given in texts.items():
        single = isinstance(given, str)
        lines = [given] if isinstance(given, str) else list(given or ())
        sides = [side for line in lines for side in (line, line.partition("=")[2])]
        for index in dict.fromkeys(each // 2 for each in known.given_away(sides)):
            item = "" if single else f"item {index + 1} "
            yield Problem(key, f"{item}holds a secret of the job, or a part of one; {why}", "leave it out")
