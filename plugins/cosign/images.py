"""Sign and attest images: what is there already is kept, and what fails for a moment is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from gocdnext_sdk import (
    Completed,
    Findings,
    Job,
    Reference,
    RegistryClient,
    RegistryError,
    doing,
)
from gocdnext_sdk.oci.referrers import referrers, remove
from gocdnext_sdk.tools.cosign import (
    is_verified,
    verified_bundle,
    verified_predicates,
    verify_all,
    verify_attestation,
)
from gocdnext_sdk.tools.transient import patiently
from gocdnext_sdk.workspace import read_text

from .forms import BLIND, Form, in_words
from .inputs import CosignInputs
from .predicates import SIGNATURE, is_same, uri_of
from .provenance import of_one_run
from .signer import Signer

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle"
"""What the media type of a bundle begins with, of any version."""

_TAGS = {"sign": "sig", "attest": "att"}
"""What the tag ends with under which the older form is."""


@dataclass(frozen=True)
class Subject:
    """One manifest to sign, attest or verify.

    Args:
        reference: by digest.
        predicate: path of what is attested of it.
    """

    reference: Reference
    predicate: str | None = None


@dataclass(frozen=True)
class Images:
    """The work on images of one job.

    Args:
        signer: signs and verifies.
        registry: reads the registries.
        job: what the job may touch.
    """

    signer: Signer
    registry: RegistryClient
    job: Job
    _before: dict[tuple[Form, str], frozenset[str]] = field(default_factory=dict)

    @property
    def inputs(self) -> CosignInputs:
        """The inputs."""
        return self.signer.inputs

    def publish(self, subjects: Sequence[Subject]) -> None:
        """Sign or attest, and verify at the registry what was written."""
        inputs = self.inputs
        for form in inputs.forms:
            for predicate, group in groupby(subjects, lambda each: each.predicate):
                for _, references in groupby((each.reference for each in group), lambda each: each.registry):
                    here = list(references)
                    self._publish(form, here, predicate)
                    if inputs.replace and predicate and form == "bundle":
                        for each in here:
                            self._remove_others(each, predicate)
        if inputs.format != "both":
            self.job.say(BLIND[inputs.forms[0]])

    def verify(self, subjects: Sequence[Subject], form: Form | None = None) -> None:
        """Check that all subjects are signed, or attested, as the inputs demand.

        Args:
            subjects: what to check.
            form: the one form that counts; None: cosign looks for a bundle, and else for the older one.

        Raises:
            Findings: they are not.
        """
        inputs, signer = self.inputs, self.signer
        references = [each.reference for each in subjects]
        for registry, group in groupby(references, lambda each: each.registry):
            policy, here = signer.policy(registry, form), list(group)
            if not inputs.attestation:
                verify_all(signer.tool, policy, here, inputs.signed_annotations)
                continue
            for each in here:
                verify_attestation(signer.tool, policy, each, inputs.predicate_type, inputs.policies)

    def _publish(self, form: Form, references: list[Reference], predicate: str | None) -> None:
        inputs, signer, job = self.inputs, self.signer, self.job
        with doing(f"{'attesting' if predicate else 'signing'} {references[0]}{signer.by}"):
            found = self.registry.ask_each(
                references[0].registry, lambda each: self._attached(form, each), references
            )
            self._before.update(
                ((form, str(each)), there) for each, there in zip(references, found, strict=True)
            )
            missing = [each for each in references if not self._is_there(form, each, predicate)]
            for each in references:
                if each not in missing:
                    job.say(
                        f"{each} is {inputs.done} already by this signer; nothing was added{in_words(form)}"
                    )
            if not missing:
                return
            left, tried = list(missing), False

            def write() -> Completed:
                nonlocal tried
                if tried:  # some may have been written before the last try failed
                    left[:] = [each for each in left if not self._was_written(form, each, predicate)]
                tried = True
                command = signer.command(form, left, predicate)
                return signer.cosign.attempt(*command) if left else Completed(0)

            done = patiently(write, lambda seconds: self._pause(seconds, missing[0]))
            if done.exit_code != 0:
                raise signer.cosign.failure(done, self._hint)
        if inputs.verify_after_sign:
            self._verify_written(form, missing, predicate)
        for each in missing:
            after = "; verified at the registry" if inputs.verify_after_sign else ""
            job.say(f"{inputs.done} {each}{in_words(form)}{after}")

    def _verify_written(self, form: Form, images: Sequence[Reference], predicate: str | None) -> None:
        """Verify at the registry what cosign has just written.

        Raises:
            RegistryError: the registry took it, and has nothing new.
            Findings: what it has is not what the inputs demand.
        """
        try:
            self.verify([Subject(each, predicate) for each in images], form)
        except Findings:
            for each in images:
                if self._attached(form, each) == self._before[form, str(each)]:
                    raise RegistryError(
                        f"{each} was {self.inputs.done}, but {each.registry} has kept nothing of it"
                    ) from None
            raise

    def _is_there(self, form: Form, image: Reference, predicate: str | None) -> bool:
        """Tell whether this signer has signed or attested just this before."""
        before = self._before[form, str(image)]
        return bool(before) and self.signer.knows_itself and self._holds(form, image, predicate)

    def _was_written(self, form: Form, image: Reference, predicate: str | None) -> bool:
        """Tell whether a try that failed has left it at the registry."""
        if self._attached(form, image) == self._before[form, str(image)]:
            return False
        return self._holds(form, image, predicate)

    def _holds(self, form: Form, image: Reference, predicate: str | None) -> bool:
        policy = self.signer.policy(image.registry, form)
        if predicate is None:
            return is_verified(self.signer.tool, policy, image, self.inputs.signed_annotations)
        kind = self.inputs.predicate_type
        found = verified_predicates(self.signer.tool, policy, image, kind)
        return any(self._is_same(each, predicate) for each in found)

    def _is_same(self, attested: object, predicate: str) -> bool:
        """Tell whether an attestation says what is to be said."""
        text = self._text(predicate)
        if self.inputs.makes_provenance:
            return of_one_run(attested, json.loads(text))
        return is_same(self.inputs.predicate_type, attested, text)

    def _text(self, predicate: str) -> str:
        path = Path(predicate)
        # What the run made is in memory; what came with the checkout may be anything.
        return path.read_text() if path.is_absolute() else read_text(self.job.workspace / path)

    def _attached(self, form: Form, image: Reference) -> frozenset[str]:
        """Return the digests of what an image has in one form that may be what is about to be written."""
        home = self._home(image)
        if form == "bundle":
            return frozenset(self._bundles(home))
        tag = (
            f"{str(image.digest).replace(':', '-')}.{_TAGS['attest' if self.inputs.attestation else 'sign']}"
        )
        found = self.registry.find(home.with_tag(tag))
        return frozenset((found.digest,) if found else ())

    def _bundles(self, image: Reference) -> Iterator[str]:
        wanted = uri_of(self.inputs.predicate_type) if self.inputs.attestation else SIGNATURE
        for each in referrers(self.registry, image):
            # Where the registry has no referrers API, cosign writes neither type nor annotations.
            if each.artifact_type and not each.artifact_type.startswith(BUNDLE_TYPE):
                continue
            if each.annotations.get("dev.sigstore.bundle.predicateType", wanted) == wanted:
                yield each.digest

    def _home(self, image: Reference) -> Reference:
        """Return where the signatures of an image are."""
        home = Reference.parse(self.signer.elsewhere) if self.signer.elsewhere else image
        return home.with_digest(str(image.digest))

    def _remove_others(self, image: Reference, predicate: str) -> None:
        """Remove this signer's attestations of the same type but for one that says what is attested now.

        What has come since this job began is another one's, which may be removing this one's.
        """
        home, kept = self._home(image), False
        for digest in sorted(self._bundles(home)):
            stated = self._statement(home, image, digest)
            if stated is None:
                continue
            if not kept and self._is_same(stated[0], predicate):
                kept = True
                continue
            if digest not in self._before["bundle", str(image)]:
                continue
            with doing(f"removing the earlier {self.inputs.predicate_type} of {image}"):
                remove(self.registry, home, digest)
            self.job.say(f"removed the earlier {self.inputs.predicate_type} {digest} of {image}")

    def _statement(self, home: Reference, image: Reference, digest: str) -> tuple[object] | None:
        """Return what one attestation states; None if it is not by this signer, or is something else."""
        _, content = self.registry.manifest(home.with_digest(digest))
        try:
            (layer,) = content["layers"]
            is_bundle = str(layer["mediaType"]).startswith(BUNDLE_TYPE)
        except (KeyError, TypeError, ValueError):
            return None
        if not is_bundle:
            return None
        blob = self.registry.blob(home, str(layer["digest"]))
        policy, kind = self.signer.policy(image.registry), self.inputs.predicate_type
        path = self.job.secret_file(blob, "bundle.json")
        return verified_bundle(self.signer.tool, policy, str(image.digest), path, kind, blob)

    def _pause(self, seconds: float, image: Reference) -> None:
        """Wait, and then as long as the services and the registry ask for, up to a minute each."""
        self.signer.cosign.pause(seconds)
        with suppress(RegistryError):
            self.registry.find(image)

    @property
    def _hint(self) -> str:
        if self.inputs.services is not None:
            return ""
        advice = '`signing-config` and `trusted-root` name one of your own, tlog: "false" does without'
        return f"if the public Sigstore cannot be reached: {advice}"
