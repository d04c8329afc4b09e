"""Whether an image may be promoted: it has the signatures, attestations and marks that are demanded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gocdnext_sdk import Credentials, Findings, Job, Reference, RegistryClient, Tool
from gocdnext_sdk.tools.cosign import Policy, broken_rules, is_verified, verified_predicates, verifier, verify
from gocdnext_sdk.tools.sigstore import logs_certificates

from .attested import Attested, too_old
from .demands import DemandInputs


def check_demands(
    inputs: DemandInputs,
    job: Job,
    subject: Reference,
    registry: RegistryClient,
    credentials: Credentials,
    *,
    insecure: bool = False,
) -> None:
    """Check everything that is demanded, and tell each thing that is missing.

    Args:
        inputs: what is demanded.
        job: what the check may touch.
        subject: the image, by digest.
        registry: reads its registry.
        credentials: the logins that cosign and services read it with.
        insecure: whether its registry may speak plain http.

    Raises:
        Findings: something is missing.
        HttpError, ToolError: that could not be found out.
    """
    missing = [
        *_unverified(inputs, job, subject, credentials, insecure=insecure),
        *_unattested(inputs, job, subject, registry, credentials, insecure=insecure),
        *_unsigned(inputs, job, subject, credentials, insecure=insecure),
        *_unmarked(inputs, job, subject, credentials),
    ]
    for each in missing:
        job.warn(f"not met: {each}")
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise Findings(f"{subject} is not promoted: {missing[0]}{more}")
    for what in inputs.demands[inputs.names_signer :]:  # that signature has its own line
        job.say(f"{subject} has the required {what}")


def _unverified(
    inputs: DemandInputs, job: Job, subject: Reference, credentials: Credentials, *, insecure: bool
) -> Iterator[str]:
    if inputs.names_signer:
        try:
            policy = inputs.policy(job, insecure=insecure)
            verify(verifier(job, credentials, [inputs.verify_key]), policy, subject)
            job.say(f"{subject} has the required signature")
        except Findings:
            yield f"there is no {inputs.demands[0]}"


def _unattested(
    inputs: DemandInputs,
    job: Job,
    subject: Reference,
    registry: RegistryClient,
    credentials: Credentials,
    *,
    insecure: bool,
) -> Iterator[str]:
    if not inputs.attestations:
        return
    found = Attestations(
        verifier(job, credentials, [inputs.verify_key]), inputs.policy(job, insecure=insecure), registry
    )
    for demand in inputs.attestations:
        yield from found.lacks(subject, demand, datetime.now(UTC))


def _unsigned(
    inputs: DemandInputs, job: Job, subject: Reference, credentials: Credentials, *, insecure: bool
) -> Iterator[str]:
    if not inputs.require_signature:
        return
    cosign = verifier(job, credentials, [inputs.verify_key, *(each.key for each in inputs.require_signature)])
    for signer in inputs.require_signature:
        own = Policy(
            key=signer.key,
            identity=signer.identity,
            issuer=signer.issuer,
            trusted_root=inputs.root_file(job, by_key=signer.key is not None),
            tlog=inputs.tlog,
            sct=logs_certificates(inputs.trusted_root),
            insecure=insecure,
        )
        if not any(is_verified(cosign, each, subject, assumed=True) for each in (own, own.older)):
            yield f"there is no signature of {signer}"


def _unmarked(inputs: DemandInputs, job: Job, subject: Reference, credentials: Credentials) -> Iterator[str]:
    marks = [mark for mark in inputs.require if mark.kind != "attestation"]
    if not marks:
        return
    from .places import Place
    from .services import has_mark

    login = credentials.get(subject.registry, subject.repository)
    for mark in marks:
        if not has_mark(mark, Place(job, inputs.api_at(mark, subject.registry), login, subject)):
            yield f"there is no mark {mark}"


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
        plan = {"timestamp": now.isoformat()}
        return {
            form: found
            for form in (self.policy, self.policy.older)
            if (found := verified_predicates(self.cosign, form, image, kind, assumed=plan))
        }

    def _wrong(self, image: Reference, demand: Attested, stated: Stated, now: datetime) -> str:
        if why := too_old(demand, [each for found in stated.values() for each in found], now):
            return why
        broken: tuple[str, ...] = ()
        for form in stated:
            broken = broken_rules(self.cosign, form, image, demand.kind, demand.rules)
            if not broken:
                return ""
        return f"the attestation {demand.kind} breaks {', '.join(demand.rules)}: {'; '.join(broken)}"
