"""How others verify what was signed: a cosign command, and a policy for Kyverno.

Source: Kyverno 1.13 to 1.19 `ClusterPolicy`, `verifyImages` (`pkg/cosign/sigstore.go`, in 1.19
`pkg/image/verifiers/cpol/cosign/sigstore.go`). The policies for the older form were tried in 1.13.4.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gocdnext_sdk import Job, Reference
from gocdnext_sdk.tools.cosign import annotation_flags, kms_scheme
from gocdnext_sdk.tools.sigstore import NOBODY

from .files import bundle_of
from .predicates import uri_of
from .signer import Signer

_KEY, _ROOT = "cosign.pub", "trusted-root.json"
"""What the command calls the files that whoever verifies has to have."""


def verify_command(signer: Signer, images: Sequence[Reference]) -> str:
    """Return the command by which anybody can verify the images.

    Args:
        signer: who signs, or must have signed.
        images: by digest; none: it is about files, one of which is called FILE.
    """
    inputs = signer.inputs
    policy = signer.policy(images[0].registry if images else None)
    root = _ROOT if inputs.trust not in (None, NOBODY) else None
    key = policy.key if kms_scheme(policy.key) else (policy.key and _KEY)
    policy = replace(policy, key=key, trusted_root=root)
    if inputs.signs and not signer.knows_itself:  # the authority has said who that is
        policy = replace(policy, identity="IDENTITY", identity_regexp=None)
    action = {"sign": "verify", "attest": "verify-attestation", "attest-blob": "verify-blob-attestation"}
    argv = ["cosign", action.get(inputs.action, inputs.action.replace("sign-blob", "verify-blob"))]
    argv += ["--type", inputs.predicate_type] if inputs.attestation else []
    argv += [] if images else ["--bundle", bundle_of(inputs, "FILE")]
    argv += [
        *policy.argv(),
        *annotation_flags(inputs.statements),
        *(map(str, images) if images else ["FILE"]),
    ]
    return shlex.join(argv)


def show_policies(signer: Signer, images: Sequence[Reference], job: Job) -> None:
    """Log the command and a policy that admits only what is signed like this."""
    with job.group("verify it elsewhere"):
        print(verify_command(signer, images))
        print("\n".join(kyverno_policy(signer, images)))


def kyverno_policy(signer: Signer, images: Sequence[Reference]) -> Iterator[str]:
    """Yield the lines of a Kyverno policy that admits only what is signed, or attested, like this."""
    inputs = signer.inputs
    form = "Cosign" if "legacy" in inputs.forms else "SigstoreBundle"
    if form == "SigstoreBundle" and not inputs.keyless:
        yield "# needs Kyverno 1.19: earlier ones check bundles by certificate only; format: both is for them"
    yield "apiVersion: kyverno.io/v1"
    yield "kind: ClusterPolicy"
    yield f"metadata: {{name: {'attested' if inputs.attestation else 'signed'}-images}}"
    yield "spec:"
    yield "  rules:"
    yield "    - name: check"
    yield "      match: {any: [{resources: {kinds: [Pod]}}]}"
    yield "      verifyImages:"
    yield f"        - type: {form}"
    yield "          failureAction: Enforce"
    names = dict.fromkeys(each.name for each in images)
    patterns = [f"{name}{rest}" for name in names for rest in (":*", "@*")]
    yield f"          imageReferences: {json.dumps(patterns)}"
    if inputs.attestation:
        yield "          attestations:"
        yield f"            - type: {json.dumps(uri_of(inputs.predicate_type))}"
        yield from (f"    {line}" for line in _attestors(signer))
    else:
        yield from _attestors(signer)


def _attestors(signer: Signer) -> Iterator[str]:
    inputs = signer.inputs
    yield "          attestors:"
    yield "            - entries:"
    if not inputs.keyless:
        yield "                - keys:"
        key = signer.cosign.public_key()
        if key is None or key.pem is None:
            yield f"                    kms: {json.dumps(inputs.key)}"
        else:
            yield "                    publicKeys: |-"
            yield from (f"                      {line}" for line in key.pem.strip().splitlines())
    else:
        yield "                - keyless:"
        yield from (f"                    {line}" for line in _identity(signer))
    yield f"                    rekor: {_rekor(signer)}"
    if not inputs.keyless and ("legacy" in inputs.forms or not inputs.tlog):
        # A key has no certificate, and Kyverno would fetch the keys of the public logs for it all the same.
        yield "                    ctlog: {ignoreSCT: true}"


def _identity(signer: Signer) -> Iterator[str]:
    inputs = signer.inputs
    issuer = inputs.cert_oidc_issuer or (None if inputs.cert_oidc_issuer_regexp else signer.cosign.issuer)
    if inputs.cert_identity_regexp:
        yield f"subjectRegExp: {json.dumps(f'^(?:{inputs.cert_identity_regexp})$')}"
    else:
        yield f"subject: {json.dumps(inputs.cert_identity or 'IDENTITY')}"
    if issuer:
        yield f"issuer: {json.dumps(issuer)}"
    else:
        yield f"issuerRegExp: {json.dumps(f'^(?:{inputs.cert_oidc_issuer_regexp})$')}"


def _rekor(signer: Signer) -> str:
    inputs = signer.inputs
    if not inputs.tlog:
        return "{ignoreTlog: true}"
    logs = [*(inputs.services or {}).get("rekorTlogUrls", ()), *(inputs.trusted_root or {}).get("tlogs", ())]
    known = [each.get("url") or each.get("baseUrl") for each in logs if isinstance(each, dict)]
    url = next(filter(None, known), "https://rekor.sigstore.dev")
    return f"{{url: {json.dumps(url)}}}"
