"""Amounts of CPU and memory as Kubernetes writes them.

Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity.
"""

from __future__ import annotations

import re

_QUANTITY = re.compile(
    r"\+?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?"
)
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_UNITS |= {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", start=1)}


def parse(text: str) -> float:
    """Return the number that a quantity stands for.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'"{text}" is not a quantity, such as 500m or 256Mi')
    unit = found[2] or ""
    return float(found[1]) * (_UNITS[unit] if unit in _UNITS else float(f"1{unit}"))


def cpus(text: str) -> float:
    """Return how many CPUs a limit stands for; 0 without one.

    Raises:
        ValueError: it is not a quantity.
    """
    return parse(text) if text else 0.0


def memory(text: str) -> int:
    """Return how many bytes a limit stands for; 0 without one.

    Raises:
        ValueError: it is not a quantity.
    """
    return int(parse(text)) if text else 0
