"""The cosign plugin."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from gocdnext_sdk import (
    Boolean,
    Findings,
    Input,
    InputError,
    Job,
    JsonDocument,
    MutuallyExclusive,
    Pairs,
    Plugin,
    Problem,
    Reference,
    RegistryClient,
    RegistryLogin,
    RequiredIf,
    Secret,
    Tool,
    ToolError,
    WorkspacePath,
)
from gocdnext_sdk.inputs.types import workspace_path
from gocdnext_sdk.oci.client import INDEX_TYPES
from gocdnext_sdk.oidc import IdentityToken
from gocdnext_sdk.sigstore import NOBODY, Document, signing_config, without_log

KMS = {
    "awskms": ("AWS_",),
    "gcpkms": ("GOOGLE_", "GCE_METADATA_"),
    "azurekms": ("AZURE_", "IDENTITY_", "MSI_"),
    "hashivault": ("VAULT_", "BAO_", "TRANSIT_SECRET_ENGINE_PATH"),
    "k8s": ("KUBECONFIG", "KUBERNETES_SERVICE_"),
    "gitlab": ("GITLAB_HOST", "GITLAB_TOKEN"),
}
"""Where a key may live outside the workspace, and which of the job's variables reach cosign for it."""

INHERITED = (
    *("DOCKER_CONFIG", "COSIGN_REPOSITORY", "COSIGN_DOCKER_MEDIA_TYPES", "COSIGN_MAX_ATTACHMENT_SIZE"),
    *("TUF_ROOT", "TUF_MIRROR", "TUF_ROOT_JSON", "SOURCE_DATE_EPOCH"),
)
"""Variables of the job that cosign sees; none of them weakens a check."""

PREDICATES = (
    *("custom", "slsaprovenance", "slsaprovenance02", "slsaprovenance1", "link"),
    *("spdx", "spdxjson", "cyclonedx", "vuln", "openvex"),
)

SIGNATURES = frozenset({"https://sigstore.dev/cosign/sign/v1", "cosign container image signature"})
"""The types of an image signature, as a bundle and in the older format."""

REFUSALS = (
    b"no signatures found",
    b"no matching signatures",
    b"no matching attestations",
    b"no certificate found on signature",
    b"none of the attestations matched",
)
"""What cosign says when it could look at everything, and none of it will do."""

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\r?\n.+\n-----END \1-----", re.DOTALL)
_PRIVATE = frozenset({"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"})


def key_kind(text: str) -> Literal["private", "public"]:
    """Tell what a key's PEM holds.

    Raises:
        ValueError: nothing that cosign can use.
    """
    found = _PEM.search(text)
    if found is None:
        if "-----BEGIN" in text:
            raise ValueError("the PEM has lost its line breaks or its end; store the key file as it is")
        raise ValueError('is no PEM; it begins with "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"')
    if found[1] in _PRIVATE:
        return "private"
    if found[1].endswith("PUBLIC KEY"):
        return "public"
    raise ValueError(f"holds a {found[1]}; convert it with `cosign import-key-pair`")


def _key(text: str) -> str:
    if "-----BEGIN" in text or "\n" in text:
        raise ValueError("is a path or a KMS URI, and this is key material; give it as `key-content`")
    scheme, separator, _ = text.partition("://")
    if not separator:
        return workspace_path(text)
    if scheme not in KMS:
        raise ValueError(f'"{scheme}://" is not known; give a path or one of {", ".join(KMS)}')
    return text


def _predicate_type(text: str) -> str:
    if text not in PREDICATES and "://" not in text:
        raise ValueError(f'"{text}" is not a predicate type; give a URI or one of {", ".join(PREDICATES)}')
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", text):
        raise ValueError(f'"{text.rpartition("@")[2]}" is not a service URL; write it as "https://host/path"')
    return text


Url = Annotated[str, AfterValidator(_url)]


