"""Attestations that are demanded of an image: which, and how old they may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gocdnext_sdk import Invalid, Reference, RegistryClient, Tool
from gocdnext_sdk.inputs.parsers import parse_duration
from gocdnext_sdk.tools.cosign import Policy
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


Stated = Mapping[Policy, tuple[object, ...]]
"""What attestations state, by their form."""


@dataclass(frozen=True)
class Attestations:
    """Looks for the attestations of a signer.

    Args:
        cosign: verifies.
        policy: who must have attested.
        registry: reads the image's registry.
    """

    cosign: Tool
    policy: Policy
    registry: RegistryClient

    def lacks(self, image: Reference, demand: Attested, now: datetime) -> list[str]:
        """Return why what an image has will not do; nothing if it will.

        An attestation of an index is about all its platforms; where the index has none, each platform must
        have its own, as SBOMs and scans are made.

        Args:
            image: by digest.
            demand: what it must have.
            now: the time that ages count from.
        """
        found = self._stated(image, demand.kind, now)
        platforms = () if found else self.registry.platforms(image)
        if not platforms:
            return [why] if (why := self._wrong(image, demand, found, now)) else []
        reasons: dict[str, list[str]] = {}
        for each in platforms:
            own = image.with_digest(each.digest)
            if why := self._wrong(own, demand, self._stated(own, demand.kind, now), now):
                reasons.setdefault(why, []).append(str(each.platform))
        if [len(platforms)] == [len(of) for of in reasons.values()]:  # all for one reason
            return list(reasons)
        return [f"{', '.join(of)}: {why}" for why, of in reasons.items()]

    def _stated(self, image: Reference, kind: str, now: datetime) -> Stated:
        from gocdnext_sdk.tools.cosign import verified_predicates

        plan = {"timestamp": now.isoformat()}
        return {
            form: found
            for form in (self.policy, self.policy.older)
            if (found := verified_predicates(self.cosign, form, image, kind, assumed=plan))
        }

    def _wrong(self, image: Reference, demand: Attested, stated: Stated, now: datetime) -> str:
        if why := too_old(demand, [each for found in stated.values() for each in found], now):
            return why
        from gocdnext_sdk.tools.cosign import broken_rules

        broken: tuple[str, ...] = ()
        for form in stated:
            broken = broken_rules(self.cosign, form, image, demand.kind, demand.rules)
            if not broken:
                return ""
        return f"the attestation {demand.kind} breaks {', '.join(demand.rules)}: {'; '.join(broken)}"


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
