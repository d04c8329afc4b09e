"""The cosign plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gocdnext_sdk import DaemonUse, Gates, Job, Plugin, Reads, Reference, RegistryClient, Signs
from gocdnext_sdk.tools.cosign import KMS

from . import files
from .inputs import ON_FILES, CosignInputs
from .policies import show_policies, verify_command
from .provenance import builder_of, provenance
from .signer import Signer

if TYPE_CHECKING:
    from .images import Subject


class Cosign(Plugin[CosignInputs]):
    """Sign, verify and attest container images and files with cosign, by a key or keyless.

    A tag is resolved to its digest once; what was signed is verified at the registry before the job passes.
    Keys and tokens reach cosign through memory only.
    """

    name = "gocdnext-plugin-cosign"
    category = "security"
    inputs = CosignInputs
    outputs = {
        "IMAGE": "The image's name, without tag and digest; the first one's, if there are several.",
        "DIGEST": "The digest that was signed, attested or verified.",
        "REFERENCE": "`IMAGE@DIGEST`.",
        "REFERENCES": "The references of all images by digest, with commas between.",
        "TAGS": "The tag that `image` was given with; empty if it was given by digest.",
        "VERIFY_COMMAND": "The command by which anybody verifies it with cosign.",
    }
    reads = (Reads("image"), Reads("predicates"))
    signs = (
        Signs(
            key="key",
            key_content="key-content",
            identity="identity-token",
            identity_name="identity-token-name",
            audience="oidc-client-id",
            issuers=("oidc-issuer", "cert-oidc-issuer"),
            signing_config="signing-config",
            trusted_root="trusted-root",
            services=("fulcio-url", "rekor-url", "timestamp-server-url"),
            offline={"tlog": "false"},
            when={"action": ("sign", "attest", "sign-blob", "attest-blob")},
        ),
    )
    gates = Gates(when={"action": ("verify", "verify-attestation", "verify-blob", "verify-blob-attestation")})
    daemon = DaemonUse("never")
    variables = ("SIGSTORE_", "DOCKER_", *(prefix for each in KMS.values() for prefix in each))

    def run(self, inputs: CosignInputs, job: Job) -> Mapping[str, str]:
        """Resolve, publish, verify."""
        job.trust(inputs.ca_file)
        signer = Signer.ready(inputs, job)
        if inputs.action in ON_FILES:
            if inputs.signs:
                files.publish(signer, job)
            else:
                files.verify(signer, job)
            return {"VERIFY_COMMAND": verify_command(signer, ())}
        registry = job.registry(inputs.all_credentials, inputs.insecure_registries, for_tool="cosign")
        found = registry.ask_each("the registries of the images", registry.resolve, inputs.images)
        images = [each.with_digest(there.digest) for each, there in zip(inputs.images, found, strict=True)]
        for given, image in zip(inputs.images, images, strict=True):
            if given.digest is None:
                job.say(f"{given} is {image.digest}")
        images = list(dict.fromkeys(images))  # several tags may be of one
        first, tag = images[0], inputs.images[0].tag
        job.output(IMAGE=first.name, DIGEST=str(first.digest), REFERENCE=str(first), TAGS=tag or "")
        job.output(REFERENCES=",".join(map(str, images)))

        from .images import Images

        work = Images(signer, registry, job)
        subjects = list(dict.fromkeys(self._subjects(signer, images, registry, job)))
        if inputs.signs:
            work.publish(subjects)
        else:
            work.verify(subjects)
            for each in subjects:
                what = f" ({inputs.predicate_type})" if inputs.attestation else ""
                job.say(f"verified{what} {each.reference}")
        job.output(VERIFY_COMMAND=verify_command(signer, images))
        show_policies(signer, images, job)
        return {}

    @staticmethod
    def _subjects(
        signer: Signer, images: Sequence[Reference], registry: RegistryClient, job: Job
    ) -> Iterator[Subject]:
        """Yield what is signed, attested or verified: the images, and what is below them if that is asked."""
        from .images import Subject

        inputs = signer.inputs
        if inputs.predicates:
            yield from (Subject(image, path) for image, path in inputs.predicates)
            return
        found = registry.ask_each("the registries of `materials`", registry.resolve, inputs.materials)
        materials = [
            replace(each, digest=there.digest) for each, there in zip(inputs.materials, found, strict=True)
        ]
        for image in images:
            predicate = inputs.predicate
            if inputs.makes_provenance:
                made = provenance(job.ci, builder_of(job.ci, signer.cosign.issuer), image, materials)
                predicate = job.secret_file(json.dumps(made), "provenance.json")
            yield Subject(image, predicate)
            for below in dict.fromkeys(manifests(registry, image) if inputs.recursive else ()):
                yield Subject(below, predicate)


def manifests(registry: RegistryClient, reference: Reference) -> Iterator[Reference]:
    """Yield every manifest below the index at `reference`; nothing for a single image."""
    for child in registry.children(reference):
        below = reference.with_digest(child.digest)
        yield below
        if child.is_index:
            yield from manifests(registry, below)


if __name__ == "__main__":
    Cosign.main()
