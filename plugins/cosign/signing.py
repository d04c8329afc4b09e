"""What cosign is told, and with which keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from gocdnext_sdk import InputError, Job, Problem, Reference, RegistryClient, Secret, Tool, ToolError
from gocdnext_sdk.tools.cosign import Policy, annotation_flags, flag, insecure_flags, key_kind, kms_scheme
from gocdnext_sdk.tools.sigstore import Document
from gocdnext_sdk.workspace import read_text

from .inputs import CosignInputs


def publish_command(
    inputs: CosignInputs, key: str | None, config: str | None, root: str | None, subjects: Iterable[Reference]
) -> list[str]:
    """Return cosign's arguments to sign or attest.

    Args:
        inputs: the inputs.
        key: path or URI of the private key; None: keyless.
        config: path of the signing config.
        root: path of the trusted root.
        subjects: what to sign, by digest.
    """
    argv = [inputs.action, "--yes"]
    # The provider is named so that cosign asks no other one and never starts a login by browser.
    argv += flag("--key", key) or flag("--oidc-provider", "envvar")
    argv += flag("--signing-config", config) + flag("--trusted-root", root)
    argv += insecure_flags(insecure=inputs.is_insecure(inputs.image.registry))
    if inputs.action == "attest":
        argv += flag("--predicate", inputs.predicate) + flag("--type", inputs.predicate_type)
    argv += annotation_flags(inputs.statements)
    return argv + [str(subject) for subject in subjects]


def policy(inputs: CosignInputs, key: str | None, root: str | None, issuer: str | None) -> Policy:
    """Return who must have signed.

    After keyless signing without `cert-identity`, that is whomever the authority made of the token.

    Args:
        inputs: the inputs.
        key: path or URI of the public key; None: keyless.
        root: path of the trusted root.
        issuer: the issuer of the token that was signed with.
    """
    anybody = inputs.signs and inputs.cert_identity is None and inputs.cert_identity_regexp is None
    stated = inputs.cert_oidc_issuer or inputs.cert_oidc_issuer_regexp
    return Policy(
        key=key,
        identity=inputs.cert_identity,
        identity_regexp=".+" if anybody else inputs.cert_identity_regexp,
        issuer=inputs.cert_oidc_issuer if stated else issuer,
        issuer_regexp=inputs.cert_oidc_issuer_regexp,
        trusted_root=root,
        tlog=inputs.tlog,
        sct=inputs.trusted_root is None or bool(inputs.trusted_root.get("ctlogs")),
        insecure=inputs.is_insecure(inputs.image.registry),
    )


def identity(inputs: CosignInputs, job: Job) -> Secret | None:
    """Return the identity token to sign with: given, or handed out by the CI system on request.

    Raises:
        InputError: the latter would be refused.
    """
    if token := inputs.token(job.environ):
        return token
    token = job.identity_token(inputs.oidc_client_id)
    if token and (problems := list(inputs.token_problems(token))):
        raise InputError(problems)
    return token


def keys(inputs: CosignInputs, job: Job, cosign: Tool) -> tuple[str | None, str | None]:
    """Return path or URI of the key to sign with, and of the one to verify with; nothing if keyless."""
    if inputs.keyless or kms_scheme(inputs.key):
        return inputs.key, inputs.key
    pem = inputs.key_content or Secret(read_text(job.workspace / (inputs.key or "")))
    key = job.secret_file(pem, "cosign.key")
    if key_kind(pem.reveal()) == "public":
        return None, key
    if not inputs.signs:
        job.warn("verifying needs only the public key; keep the private one out of this job")
    # This also finds a wrong password before anything is contacted.
    done = cosign.capture("public-key", "--key", key, ok={0, 1}, assumed=b"")
    if b"decrypt" in done.stderr:
        raise InputError(Problem("key-password", "does not open the key", "is it that key's password?"))
    if done.exit_code != 0:
        raise ToolError("cosign cannot read the key; its own message is above")
    return key, job.secret_file(done.stdout, "cosign.pub")


def document(job: Job, content: Document | None) -> str | None:
    """Return a path from which cosign can read `content`."""
    return None if content is None else job.secret_file(json.dumps(content), "document.json")


def publish(cosign: Tool, inputs: CosignInputs, argv: Iterable[str]) -> None:
    """Sign or attest."""
    try:
        cosign.run(*argv)
    except ToolError as error:
        if inputs.services is not None:
            raise
        advice = '`signing-config` and `trusted-root` name one of your own, tlog: "false" does without'
        raise ToolError(f"{error}; if the public Sigstore cannot be reached: {advice}") from None


def manifests(registry: RegistryClient, reference: Reference) -> Iterator[Reference]:
    """Yield every manifest below the index at `reference`; nothing for a single image."""
    for child in registry.children(reference):
        below = reference.with_digest(child.digest)
        yield below
        if child.is_index:
            yield from manifests(registry, below)
