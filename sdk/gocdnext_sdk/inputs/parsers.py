"""The one way each kind of text in a `with:` map is read.

`with:` carries scalars only, with their text as written (docs/contract.md §3): lists and pairs are text too.
Every parser raises `ValueError` with what is wrong; the caller knows the key. A list that is given and holds
nothing, as when a variable came out empty between two commas, is wrong: what an input does without a list may
be the opposite of what was written, such as to publish `latest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gocdnext_sdk.errors import Invalid, quoted

_TRUE = frozenset({"true", "yes", "on", "y", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "0"})

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_MOST_SECONDS = 2**63 / 1e9
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_JSON = re.compile(r"\s*(\[\s*[\"{]|\{\s*\")")
"""How a list or a map in JSON begins; `[0-9]*` is a pattern."""

_COMMENT = re.compile(r"(^|\s)#.*$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def parse_boolean(text: str) -> bool:
    """Read every spelling of YAML 1.1 and 1.2, and 1 and 0, in any case.

    Raises:
        ValueError: anything else; `maybe` is never silently false.
    """
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Invalid(f"{quoted(text)} is not a boolean", 'write "true" or "false"')


def parse_lines(text: str) -> tuple[str, ...]:
    """Read one item a line. Blank lines and lines that start with ``#`` are dropped."""
    lines = (line.strip() for line in text.split("\n"))  # splitlines also cuts at characters of a value
    return _some(text, (line for line in lines if line and not line.startswith("#")))


def parse_items(text: str) -> tuple[str, ...]:
    """Read items that cannot hold a comma: one a line, or several with commas between.

    A ``#`` after a blank starts a comment. The order is kept, repetitions are dropped.
    """
    uncommented = "\n".join(_COMMENT.sub("", line) for line in text.split("\n"))
    items = (item.strip() for item in re.split(r"[,\n]", uncommented))
    return _some(text, dict.fromkeys(item for item in items if item))


def parse_words(text: str) -> tuple[str, ...]:
    """Read items that cannot hold blanks or commas: separated by line breaks, commas or blanks.

    As `parse_items` otherwise.
    """
    uncommented = "\n".join(_COMMENT.sub("", line) for line in text.split("\n"))
    return _some(text, dict.fromkeys(uncommented.replace(",", " ").split()))


def parse_pairs(text: str) -> tuple[tuple[str, str | None], ...]:
    """Read ``KEY=VALUE``, one a line; commas, blanks, quotes and ``=`` belong to the value.

    A bare ``KEY`` has the value None: take it from the environment. One line of the form ``A=1,B=2`` is
    two pairs, as the bash plugins read it, but only if every part is a pair with an upper-case key and
    there is no blank: ``OPTS=-X a,-Y b`` and ``NO_PROXY=a,b`` stay whole.

    Raises:
        ValueError: a line has no key, a key is not a name, or a key is there twice.
    """
    lines = parse_lines(text)
    if len(lines) == 1:
        lines = _split_legacy(lines[0])
    pairs: dict[str, str | None] = {}
    for number, line in enumerate(lines, start=1):
        key, equals, value = line.partition("=")
        # Nothing is quoted: a line may be part of a secret of several lines, whose parts nobody masks.
        if not _VARIABLE.fullmatch(key):
            raise Invalid(f"item {number} has no name", "write one KEY=VALUE per line; a value is one")
        if key in pairs:
            raise Invalid(f"item {number} repeats an earlier name")
        pairs[key] = value if equals else None
    return tuple(pairs.items())


def _some(text: str, items: Iterable[str]) -> tuple[str, ...]:
    """Return `items`, the list in `text`.

    Raises:
        ValueError: there are none, and `text` is not empty; or it is a list or a map in JSON.
    """
    if _JSON.match(text) and _is_json(text):
        # Where lists may be JSON, on other CI systems, they are lines before they get here.
        raise Invalid("is a list or a map in JSON", "write one item per line")
    found = tuple(items)
    if text.strip() and not found:
        raise ValueError("is an empty list; leave it out, or check which variable is empty")
    return found


def _is_json(text: str) -> bool:
    import json

    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _split_legacy(line: str) -> tuple[str, ...]:
    parts = line.split(",")
    if " " not in line and len(parts) > 1 and all(re.match(r"[A-Z_][A-Z0-9_]*=", part) for part in parts):
        return tuple(parts)
    return (line,)


def parse_duration(text: str) -> float:
    """Read a time as Go writes it, such as `90s`, `10m` or `1h30m`, and return its seconds.

    Source: Go's `time.ParseDuration`, without signs and units below a millisecond. It counts nanoseconds, in
    64 bits.

    Raises:
        Invalid: anything else, and a time of nothing.
    """
    parts = _DURATION_PART.findall(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not 1e-9 <= seconds < _MOST_SECONDS:
        raise Invalid(f"{quoted(text)} is not a duration", 'write it as "10m" or "1h30m"')
    return seconds
