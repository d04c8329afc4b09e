"""One line of CSV: how buildx, cosign and other tools written in Go split the value of a flag."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def comma_separated(fields: Iterable[str]) -> str:
    """Return `fields` as one line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
