"""How the platform hides secrets in a job's log.

Source: upstream `agent/internal/runner/runner_io.go`, applyMasks. The SDK's own masker, which
knows encoded and multi-line forms, is `gocdnext_sdk.runtime.masking`; this one does what the platform
alone would do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

REPLACEMENT: Final = "***"

MIN_BYTES: Final = 4
"""Shorter values are never masked: they would blank half the log."""

MIN_OUTPUT_BYTES: Final = 8
"""Outputs of needed jobs are masked from this length on, or when declared `masked: true`."""


def apply(line: str, masks: Iterable[str]) -> str:
    """Return one log line with every mask replaced, in the order given.

    A mask with a line break never matches, since lines arrive one by one.
    """
    for mask in masks:
        if len(mask.encode("utf-8", "surrogateescape")) >= MIN_BYTES:
            line = line.replace(mask, REPLACEMENT)
    return line
