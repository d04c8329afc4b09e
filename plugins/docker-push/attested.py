"""Attestations that are demanded of an image: which, and how old they may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gocdnext_sdk import Invalid
from gocdnext_sdk.inputs.parsers import parse_duration
from gocdnext_sdk.workspace import workspace_path

_TYPE = re.compile(r"[a-z0-9]+|https?://[^\s<]+")
RULES = (".cue", ".rego")
"""How the names of files with rules end."""
_DAYS = re.compile(r"([0-9]{1,4})d")

_TIMES = (
    ("metadata", "scanFinishedOn"),
    ("metadata", "timestamp"),
    ("creationInfo", "created"),
    ("runDetails", "metadata", "finishedOn"),
    ("metadata", "buildFinishedOn"),
    ("timestamp",),
    ("Timestamp",),
)
"""Where predicates say when they were made: vuln, CycloneDX, SPDX, SLSA 1 and 0.2, OpenVEX, custom."""


@dataclass(frozen=True)
class Attested:
    """An attestation that is demanded.

    Args:
        kind: its predicate type, by cosign's name for it or as a URI.
        age: how old it may be; None: of any age.
        text: as written, without the rules.
        rules: paths of CUE or Rego files that it must satisfy.
    """

    kind: str
    age: timedelta | None
    text: str
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def parse_attested(number: int, line: str, workspace: Path | None) -> Attested:
    """Return what the line of a list demands.

    Raises:
        ValueError: it is not `TYPE` or `TYPE<AGE`, with paths of rules behind it.
    """
    words = line.split()
    count = next((at for at, word in enumerate(words) if word.endswith(RULES)), len(words))
    rules = tuple(workspace_path(word, workspace) for word in words[count:])
    kind, less, age = (part.strip() for part in " ".join(words[:count]).partition("<"))
    if (
        not _TYPE.fullmatch(kind)
        or bool(less) != bool(age)
        or not all(rule.endswith(RULES) for rule in rules)
    ):
        advice = 'such as "vuln<24h", or "vuln<24h policy/vuln.cue"'
        raise Invalid(f"item {number} is not TYPE or TYPE<AGE, with paths of rules behind it", advice)
    return Attested(kind, parse_age(age) if age else None, f"{kind}<{age}" if age else kind, rules)


def parse_age(text: str) -> timedelta:
    """Return an age such as `24h` or `30d`.

    Raises:
        ValueError: it is none.
    """
    days = _DAYS.fullmatch(text)
    return timedelta(days=int(days[1])) if days else timedelta(seconds=parse_duration(text))


def too_old(demand: Attested, predicates: Sequence[object], now: datetime) -> str:
    """Return why none of the attestations will do; empty if one will."""
    if not predicates:
        return f"there is no attestation {demand.kind} by the signer that is demanded"
    if demand.age is None:
        return ""
    times = [time for time in map(made_at, predicates) if time is not None]
    if not times:
        return f"the attestation {demand.kind} does not say when it was made"
    newest = max(times)
    if newest > now + timedelta(minutes=5):
        return f"the attestation {demand.kind} is of {newest:%Y-%m-%dT%H:%M:%SZ}, which is still to come"
    if now - newest < demand.age:
        return ""
    return f"the attestation {demand.kind} is of {newest:%Y-%m-%dT%H:%M:%SZ}, and {demand.text} is demanded"


def made_at(predicate: object) -> datetime | None:
    """Return when the content of an attestation was made, as it says itself."""
    for path in _TIMES:
        value: Any = predicate
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            try:
                found = datetime.fromisoformat(re.sub(r"\.[0-9]+", "", value))
            except ValueError:
                continue
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