class CosignInputs(RegistryLogin):
    """The `with:` map."""

    image: Reference = Input(
        description="The image. A tag is resolved to its digest once; the digest is what is signed, verified "
        "and reported."
    )
    action: Literal["sign", "verify", "attest", "verify-attestation"] = Input(
        "sign", description="What to do. `attest` attaches the signed statement in `predicate`."
    )
    key: Annotated[str, AfterValidator(_key)] | None = Input(
        None,
        description="Path of a key in the workspace, or a KMS URI (awskms, gcpkms, azurekms, hashivault, "
        "k8s, gitlab). With neither this nor `key-content`, signing is keyless.",
    )
    key_content: Secret | None = Input(
        None,
        description="The key itself, as PEM: cosign.key to sign, cosign.pub to verify. Give it through the "
        "job's `secrets:`.",
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
        description="Statements to sign along with the digest, one KEY=VALUE a line; `verify` demands them.",
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
        description="Whom to trust, as Sigstore's trusted root: a workspace path or the JSON. The public one "
        "if not given.",
    )
    fulcio_url: Url | None = Input(
        None,
        description="A certificate authority of your own, if you have no signing config. The four URLs stand "
        "for exactly the services to use, and need `trusted-root`.",
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
    def keyless(self) -> bool:
        """Whether the signer is known by a certificate instead of a key."""
        return self.key is None and self.key_content is None

    @property
    def kms(self) -> str | None:
        """The scheme of `key`, if it is no file."""
        scheme, separator, _ = (self.key or "").partition("://")
        return scheme if separator else None

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
        keys = ("fulcio_url", "rekor_url", "timestamp_server_url", "oidc_issuer")
        return [key.replace("_", "-") for key in keys if getattr(self, key) is not None]

    def token(self, environ: Mapping[str, str]) -> Secret | None:
        """Return the identity token: the input, or the job's."""
        if self.identity_token is not None:
            return self.identity_token
        text = environ.get(self.identity_token_name, "").strip()
        return Secret(text) if text else None

    def check(self, environ: Mapping[str, str]) -> Iterable[Problem]:
        """Check keys, the token and everything two inputs must agree on."""
        yield from self._check_key()
        if self.keyless:
            yield from self._check_token(environ) if self.signs else self._check_identity()
        if self.signs:
            yield from self._check_services()
        for name, value in self.annotations:
            if value is None:
                yield Problem("annotations", f'"{name}" has no value', f"write {name}=VALUE")
        if self.action.endswith(("attest", "attestation")):
            for key in ("annotations", "recursive"):
                if getattr(self, key):
                    yield Problem(key, "is for signatures; an attestation has none", "leave it out")
        if self.action == "attest" and self.predicate and not Path(self.predicate).is_file():
            yield Problem("predicate", f'there is no file "{self.predicate}" in the workspace')

    def _check_key(self) -> Iterator[Problem]:
        if self.keyless or self.kms:
            return
        name = "key" if self.key else "key-content"
        try:
            text = Path(self.key).read_text() if self.key else (self.key_content or Secret("")).reveal()
            kind = key_kind(text)
        except (OSError, UnicodeDecodeError):
            yield Problem("key", f'there is no key file "{self.key}" in the workspace')
        except ValueError as error:
            what, _, advice = str(error).partition("; ")
            yield Problem(name, what, advice)
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
            yield Problem(key, str(error))
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
                    f"is missing or empty, and action: {self.action} without a key needs it",
                    "say who must have signed, or give `key-content`",
                )

    def _check_services(self) -> Iterator[Problem]:
        services = self.services
        if services is None:
            return
        source = self.urls[0] if self.urls else "signing-config" if self.signing_config else "tlog"
        if self.urls and self.trusted_root is None:
            yield Problem(
                "trusted-root",
                f'is missing or empty, and "{source}" needs it',
                "without it nobody can verify what services of your own sign",
            )
        if self.tlog and not services.get("rekorTlogUrls"):
            missing = "signing-config" if self.signing_config else "rekor-url"
            yield Problem(missing, "names no transparency log", 'add one, or write tlog: "false"')
        if self.keyless and not services.get("caUrls"):
            missing = "signing-config" if self.signing_config else "fulcio-url"
            yield Problem(missing, "names no certificate authority, and keyless signing needs one")
        if self.keyless and not self.tlog and not self.timestamped:
            yield Problem(
                "tlog",
                '"false" and keyless need a timestamp authority',
                "a certificate lives ten minutes; without a log or a timestamp nobody can verify it later",
            )


@dataclass(frozen=True)
class Means:
    """What cosign signs and verifies with. Secrets are here as paths only.

    Args:
        key: path or URI of the key to sign with.
        public_key: path or URI of the key to verify with.
        signing_config: path of the signing config.
        trusted_root: path of the trusted root.
        issuer: the issuer of the identity token.
    """

    key: str | None = None
    public_key: str | None = None
    signing_config: str | None = None
    trusted_root: str | None = None
    issuer: str | None = None


def flag(name: str, value: str | None) -> tuple[str, ...]:
    """Return a flag and its value; nothing without one."""
    return () if value is None else (name, value)


