"""The cosign plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gocdnext_sdk import DaemonUse, Gates, Job, Plugin, Reads, Reference, RegistryClient, Signs
from gocdnext_sdk.tools.cosign import KMS

from .images import Images, Subject
from .inputs import CosignInputs
from .policies import show_policies, verify_command
from .signer import Signer


class Cosign(Plugin[CosignInputs]):
    """Sign, verify and attest container images with cosign, by a key or keyless.

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
    reads = (Reads("image"),)
    signs = Signs(
        key="key",
        key_content="key-content",
        identity="identity-token",
        identity_name="identity-token-name",
        audience="oidc-client-id",
        issuers=("oidc-issuer", "cert-oidc-issuer"),
        when={"action": ("sign", "attest")},
    )
    gates = Gates(when={"action": ("verify", "verify-attestation")})
    daemon = DaemonUse("never")
    variables = ("SIGSTORE_", "DOCKER_", *(prefix for each in KMS.values() for prefix in each))

    def run(self, inputs: CosignInputs, job: Job) -> Mapping[str, str]:
        """Resolve, publish, verify."""
        job.trust(inputs.ca_file)
        signer = Signer.ready(inputs, job)
        registry = job.registry(
            inputs.credentials(inputs.registries[0]), inputs.insecure_registries, for_tool="cosign"
        )
        images = [self._resolved(each, registry, job) for each in inputs.image]
        first, tag = images[0], inputs.image[0].tag
        job.output(IMAGE=first.name, DIGEST=str(first.digest), REFERENCE=str(first), TAGS=tag or "")
        job.output(REFERENCES=",".join(map(str, images)))

        work = Images(signer, registry, job)
        subjects = [
            Subject(each, inputs.predicate)
            for image in images
            for each in (image, *(manifests(registry, image) if inputs.recursive else ()))
        ]
        if inputs.signs:
            work.publish(subjects)
        else:
            work.verify(subjects)
            for each in subjects:
                what = f" ({inputs.predicate_type})" if inputs.attestation else ""
                job.say(f"verified{what} {each.reference}")
        job.output(VERIFY_COMMAND=verify_command(signer, images))
        if inputs.signs:
            show_policies(signer, images, job)
        return {}

    @staticmethod
    def _resolved(image: Reference, registry: RegistryClient, job: Job) -> Reference:
        digest = registry.resolve(image).digest
        if image.digest is None:
            job.say(f"{image} is {digest}")
        return image.with_digest(digest)


def manifests(registry: RegistryClient, reference: Reference) -> Iterator[Reference]:
    """Yield every manifest below the index at `reference`; nothing for a single image."""
    for child in registry.children(reference):
        below = reference.with_digest(child.digest)
        yield below
        if child.is_index:
            yield from manifests(registry, below)


if __name__ == "__main__":
    Cosign.main()
