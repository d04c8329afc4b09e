"""The cosign plugin."""

from __future__ import annotations

from collections.abc import Mapping

from gocdnext_sdk import DaemonUse, Gates, Job, Plugin, Reads, Reference, Secret, Signs, doing
from gocdnext_sdk.tools.cosign import INHERITED, KMS, kms_environ, verify, verify_attestation
from gocdnext_sdk.tools.identity_token import IdentityToken
from gocdnext_sdk.tools.sigstore import Document, hosts

from .inputs import CosignInputs
from .signing import document, identity, keys, manifests, policy, publish, publish_command


class Cosign(Plugin[CosignInputs]):
    """Sign, verify and attest container images with cosign, by a key or keyless.

    A tag is resolved to its digest once; what was signed is verified at the registry before the job passes.
    Keys and tokens reach cosign through memory only.
    """

    name = "gocdnext-plugin-cosign"
    category = "security"
    inputs = CosignInputs
    outputs = {
        "IMAGE": "The image's name, without tag and digest.",
        "DIGEST": "The digest that was signed, attested or verified.",
        "REFERENCE": "`IMAGE@DIGEST`.",
        "TAGS": "The tag that `image` was given with; empty if it was given by digest.",
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
        credentials = inputs.credentials(inputs.image.registry)
        environ: dict[str, str | Secret] = {"COSIGN_PASSWORD": "", **inputs.tool_environ()}
        token = identity(inputs, job) if inputs.keyless and inputs.signs else None
        if token is not None:
            for part in (token.reveal(), *token.reveal().split(".")[1:]):
                job.mask(part)
            environ["SIGSTORE_ID_TOKEN"] = token
        environ |= kms_environ(inputs.key, job.environ) | job.docker_config(credentials)
        cosign = job.tool("cosign", env=environ, inherit=INHERITED)

        key, public_key = keys(inputs, job, cosign)
        root = document(job, inputs.trust)
        issuer = IdentityToken.decode(token).issuer if token else None
        trusted = policy(inputs, public_key, root, issuer)

        registry = job.registry(credentials, inputs.insecure_registries)
        digest = registry.resolve(inputs.image).digest
        subject = inputs.image.with_digest(digest)
        subjects = (subject, *(manifests(registry, subject) if inputs.recursive else ()))
        if inputs.image.digest is None:
            job.say(f"{inputs.image} is {digest}")
        job.output(IMAGE=subject.name, DIGEST=digest, REFERENCE=str(subject), TAGS=inputs.image.tag or "")

        if inputs.signs:
            with doing(f"{'attesting' if inputs.attestation else 'signing'} {subject}{by(inputs.services)}"):
                services = document(job, inputs.services)
                publish(cosign, inputs, publish_command(inputs, key, services, root, subjects))
        for each in subjects if inputs.verify_after_sign or not inputs.signs else ():
            if inputs.attestation:
                verify_attestation(cosign, trusted, each, inputs.predicate_type)
            else:
                verify(cosign, trusted, each, inputs.statements)
        job.say(summary(inputs, subject, len(subjects) - 1))
        return {}


def by(services: Document | None) -> str:
    """Return by which services it is signed, for an error: cosign's own does not always say whose it is."""
    names = ["the public Sigstore"] if services is None else hosts(services)
    return f", by {', '.join(names)}" if names else ""


def summary(inputs: CosignInputs, subject: Reference, below: int) -> str:
    """Return the last line of the log."""
    done = {"sign": "signed", "attest": "attested", "verify": "verified", "verify-attestation": "verified"}
    what = f" ({inputs.predicate_type})" if inputs.attestation else ""
    more = f" and {below} manifests below it" if below else ""
    after = "; verified at the registry" if inputs.signs and inputs.verify_after_sign else ""
    return f"{done[inputs.action]}{what} {subject}{more}{after}"


if __name__ == "__main__":
    Cosign.main()