def publish_argv(inputs: CosignInputs, means: Means, subjects: Iterable[Reference]) -> list[str]:
    """Return cosign's arguments to sign or attest `subjects`."""
    argv = [inputs.action, "--yes"]
    # The provider is named so that cosign asks no other one, and never falls back to a browser.
    argv += flag("--key", means.key) or flag("--oidc-provider", "envvar")
    argv += flag("--signing-config", means.signing_config)
    argv += flag("--trusted-root", means.trusted_root)
    if inputs.action == "attest":
        argv += (*flag("--predicate", inputs.predicate), "--type", inputs.predicate_type)
    argv += annotation_flags(inputs)
    return argv + [str(subject) for subject in subjects]


def verify_argv(inputs: CosignInputs, means: Means, subject: Reference) -> list[str]:
    """Return cosign's arguments to verify a signature or an attestation of `subject`."""
    attestation = inputs.action in ("attest", "verify-attestation")
    argv = ["verify-attestation" if attestation else "verify", "--output", "json"]
    argv += flag("--key", means.public_key) or identity_flags(inputs, means)
    argv += flag("--trusted-root", means.trusted_root)
    if not inputs.tlog:
        argv += ["--insecure-ignore-tlog"]
        argv += ["--use-signed-timestamps"] if inputs.keyless else []
    if inputs.keyless and inputs.trusted_root is not None and not inputs.trusted_root.get("ctlogs"):
        argv += ["--insecure-ignore-sct"]  # no log that could have signed one is trusted
    argv += ["--type", inputs.predicate_type] if attestation else []
    argv += annotation_flags(inputs)
    return [*argv, str(subject)]


def identity_flags(inputs: CosignInputs, means: Means) -> list[str]:
    """Return the flags that say whom a certificate must name.

    After signing without `cert-identity`, it is whomever the authority made of the token's claims.
    """
    argv = [*flag("--certificate-identity", inputs.cert_identity)]
    argv = argv or ["--certificate-identity-regexp", whole(inputs.cert_identity_regexp or ".+")]
    issuer = inputs.cert_oidc_issuer or (None if inputs.cert_oidc_issuer_regexp else means.issuer)
    if issuer is not None:
        return [*argv, "--certificate-oidc-issuer", issuer]
    return [*argv, "--certificate-oidc-issuer-regexp", whole(inputs.cert_oidc_issuer_regexp or ".+")]


def whole(expression: str) -> str:
    """Return `expression` so that it must match the whole text; cosign is content with a part of it."""
    return f"^(?:{expression})$"


