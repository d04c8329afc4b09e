"""The value of a flag, as buildx, cosign and other tools in Go read it: a line of CSV, or a boolean."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""What is one, and which. Source: Go, `strconv.ParseBool`."""

_FIELD = re.compile(r'"((?:[^"]|"")*)"|([^",]*)')


def comma_separated(fields: Iterable[str]) -> str:
    """Return `fields` as one line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def fields(line: str) -> tuple[str, ...]:
    """Return the fields of one line of CSV.

    Source: `Parser.Fields` of tonistiigi/go-csvvalue 2024-08-14, which BuildKit uses. Python's reader takes a
    quote within a field for a character, where that one refuses it.

    Raises:
        ValueError: it is empty, or has a quote that does not enclose a field.
    """
    text = re.sub(r"\r?\n\Z", "", line)
    if not text:
        raise ValueError("is empty")
    found: list[str] = []
    position = -1
    while position < len(text):
        field = _FIELD.match(text, position + 1)
        if field is None or text[field.end() : field.end() + 1] not in ("", ","):
            raise ValueError("has a quote that does not enclose a whole field")
        found.append(field[2] if field[1] is None else field[1].replace('""', '"'))
        position = field.end()
    return tuple(found)
