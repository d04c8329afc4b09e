"""The cosign plugin."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from gocdnext_sdk import (
    Boolean,
    DaemonUse,
    Gates,
    Input,
    InputError,
    Invalid,
    Job,
    JsonDocument,
    MutuallyExclusive,
    Pairs,
    Plugin,
    Problem,
    Reads,
    Reference,
    RegistryClient,
    RegistryLoginInputs,
    RequiredIf,
    Secret,
    Signs,
    Tool,
    ToolError,
    WorkspacePath,
    doing,
    in_workspace,
)
from gocdnext_sdk.tools.cosign import (
    INHERITED,
    KEY_EXAMPLES,
    KMS,
    Policy,
    annotation_flags,
    flag,
    key_kind,
    key_reference,
    kms_environ,
    kms_scheme,
    verify,
    verify_attestation,
)
from gocdnext_sdk.tools.identity_token import IdentityToken
from gocdnext_sdk.tools.sigstore import NOBODY, Document, signing_config, without_log
from gocdnext_sdk.workspace import read_text

PREDICATES = (
    *("custom", "slsaprovenance", "slsaprovenance02", "slsaprovenance1", "link"),
    *("spdx", "spdxjson", "cyclonedx", "vuln", "openvex"),
)


def _predicate_type(text: str) -> str:
    if text not in PREDICATES and "://" not in text:
        raise Invalid(f'"{text}" is not a predicate type', f"give a URI or one of {', '.join(PREDICATES)}")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", text):
        raise Invalid(f'"{text.rpartition("@")[2]}" is not a service URL', 'write it as "https://host/path"')
    return text


Url = Annotated[str, AfterValidator(_url)]


class CosignInputs(RegistryLoginInputs):
    """The `with:` map."""

    image: Reference = Input(
        description="The image. A tag is resolved to its digest once; the digest is what is signed, verified "
        "and reported."
    )
    action: Literal["sign", "verify", "attest", "verify-attestation"] = Input(
        "sign", description="What to do. `attest` attaches the signed statement in `predicate`."
    )
    key: Annotated[str, in_workspace(key_reference)] | None = Input(
        None,
        description="Path of a key in the workspace, or a KMS URI (awskms, gcpkms, azurekms, hashivault, "
        "k8s, gitlab). With neither this nor `key-content`, signing is keyless.",
    )
    key_content: Secret | None = Input(
        None,
        description="The key itself, as PEM: cosign.key to sign, cosign.pub to verify. Give it through the "
        "job's `secrets:`.",
        examples=list(KEY_EXAMPLES),
    )
    key_password: Secret | None = Input(
        None, description="Password of the private key.", tool_env="COSIGN_PASSWORD"
    )
    recursive: Boolean = Input(
        "false",
        description="Sign or verify every manifest of a multi-platform image too, not only its index.",
    )
    annotations: Pairs = Input(
        "",
        description="Statements to sign along with the digest, one KEY=VALUE per line; `verify` demands "
        "them.",
    )
    predicate: WorkspacePath | None = Input(
        None, description="Path of the statement to attest (an SBOM, a provenance …), as JSON."
    )
    predicate_type: Annotated[str, AfterValidator(_predicate_type)] = Input(
        "custom", description=f"Kind of the statement: a URI or one of {', '.join(PREDICATES)}."
    )
    verify_after_sign: Boolean = Input(
        "true", description="Verify at the registry what was signed or attested, and fail if that fails."
    )
    tlog: Boolean = Input(
        "true",
        description='"false": no transparency log, neither written nor demanded. For air-gapped use.',
    )
    identity_token: Secret | None = Input(
        None,
        description="Keyless: the OpenID Connect token to sign with. Usually left out; see "
        "`identity-token-name`.",
    )
    identity_token_name: str = Input(
        "SIGSTORE_ID_TOKEN",
        description="Keyless: the name under which the job's `id_tokens:` declares its token.",
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
    )
    oidc_client_id: str = Input(
        "sigstore", description="Keyless: the audience (`aud`) that the certificate authority demands."
    )
    cert_identity: str | None = Input(
        None,
        description="Keyless: the identity (URI or e-mail) that the signer's certificate must carry. `sign` "
        "then fails if it carries another.",
    )
    cert_identity_regexp: str | None = Input(
        None, description="Keyless: as `cert-identity`, by a regular expression for the whole identity."
    )
    cert_oidc_issuer: Url | None = Input(
        None, description="Keyless: the issuer of the token that the certificate must name."
    )
    cert_oidc_issuer_regexp: str | None = Input(
        None, description="Keyless: as `cert-oidc-issuer`, by a regular expression for the whole URL."
    )
    signing_config: JsonDocument | None = Input(
        None,
        description="The services to sign with, as Sigstore's signing config: a workspace path or the JSON. "
        "The public ones if not given.",
    )
    trusted_root: JsonDocument | None = Input(
        None,
        description="What to trust, as Sigstore's trusted root: a workspace path or the JSON. The public one "
        "if not given.",
    )
    fulcio_url: Url | None = Input(
        None,
        description="A certificate authority of your own, if you have no signing config. The URLs stand for "
        "exactly the services to use, and need `trusted-root`.",
    )
    rekor_url: Url | None = Input(None, description="A transparency log of your own.")
    rekor_version: Literal["1", "2"] = Input("1", description="Major version of the log at `rekor-url`.")
    timestamp_server_url: Url | None = Input(
        None, description="A timestamp authority of your own, with the path, such as /api/v1/timestamp."
    )
    oidc_issuer: Url | None = Input(
        None, description="The issuer of your tokens; a token of another one is refused."
    )

    constraints = (
        MutuallyExclusive("key", "key-content", "identity-token"),
        MutuallyExclusive("key", "cert-identity", "cert-identity-regexp"),
        MutuallyExclusive("key-content", "cert-identity", "cert-identity-regexp"),
        MutuallyExclusive("cert-oidc-issuer", "cert-oidc-issuer-regexp"),
        MutuallyExclusive("signing-config", "fulcio-url"),
        MutuallyExclusive("signing-config", "rekor-url"),
        MutuallyExclusive("signing-config", "timestamp-server-url"),
        MutuallyExclusive("signing-config", "oidc-issuer"),
        RequiredIf("predicate", "action", "attest"),
    )

    @property
    def signs(self) -> bool:
        """Whether something is published."""
        return self.action in ("sign", "attest")

    @property
    def attestation(self) -> bool:
        """Whether it is about an attestation, not a signature."""
        return self.action in ("attest", "verify-attestation")

    @property
    def statements(self) -> tuple[tuple[str, str], ...]:
        """The annotations."""
        return tuple((name, value or "") for name, value in self.annotations)

    @property
    def keyless(self) -> bool:
        """Whether the signer is known by a certificate instead of a key."""
        return self.key is None and self.key_content is None

    @property
    def services(self) -> Document | None:
        """The signing config; None for the public Sigstore's."""
        config: Document | None = self.signing_config
        if config is None and (self.urls or not self.tlog):
            config = signing_config(
                fulcio=self.fulcio_url,
                oidc=self.oidc_issuer,
                rekor=self.rekor_url,
                rekor_version=int(self.rekor_version),
                tsa=self.timestamp_server_url,
            )
        return config if config is None or self.tlog else without_log(config)

    @property
    def trust(self) -> Document | None:
        """The trusted root; None for the public Sigstore's."""
        if self.trusted_root is None and not self.keyless and not self.tlog and not self.timestamped:
            return NOBODY
        return self.trusted_root

    @property
    def timestamped(self) -> bool:
        """Whether the services include a timestamp authority."""
        return bool((self.services or {}).get("tsaUrls"))

    @property
    def urls(self) -> list[str]:
        """The keys of the services that are given by URL."""
        keys = ("fulcio_url", "rekor_url", "timestamp_server_url")
        return [key.replace("_", "-") for key in keys if getattr(self, key) is not None]

    def token(self, environ: Mapping[str, str]) -> Secret | None:
        """Return the identity token: the input, or the job's."""
        if self.identity_token is not None:
            return self.identity_token
        text = environ.get(self.identity_token_name, "").strip()
        return Secret(text) if text else None

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check keys, the token and everything two inputs must agree on."""
        yield from self.check_registry([self.image.registry])
        yield from self._check_key(workspace)
        if self.keyless:
            yield from self._check_token(environ) if self.signs else self._check_identity()
        if self.signs:
            yield from self._check_services()
        for name, value in self.annotations:
            if value is None:
                yield Problem("annotations", f'"{name}" has no value', f"write {name}=VALUE")
        if self.attestation:
            for key in ("annotations", "recursive"):
                if getattr(self, key):
                    yield Problem(key, f"does nothing with action: {self.action}", "leave it out")
        if self.action == "attest" and self.predicate and not (workspace / self.predicate).is_file():
            yield Problem("predicate", f'there is no file "{self.predicate}" in the workspace')

    def _check_key(self, workspace: Path) -> Iterator[Problem]:
        if self.keyless or kms_scheme(self.key):
            return
        name = "key" if self.key else "key-content"
        try:
            text = read_text(workspace / self.key) if self.key else (self.key_content or Secret("")).reveal()
            kind = key_kind(text)
        except (OSError, UnicodeDecodeError):
            yield Problem("key", f'there is no key file "{self.key}" in the workspace')
        except ValueError as error:
            yield Problem.of(name, error)
        else:
            if self.signs and kind == "public":
                yield Problem(name, f"is a public key, and action: {self.action} needs the private one")

    def _check_token(self, environ: Mapping[str, str]) -> Iterator[Problem]:
        token = self.token(environ)
        key = "identity-token" if self.identity_token else "identity-token-name"
        if token is None:
            name, audience = self.identity_token_name, self.oidc_client_id
            yield Problem(
                "identity-token",
                "keyless signing needs an identity token, and the job has none",
                f"add `id_tokens: {{{name}: {{aud: {audience}}}}}` to the job, or give `key-content`",
            )
            return
        try:
            decoded = IdentityToken.decode(token)
        except ValueError as error:
            yield Problem.of(key, error)
            return
        issuers = tuple(issuer for issuer in (self.oidc_issuer, self.cert_oidc_issuer) if issuer)
        for what, advice in decoded.problems(audience=self.oidc_client_id, issuers=issuers):
            yield Problem(key, what, advice)

    def _check_identity(self) -> Iterator[Problem]:
        for exact, regexp in (
            ("cert_identity", "cert_identity_regexp"),
            ("cert_oidc_issuer", "cert_oidc_issuer_regexp"),
        ):
            if getattr(self, exact) is None and getattr(self, regexp) is None:
                yield Problem(
                    exact.replace("_", "-"),
                    f"is required with action: {self.action} and no key",
                    "say who must have signed, or give `key-content`",
                )

    def _check_services(self) -> Iterator[Problem]:
        services = self.services
        if services is None:
            return
        if self.urls and self.trusted_root is None:
            yield Problem(
                "trusted-root",
                f'is required with "{self.urls[0]}"',
                "without it nobody can verify what services of your own sign",
            )
        if self.tlog and not services.get("rekorTlogUrls"):
            missing = "rekor-url" if self.signing_config is None else "signing-config"
            yield Problem(missing, "names no transparency log", 'add one, or write tlog: "false"')
        if self.keyless and not services.get("caUrls"):
            missing = "fulcio-url" if self.signing_config is None else "signing-config"
            yield Problem(missing, "names no certificate authority, and keyless signing needs one")
        if self.keyless and not self.tlog and not self.timestamped:
            yield Problem(
                "tlog",
                '"false" and keyless need a timestamp authority',
                "a certificate lives ten minutes; without a log or a timestamp nobody can verify it later",
            )


def publish_argv(
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
    )


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
        credentials = inputs.credentials(inputs.image.registry)
        environ: dict[str, str | Secret] = {"COSIGN_PASSWORD": "", **inputs.tool_environ()}
        token = inputs.token(job.environ) if inputs.keyless and inputs.signs else None
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

        registry = job.registry(credentials)
        digest = registry.resolve(inputs.image).digest
        subject = inputs.image.with_digest(digest)
        subjects = (subject, *(manifests(registry, subject) if inputs.recursive else ()))
        if inputs.image.digest is None:
            job.say(f"{inputs.image} is {digest}")
        job.output(IMAGE=subject.name, DIGEST=digest, REFERENCE=str(subject), TAGS=inputs.image.tag or "")

        if inputs.signs:
            with doing(f"signing {subject}"):
                publish(
                    cosign, inputs, publish_argv(inputs, key, document(job, inputs.services), root, subjects)
                )
        for each in subjects if inputs.verify_after_sign or not inputs.signs else ():
            if inputs.attestation:
                verify_attestation(cosign, trusted, each, inputs.predicate_type)
            else:
                verify(cosign, trusted, each, inputs.statements)
        job.say(summary(inputs, subject, len(subjects) - 1))
        return {}


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


def summary(inputs: CosignInputs, subject: Reference, below: int) -> str:
    """Return the last line of the log."""
    done = {"sign": "signed", "attest": "attested", "verify": "verified", "verify-attestation": "verified"}
    what = f" ({inputs.predicate_type})" if inputs.attestation else ""
    more = f" and {below} manifests below it" if below else ""
    after = "; verified at the registry" if inputs.signs and inputs.verify_after_sign else ""
    return f"{done[inputs.action]}{what} {subject}{more}{after}"


if __name__ == "__main__":
    Cosign.main()