def annotation_flags(inputs: CosignInputs) -> Iterator[str]:
    """Yield the annotations, each quoted as a CSV record, since cosign splits them as one."""
    for name, value in inputs.annotations:
        record = io.StringIO()
        csv.writer(record, lineterminator="").writerow([f"{name}={value}"])
        yield from ("--annotations", record.getvalue())


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

    def run(self, inputs: CosignInputs, job: Job) -> Mapping[str, str]:
        """Resolve, publish, verify."""
        credentials = inputs.credentials(inputs.image.registry)
        environ: dict[str, str | Secret] = {"COSIGN_PASSWORD": "", **inputs.tool_environ()}
        token = inputs.token(job.environ) if inputs.keyless and inputs.signs else None
        if token is not None:
            for part in (token.reveal(), *token.reveal().split(".")[1:]):
                job.mask(part)
            environ["SIGSTORE_ID_TOKEN"] = token
        environ |= kms_environ(inputs, job.environ) | job.docker_config(credentials)
        cosign = job.tool("cosign", env=environ, inherit=INHERITED)
        means = self._means(inputs, job, cosign, token)

        registry = job.registry(credentials)
        digest = registry.resolve(inputs.image).digest
        subject = inputs.image.with_digest(digest)
        subjects = (subject, *(manifests(registry, subject) if inputs.recursive else ()))
        if inputs.image.digest is None:
            job.say(f"{inputs.image} is {digest}")
        job.output(IMAGE=subject.name, DIGEST=digest, REFERENCE=str(subject), TAGS=inputs.image.tag or "")

        if inputs.signs:
            self._publish(inputs, means, cosign, subjects)
        if inputs.verify_after_sign or not inputs.signs:
            for each in subjects:
                self._verify(inputs, means, cosign, each)
        job.say(summary(inputs, subject, len(subjects) - 1))
        return {}

    def _means(self, inputs: CosignInputs, job: Job, cosign: Tool, token: Secret | None) -> Means:
        """Make everything ready that cosign reads; nothing is contacted but a KMS."""
        services, trust = (inputs.services if inputs.signs else None), inputs.trust
        key, public_key = inputs.key, inputs.key
        if not inputs.keyless and not inputs.kms:
            pem = inputs.key_content or Secret(Path(inputs.key or "").read_text())
            key = job.secret_file(pem, "cosign.key")
            public_key = key
            if key_kind(pem.reveal()) == "private":
                if not inputs.signs:
                    job.warn("verifying needs only the public key; keep the private one out of this job")
                public_key = job.secret_file(self._public_half(cosign, key), "cosign.pub")
        if inputs.keyless and inputs.trusted_root is not None and not inputs.trusted_root.get("ctlogs"):
            job.say("`trusted-root` names no certificate transparency log, so none is asked for")
        return Means(
            key=key,
            public_key=public_key,
            signing_config=None if services is None else job.secret_file(json.dumps(services), "config"),
            trusted_root=None if trust is None else job.secret_file(json.dumps(trust), "root"),
            issuer=IdentityToken.decode(token).issuer if token else None,
        )

    def _public_half(self, cosign: Tool, key: str) -> bytes:
        """Return the public key of a private one; a wrong password shows here, before anything is done."""
        done = cosign.capture("public-key", "--key", key, ok={0, 1})
        if done.exit_code == 0:
            return done.stdout
        if b"decrypt" in done.stderr:
            raise InputError(Problem("key-password", "does not open the key", "is it that key's password?"))
        raise ToolError("cosign cannot read the key; its own message is above")

    def _publish(
        self, inputs: CosignInputs, means: Means, cosign: Tool, subjects: Iterable[Reference]
    ) -> None:
        try:
            cosign.run(*publish_argv(inputs, means, subjects))
        except ToolError as error:
            if inputs.services is not None:
                raise
            advice = '`signing-config` and `trusted-root` name one of your own, tlog: "false" does without'
            raise ToolError(f"{error}; if the public Sigstore cannot be reached: {advice}") from None

    def _verify(self, inputs: CosignInputs, means: Means, cosign: Tool, subject: Reference) -> None:
        done = cosign.capture(*verify_argv(inputs, means, subject), ok={0, 1, 10, 11, 12, 13})
        if done.exit_code != 0:
            if done.exit_code == 1 and not any(refusal in done.stderr for refusal in REFUSALS):
                raise ToolError(f"cosign could not verify {subject}; its own message is above")
            raise Findings(f"not verified: {subject}; cosign's own message is above")
        if inputs.action in ("sign", "verify") and not is_signed(done.stdout):
            # cosign takes any attestation by the same signer for a signature.
            raise Findings(f"not verified: {subject} has attestations by this signer, but no signature")


def kms_environ(inputs: CosignInputs, environ: Mapping[str, str]) -> dict[str, str | Secret]:
    """Return the job's variables with which cosign reaches the KMS of `key`; nothing without one."""
    prefixes = KMS[inputs.kms] if inputs.kms else ()
    return {
        name: Secret(value) if re.search("KEY|PASSWORD|SECRET|TOKEN", name) else value
        for name, value in environ.items()
        if name.startswith(prefixes)
    }


def manifests(registry: RegistryClient, reference: Reference) -> Iterator[Reference]:
    """Yield every manifest below the index at `reference`; nothing for a single image."""
    descriptor, content = registry.manifest(reference)
    for child in content.get("manifests", ()) if descriptor.is_index else ():
        below = reference.with_digest(child["digest"])
        yield below
        if child.get("mediaType") in INDEX_TYPES:
            yield from manifests(registry, below)


def is_signed(stdout: bytes) -> bool:
    """Tell whether `cosign verify` found an image signature among what it verified."""
    try:
        return any(each["critical"]["type"] in SIGNATURES for each in json.loads(stdout))
    except (ValueError, KeyError, TypeError):
        raise ToolError("cosign verify printed no JSON that this plugin understands") from None


def summary(inputs: CosignInputs, subject: Reference, below: int) -> str:
    """Return the last line of the log."""
    done = {"sign": "signed", "attest": "attested", "verify": "verified", "verify-attestation": "verified"}
    what = f" ({inputs.predicate_type})" if inputs.action in ("attest", "verify-attestation") else ""
    more = f" and {below} manifests below it" if below else ""
    after = "; verified at the registry" if inputs.signs and inputs.verify_after_sign else ""
    return f"{done[inputs.action]}{what} {subject}{more}{after}"


if __name__ == "__main__":
    Cosign.main()
