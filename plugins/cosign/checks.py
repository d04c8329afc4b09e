"""What two inputs of cosign must agree on, and what must be in the checkout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gocdnext_sdk import Ci, Problem, Secret, quoted
from gocdnext_sdk.contract.dialects import hands_out_tokens, is_gocdnext
from gocdnext_sdk.tools.cosign import check_insecure, key_kind, kms_scheme
from gocdnext_sdk.tools.identity_token import IdentityToken
from gocdnext_sdk.tools.sigstore import Document, check_usable, lacking, service_url
from gocdnext_sdk.workspace import is_file, read_text

from .files import bundle_of, files, matches
from .forms import OLDER_LOG
from .inputs import ON_FILES, CosignInputs


def problems(inputs: CosignInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    """Yield what is wrong beyond a single input."""
    if inputs.action not in ON_FILES:
        yield from inputs.check_registry(inputs.image_registries(environ, workspace))
    yield from inputs.check_whose(inputs.registries)
    yield from check_insecure(environ, inputs.insecure_registries)
    yield from _check_key(inputs, workspace)
    if inputs.keyless:
        yield from _check_token(inputs, environ) if inputs.signs else _check_identity(inputs)
    if inputs.signs:
        yield from _check_services(inputs)
    yield from _check_annotations(inputs, environ)
    yield from _check_statements(inputs, workspace)
    yield from _check_builder(inputs, environ, workspace)
    yield from _check_files(inputs, workspace)
    yield from _check_rules(inputs, workspace)


def _check_key(inputs: CosignInputs, workspace: Path) -> Iterator[Problem]:
    if inputs.keyless:
        return
    if kms_scheme(inputs.key):
        if inputs.key_password:
            yield Problem("key-password", "has no effect with a key in a KMS", "leave it out")
        return
    name = "key" if inputs.key else "key-content"
    try:
        text = (
            read_text(workspace / inputs.key) if inputs.key else (inputs.key_content or Secret("")).reveal()
        )
        kind = key_kind(text)
    except (OSError, UnicodeDecodeError):
        yield Problem("key", f"there is no key file {quoted(inputs.key)} in the workspace")
    except ValueError as error:
        yield Problem.of(name, error)
    else:
        if inputs.signs and kind == "public":
            yield Problem(name, f"is a public key, and action: {inputs.action} needs the private one")
        elif kind == "public" and inputs.key_password:
            yield Problem("key-password", "has no effect with a public key", "leave it out")


def _check_token(inputs: CosignInputs, environ: Mapping[str, str]) -> Iterator[Problem]:
    token = inputs.token(environ)
    if token is not None:
        yield from token_problems(inputs, token)
    elif not hands_out_tokens(environ):
        name, audience = inputs.identity_token_name, inputs.oidc_client_id
        yield Problem(
            "identity-token",
            "keyless signing needs an identity token, and the job has none",
            f"add `id_tokens: {{{name}: {{aud: {audience}}}}}` to the job, or give `key-content`",
        )


def token_problems(inputs: CosignInputs, token: Secret) -> Iterator[Problem]:
    """Yield what a certificate authority would refuse."""
    key = "identity-token" if inputs.identity_token else "identity-token-name"
    try:
        decoded = IdentityToken.decode(token)
    except ValueError as error:
        yield Problem.of(key, error)
        return
    issuers = tuple(issuer for issuer in (inputs.oidc_issuer, inputs.cert_oidc_issuer) if issuer)
    for what, advice in decoded.problems(audience=inputs.oidc_client_id, issuers=issuers):
        yield Problem(key, what, advice)


def _check_identity(inputs: CosignInputs) -> Iterator[Problem]:
    for exact, regexp in (
        ("cert_identity", "cert_identity_regexp"),
        ("cert_oidc_issuer", "cert_oidc_issuer_regexp"),
    ):
        if getattr(inputs, exact) is None and getattr(inputs, regexp) is None:
            yield Problem(
                exact.replace("_", "-"),
                f"is required with action: {inputs.action} and no key",
                "say who must have signed, or give `key-content`",
            )


def _check_services(inputs: CosignInputs) -> Iterator[Problem]:
    services = inputs.services
    if services is None:
        return
    if inputs.given_urls and inputs.trusted_root is None:
        yield Problem(
            "trusted-root",
            f'is required with "{inputs.given_urls[0]}"',
            "without it nobody can verify what services of your own sign",
        )
    kinds = lacking(services, keyless=inputs.keyless, tlog=inputs.tlog)
    if "rekorTlogUrls" in kinds:
        missing = "rekor-url" if inputs.signing_config is None else "signing-config"
        yield Problem(missing, "names no transparency log", 'add one, or write tlog: "false"')
    if "caUrls" in kinds:
        missing = "fulcio-url" if inputs.signing_config is None else "signing-config"
        yield Problem(missing, "names no certificate authority, and keyless signing needs one")
    if "tsaUrls" in kinds:
        yield Problem(
            "tlog",
            '"false" and keyless need a timestamp authority',
            "a certificate lives ten minutes; without a log or a timestamp nobody can verify it later",
        )
    try:
        check_usable(services, keyless=inputs.keyless, tlog=inputs.tlog)
    except ValueError as error:
        yield Problem.of("signing-config", error)
    else:
        yield from _check_format(inputs, services)


def _check_format(inputs: CosignInputs, services: Document) -> Iterator[Problem]:
    """Check that the older form can be written: it has no place for an entry of Rekor 2."""
    if "legacy" not in inputs.forms:
        return
    try:
        service_url(services, "rekorTlogUrls", OLDER_LOG)
    except ValueError:
        yield Problem(
            "format",
            f"{quoted(inputs.format)} needs a transparency log of version 1; the services have a newer one",
            'write tlog: "false" for a signature with a timestamp only, or format: bundle',
        )


def _check_annotations(inputs: CosignInputs, environ: Mapping[str, str]) -> Iterator[Problem]:
    if not inputs.annotations:
        return
    from gocdnext_sdk.inputs.public_texts import PULLED, check_public
    from gocdnext_sdk.runtime.exposure import Exposure, secrets_of

    for number, (_, value) in enumerate(inputs.annotations, start=1):
        if value is None:
            yield Problem("annotations", f"item {number} has no value", "write one KEY=VALUE per line")
    texts = [f"{name}={value}" for name, value in inputs.signed_annotations]
    yield from check_public({"annotations": texts}, Exposure(secrets_of(environ)), PULLED)


def _check_statements(inputs: CosignInputs, workspace: Path) -> Iterator[Problem]:
    if inputs.action not in ("attest", "attest-blob"):
        return
    if inputs.action == "attest" and not inputs.images:
        yield Problem("image", f"is required with action: {inputs.action}")
    if inputs.predicate is None and not inputs.predicates and not inputs.makes_provenance:
        yield Problem("predicate", f"is required with action: {inputs.action}")
    if inputs.predicate and not is_file(workspace / inputs.predicate):
        yield Problem("predicate", f"there is no file {quoted(inputs.predicate)} in the workspace")
    for _, path in inputs.predicates:
        if not is_file(workspace / path):
            yield Problem("predicates", f"there is no file {quoted(path)} in the workspace")


def _check_builder(inputs: CosignInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    """Check that a provenance names who built: no verifier should be told gocdnext where it was not."""
    if not inputs.makes_provenance or inputs.keyless or is_gocdnext(environ):
        return
    if not Ci.of(environ, workspace).run_url:
        what = "is needed, since nothing here says which system builds"
        yield Problem("predicate", what, "or set the variable CI_RUN_URL, the page of this run")


def _check_files(inputs: CosignInputs, workspace: Path) -> Iterator[Problem]:
    if inputs.action not in ON_FILES:
        return
    for number, pattern in enumerate(inputs.files, start=1):
        try:
            found = list(matches(pattern, workspace))
        except ValueError as error:
            yield Problem("files", f"item {number} {error}", "give a path or a glob in the workspace")
            continue
        if not found:
            yield Problem("files", f"item {number} matches no file in the workspace")
    if inputs.action.startswith("verify"):
        missing = [
            each for each in files(inputs, workspace) if not is_file(workspace / bundle_of(inputs, each))
        ]
        for each in missing:
            yield Problem("files", f"there is no bundle {quoted(bundle_of(inputs, each))}", "is it signed?")


def _check_rules(inputs: CosignInputs, workspace: Path) -> Iterator[Problem]:
    for path in inputs.policies:
        if not is_file(workspace / path):
            yield Problem("policies", f"there is no file {quoted(path)} in the workspace")
