"""The inputs: what is signed or verified, with which key or identity, and by which services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, WithJsonSchema

from gocdnext_sdk import (
    Always,
    Boolean,
    Credentials,
    Input,
    Invalid,
    Lines,
    MutuallyExclusive,
    OnlyWith,
    Pairs,
    Problem,
    Reference,
    References,
    Regexp,
    RegistryLoginInputs,
    RequiredIf,
    Secret,
    WorkspacePath,
    in_workspace,
    quoted,
)
from gocdnext_sdk.inputs.parsers import parse_items, parse_lines
from gocdnext_sdk.inputs.sigstore import SigstoreDocument
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.tools.cosign import KEY_EXAMPLES, key_reference, signature_registries
from gocdnext_sdk.tools.sigstore import NOBODY, Document, signing_config, without_log
from gocdnext_sdk.workspace import workspace_path

from .forms import Form
from .predicates import TYPES


def _predicate_type(text: str) -> str:
    if text not in TYPES and "://" not in text:
        raise Invalid(f"{quoted(text)} is not a predicate type", f"give a URI or one of {', '.join(TYPES)}")
    return text


def _statements(text: str, workspace: Path | None) -> tuple[tuple[Reference, str], ...]:
    found = []
    for number, item in enumerate(parse_items(text), start=1):
        image, _, path = item.partition("=")
        reference = Reference.parse(image)
        if reference.digest is None or not path:
            what = f"item {number}, {quoted(item)}, is not IMAGE@DIGEST=PATH"
            raise Invalid(what, "take trivy's output SBOMS or SCANS as it is")
        found.append((reference, workspace_path(path, workspace)))
    return tuple(found)


def _rules(text: str, workspace: Path | None) -> tuple[str, ...]:
    paths = parse_lines(text)
    for number, path in enumerate(paths, start=1):
        if not path.endswith((".cue", ".rego")):
            raise Invalid(f"item {number} is neither a .cue nor a .rego file")
    return tuple(workspace_path(path, workspace) for path in paths)


Rules = Annotated[
    tuple[str, ...], in_workspace(_rules), WithJsonSchema({"type": "string", "format": "lines"})
]
"""Paths of files with rules, in CUE or Rego."""

Statements = Annotated[
    tuple[tuple[Reference, str], ...],
    in_workspace(_statements),
    WithJsonSchema({"type": "string", "format": "items"}),
]
"""Images by digest, each with the path of a statement about it."""


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", text):
        raise Invalid(f"{quoted(text)} is not a service URL", 'write it as "https://host/path"')
    return text


Url = Annotated[str, AfterValidator(_url)]

SIGNING = ("sign", "attest", "sign-blob", "attest-blob")
"""The actions that sign."""

ON_IMAGES = ("sign", "verify", "attest", "verify-attestation")
"""The actions on images, which take a registry."""

ON_FILES = ("sign-blob", "verify-blob", "attest-blob", "verify-blob-attestation")
"""The actions on files of the workspace."""

ON_STATEMENTS = ("attest", "verify-attestation", "attest-blob", "verify-blob-attestation")
"""The actions about statements."""

LOGINS = ("username", "password", "logins", "docker-config", "registry-identity", "insecure-registries")
"""How registries are reached."""

SERVICES = ("signing-config", "fulcio-url", "rekor-url", "rekor-version", "timestamp-server-url")
"""By what is signed."""

TOKEN = ("identity-token", "identity-token-name", "oidc-client-id", "oidc-issuer")
"""Who signs without a key."""


class CosignInputs(RegistryLoginInputs):
    """The `with:` map."""

    image: References = Input(
        "",
        description="The image, or several, one per line. A tag is resolved to its digest once; that is what "
        "is signed, verified and reported.",
    )
    action: Literal[
        "sign",
        "verify",
        "attest",
        "verify-attestation",
        "sign-blob",
        "verify-blob",
        "attest-blob",
        "verify-blob-attestation",
    ] = Input(
        "sign",
        description="What to do. `attest` attaches the signed statement in `predicate`. What has `blob` in "
        "its name is about `files`.",
    )
    files: Lines = Input(
        "",
        description="Files of the workspace, one path or glob per line, such as `dist/*.tar.gz`. Beside each "
        "is its bundle: `FILE.sigstore.json`, or `FILE.TYPE.sigstore.json` for an attestation.",
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
    format: Literal["bundle", "legacy", "both"] = Input(
        "bundle",
        description="Form of what is signed or attested: a Sigstore bundle, as cosign 3 writes it; the older "
        "one, for what does not see bundles (cosign 2, Kyverno's `type: Cosign`, Harbor's mark); or both.",
    )
    recursive: Boolean = Input(
        "false",
        description="Sign, attest or verify every manifest of a multi-platform image too, not only its "
        "index.",
    )
    replace: Boolean = Input(
        "false",
        description="`attest`: remove this signer's earlier attestations of the same type, which takes the "
        "right to delete at the registry. In the older form those of others go too.",
    )
    annotations: Pairs = Input(
        "",
        description="Statements to sign along with the digest, one KEY=VALUE per line; `verify` demands "
        "them.",
    )
    predicate: WorkspacePath | None = Input(
        None,
        description="Path of the statement to attest (an SBOM, a scan …), as JSON. If it is left out with "
        "`predicate-type: slsaprovenance1`, the provenance is made of what is known of the run.",
    )
    predicates: Statements = Input(
        "",
        description="`attest`: statements about several images, one `IMAGE@DIGEST=PATH` per line or with "
        "commas between, as trivy's outputs SBOMS and SCANS have them; instead of `image` and `predicate`.",
    )
    materials: References = Input(
        "",
        description="For a provenance that is made of the run: images that went into the build, such as the "
        "base image, one per line. Each is named with its digest.",
    )
    predicate_type: Annotated[str, AfterValidator(_predicate_type)] = Input(
        "custom", description=f"Kind of the statement: a URI or one of {', '.join(TYPES)}."
    )
    policies: Rules = Input(
        "",
        description="`verify-attestation`: paths of CUE or Rego files, one per line: rules that every "
        "attestation of `predicate-type` by this signer must satisfy.",
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
    cert_identity_regexp: Regexp | None = Input(
        None, description="Keyless: as `cert-identity`, by a regular expression for the whole identity."
    )
    cert_oidc_issuer: Url | None = Input(
        None, description="Keyless: the issuer of the token that the certificate must name."
    )
    cert_oidc_issuer_regexp: Regexp | None = Input(
        None, description="Keyless: as `cert-oidc-issuer`, by a regular expression for the whole URL."
    )
    signing_config: SigstoreDocument | None = Input(
        None,
        description="The services to sign with, as Sigstore's signing config: a workspace path or the JSON. "
        "The public ones if not given.",
    )
    trusted_root: SigstoreDocument | None = Input(
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
        # An issuer beside a key would not be looked at, whoever believes that it is.
        MutuallyExclusive("key", "cert-oidc-issuer"),
        MutuallyExclusive("key", "cert-oidc-issuer-regexp"),
        MutuallyExclusive("key-content", "cert-oidc-issuer"),
        MutuallyExclusive("key-content", "cert-oidc-issuer-regexp"),
        MutuallyExclusive("cert-oidc-issuer", "cert-oidc-issuer-regexp"),
        MutuallyExclusive("signing-config", "fulcio-url"),
        MutuallyExclusive("signing-config", "rekor-url"),
        MutuallyExclusive("signing-config", "timestamp-server-url"),
        MutuallyExclusive("signing-config", "oidc-issuer"),
        RequiredIf("image", "action", "sign", "verify", "verify-attestation"),
        RequiredIf("files", "action", *ON_FILES),
        MutuallyExclusive("predicates", "image"),
        MutuallyExclusive("predicates", "predicate"),
        OnlyWith(("image", *LOGINS), "action", *ON_IMAGES),
        OnlyWith("recursive", "action", *ON_IMAGES),
        OnlyWith("recursive", "predicates", ""),
        OnlyWith("files", "action", *ON_FILES),
        OnlyWith("format", "action", "sign", "attest"),
        OnlyWith("annotations", "action", "sign", "verify"),
        OnlyWith(("replace", "predicates", "materials"), "action", "attest"),
        OnlyWith("predicate", "action", "attest", "attest-blob"),
        OnlyWith("materials", "predicate-type", "slsaprovenance1"),
        OnlyWith("materials", "predicate", ""),
        OnlyWith("materials", "predicates", ""),
        OnlyWith("predicate-type", "action", *ON_STATEMENTS),
        OnlyWith("policies", "action", "verify-attestation"),
        OnlyWith((*SERVICES, *TOKEN, "verify-after-sign"), "action", *SIGNING),
        OnlyWith(("fulcio-url", *TOKEN), "key", ""),
        OnlyWith(("fulcio-url", *TOKEN), "key-content", ""),
        OnlyWith("rekor-version", "rekor-url"),
        OnlyWith("key-password", ("key", "key-content")),
        Always("action", "key", "key-content", "tlog", "trusted-root"),
        Always("cert-identity", "cert-identity-regexp", "cert-oidc-issuer", "cert-oidc-issuer-regexp"),
    )

    @property
    def signs(self) -> bool:
        """Whether something is signed or attested."""
        return self.action in SIGNING

    @property
    def attestation(self) -> bool:
        """Whether it is about an attestation, not a signature."""
        return self.action in ON_STATEMENTS

    @property
    def done(self) -> str:
        """What the log says of a subject when it is signed or attested."""
        return f"attested ({self.predicate_type})" if self.attestation else "signed"

    @property
    def makes_provenance(self) -> bool:
        """Whether the statement is made of what is known of the run."""
        given = self.predicate is not None or self.predicates
        return self.action == "attest" and not given and self.predicate_type == "slsaprovenance1"

    @property
    def images(self) -> tuple[Reference, ...]:
        """The images that it is about."""
        return self.image or tuple(image for image, _ in self.predicates)

    @property
    def signed_annotations(self) -> tuple[tuple[str, str], ...]:
        """The annotations that are signed, or demanded."""
        return tuple((name, value or "") for name, value in self.annotations)

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms in which is signed or attested."""
        return ("bundle", "legacy") if self.format == "both" else (self.format,)

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registries of the images, each once."""
        return tuple(dict.fromkeys(each.registry for each in self.images))

    def image_registries(self, environ: Mapping[str, str], workspace: Path) -> tuple[Registry, ...]:
        """Return the registries of the images, of their signatures and of what they were made from."""
        materials = (each.registry for each in self.materials)
        return (*self.registries, *signature_registries(environ), *materials)

    @property
    def all_credentials(self) -> Credentials:
        """The logins at the registries of the images; none if it is about files."""
        return self.credentials(self.registries[0]) if self.registries else Credentials()

    @property
    def keyless(self) -> bool:
        """Whether the signer is known by a certificate instead of a key."""
        return self.key is None and self.key_content is None

    @property
    def services(self) -> Document | None:
        """The signing config; None for the public Sigstore's."""
        config: Document | None = self.signing_config
        if config is None and (self.given_urls or not self.tlog):
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
    def given_urls(self) -> list[str]:
        """The inputs that name services by their URLs."""
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
        from .checks import problems

        return problems(self, environ, workspace)
