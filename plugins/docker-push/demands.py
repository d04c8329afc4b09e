"""What an image must have before it is promoted: attestations, not too old, and signatures of several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import WithJsonSchema

from gocdnext_sdk import Credentials, Findings, Input, Invalid, Job, Problem, Reference, in_workspace, quoted
from gocdnext_sdk.inputs.image_signature import ImageSignatureInputs
from gocdnext_sdk.inputs.parsers import parse_duration, parse_lines
from gocdnext_sdk.tools.cosign import is_verified, key_reference, kms_scheme, verified_predicates
from gocdnext_sdk.tools.sigstore import NOBODY
from gocdnext_sdk.workspace import is_file

_TYPE = re.compile(r"[a-z0-9]+|https?://[^\s<]+")
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
        text: as written.
    """

    kind: str
    age: timedelta | None
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Signer:
    """Who must have signed.

    Args:
        key: a key's path or KMS URI; else an identity.
        identity: in the certificate.
        issuer: of the identity.
    """

    key: str | None = None
    identity: str | None = None
    issuer: str | None = None

    def __str__(self) -> str:
        return self.key or f"{self.identity} of {self.issuer}"


def _attested(text: str, workspace: Path | None) -> tuple[Attested, ...]:
    return tuple(_parse_attested(number, line) for number, line in enumerate(parse_lines(text), start=1))


def _parse_attested(number: int, line: str) -> Attested:
    kind, less, age = (part.strip() for part in line.partition("<"))
    if not _TYPE.fullmatch(kind) or bool(less) != bool(age):
        raise Invalid(f"item {number} is not TYPE or TYPE<AGE", 'such as "vuln<24h"')
    if not age:
        return Attested(kind, None, kind)
    days = _DAYS.fullmatch(age)
    limit = timedelta(days=int(days[1])) if days else timedelta(seconds=parse_duration(age))
    return Attested(kind, limit, f"{kind}<{age}")


def _signers(text: str, workspace: Path | None) -> tuple[Signer, ...]:
    return tuple(
        _parse_signer(number, line, workspace) for number, line in enumerate(parse_lines(text), start=1)
    )


def _parse_signer(number: int, line: str, workspace: Path | None) -> Signer:
    words = line.split()
    if len(words) > 2 or not all(word.strip(",") for word in words):
        raise Invalid(f"item {number} is not KEY or IDENTITY ISSUER", "one signer a line")
    return Signer(None, *words) if len(words) == 2 else Signer(key_reference(words[0], workspace))


class DemandInputs(ImageSignatureInputs):
    """`require-attestation` and `require-signature`, beside a signature by `verify-…`."""

    require_attestation: Annotated[
        tuple[Attested, ...], in_workspace(_attested), WithJsonSchema({"type": "string", "format": "lines"})
    ] = Input(
        "",
        description="Take only what has these attestations by the signer of `verify-…`, one `TYPE` or "
        "`TYPE<AGE` a line: `vuln<24h`, `cyclonedx`, `slsaprovenance1<30d`.",
    )
    require_signature: Annotated[
        tuple[Signer, ...], in_workspace(_signers), WithJsonSchema({"type": "string", "format": "lines"})
    ] = Input(
        "",
        description="Take only what all of these have signed, one a line: `IDENTITY ISSUER` of a keyless "
        "signature, or a key's path in the workspace or KMS URI.",
    )

    @property
    def demands_signature(self) -> bool:
        """Whether anything is demanded of who vouches for the image."""
        return super().demands_signature or bool(self.require_attestation or self.require_signature)

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        """Check that it is clear who must have attested, and that keys are there."""
        yield from super().check(environ, workspace)
        if self.require_attestation and not super().demands_signature:
            yield Problem(
                "require-attestation",
                "needs to know by whom",
                "give `verify-key`, or `verify-identity` and `verify-issuer`",
            )
        for signer in self.require_signature:
            if signer.key and not kms_scheme(signer.key) and not is_file(workspace / signer.key):
                yield Problem(
                    "require-signature", f"there is no key file {quoted(signer.key)} in the workspace"
                )

    def check_demands(
        self, job: Job, subject: Reference, credentials: Credentials, *, insecure: bool = False
    ) -> None:
        """Check everything that is demanded, and tell each thing that is missing.

        Args:
            job: what the check may touch.
            subject: the image, by digest.
            credentials: the logins to read it with.
            insecure: whether its registry may speak plain http.

        Raises:
            Findings: something is missing.
            ToolError: that could not be found out.
        """
        if super().demands_signature:
            self.verify_signature(job, subject, credentials, insecure=insecure)
        missing = list(self._missing(job, subject, credentials, insecure=insecure))
        for each in missing:
            job.warn(f"not met: {each}")
        if missing:
            more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise Findings(f"{subject} is not promoted: {missing[0]}{more}")
        for each in (*self.require_attestation, *self.require_signature):
            what = f"attestation {each.text}" if isinstance(each, Attested) else f"signature of {each}"
            job.say(f"{subject} has the required {what}")

    def _missing(
        self, job: Job, subject: Reference, credentials: Credentials, *, insecure: bool
    ) -> Iterator[str]:
        policy = self.policy(job, insecure=insecure)
        cosign = self.cosign(job, credentials, [each.key for each in self.require_signature if each.key])
        for demand in self.require_attestation:
            found = [
                stated
                for each in (policy, policy.older)
                for stated in verified_predicates(cosign, each, subject, demand.kind)
            ]
            if why := too_old(demand, found, datetime.now(UTC)):
                yield why
        # A key without a log is checked with nothing of Sigstore.
        alone = not self.tlog and self.trusted_root is None and bool(self.require_signature)
        nobody = job.secret_file(json.dumps(NOBODY), "nobody.json") if alone else None
        for signer in self.require_signature:
            own = replace(
                policy,
                key=signer.key,
                identity=signer.identity,
                issuer=signer.issuer,
                identity_regexp=None,
                issuer_regexp=None,
                trusted_root=nobody if signer.key and nobody else policy.trusted_root,
            )
            if not any(is_verified(cosign, each, subject) for each in (own, own.older)):
                yield f"there is no signature of {signer}"


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
