"""How others verify what was signed: a cosign command, and a policy for Kyverno."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from gocdnext_sdk import Job, Reference
from gocdnext_sdk.tools.cosign import annotation_flags, kms_scheme
from gocdnext_sdk.tools.sigstore import NOBODY

from .files import bundle_of
from .kyverno import kyverno_policy
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
    form = inputs.forms[0] if len(inputs.forms) == 1 else None
    policy = signer.policy(images[0].registry if images else None, form)
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
        *annotation_flags(inputs.signed_annotations),
        *(map(str, images) if images else ["FILE"]),
    ]
    elsewhere = f"COSIGN_REPOSITORY={shlex.quote(signer.elsewhere)} " if images and signer.elsewhere else ""
    return elsewhere + shlex.join(argv)


def show_policies(signer: Signer, images: Sequence[Reference], job: Job) -> None:
    """Log the command and a policy that admits only what is signed like this."""
    with job.group("verify it elsewhere"):
        print(verify_command(signer, images))
        print("\n".join(kyverno_policy(signer, images)))
