"""Cosign, with the key or the identity, the services and the trusted root that the inputs name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from gocdnext_sdk import InputError, Job, Reference, Secret, Tool
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.tools.cosign import Policy, annotation_flags, flag, insecure_flags
from gocdnext_sdk.tools.signing import SigningTool
from gocdnext_sdk.tools.sigstore import Document, hosts, logs_certificates, service_url, urls

from .checks import token_problems
from .forms import OLDER_LOG, Form
from .inputs import CosignInputs

_TRUSTING = (
    *("SIGSTORE_ROOT_FILE", "SIGSTORE_REKOR_PUBLIC_KEY", "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE"),
    *("SIGSTORE_TSA_CERTIFICATE_FILE", "TUF_ROOT", "TUF_ROOT_JSON"),
)
"""Variables that say to cosign what to trust, and that it does not see: `trusted-root` alone says so."""


@dataclass(frozen=True)
class Signer:
    """Cosign, ready to sign or verify as the inputs say.

    Args:
        inputs: the inputs.
        cosign: has the key or the identity.
        services: path of the signing config; None: the public Sigstore's.
        root: path of the trusted root; None: the public Sigstore's.
    """

    inputs: CosignInputs
    cosign: SigningTool
    services: str | None = None
    root: str | None = None

    @classmethod
    def ready(cls, inputs: CosignInputs, job: Job) -> Self:
        """Return cosign with keys, tokens and documents in memory.

        Raises:
            InputError: the token that was handed out will not do.
        """
        token = identity(inputs, job) if inputs.keyless and inputs.signs else None
        key, content = inputs.key, inputs.key_content
        cosign = SigningTool.ready(
            job,
            inputs.tool_environ(),
            inputs.all_credentials,
            key=key,
            content=content,
            token=token,
            services=urls(inputs.services),
        )
        if cosign.private and not cosign.known and not inputs.signs:
            job.warn("verifying needs only the public key; keep the private one out of this job")
        for name in _TRUSTING if inputs.trusted_root is None else ():
            if name in job.environ:
                job.warn(f"{name} is not used: write `trusted-root`")
        services = document(job, inputs.services) if inputs.signs else None
        return cls(inputs, cosign, services, document(job, inputs.trust))

    @property
    def tool(self) -> Tool:
        """Cosign itself."""
        return self.cosign.tool

    @property
    def elsewhere(self) -> str:
        """The repository that signatures are in; empty: beside the image."""
        return self.tool.environ.get("COSIGN_REPOSITORY", "")

    @property
    def knows_itself(self) -> bool:
        """Whether it can tell its own signatures: without `cert-identity` the authority names the signer."""
        inputs = self.inputs
        return not inputs.keyless or bool(inputs.cert_identity or inputs.cert_identity_regexp)

    def policy(self, registry: Registry | None = None, form: Form | None = None) -> Policy:
        """Return who must have signed.

        After keyless signing without `cert-identity`, that is whomever the authority made of the token.

        Args:
            registry: where the image is; None: it is about files.
            form: the one form that counts; None: cosign looks for a bundle, and else for the older form.
        """
        inputs = self.inputs
        anybody = inputs.signs and not self.knows_itself
        stated = inputs.cert_oidc_issuer or inputs.cert_oidc_issuer_regexp
        key = self.cosign.public_key()
        return Policy(
            key=key.path if key else None,
            identity=inputs.cert_identity,
            identity_regexp=".+" if anybody else inputs.cert_identity_regexp,
            issuer=inputs.cert_oidc_issuer if stated else self.cosign.issuer,
            issuer_regexp=inputs.cert_oidc_issuer_regexp,
            trusted_root=self.root,
            tlog=inputs.tlog,
            sct=logs_certificates(inputs.trusted_root),
            insecure=registry is not None and inputs.is_insecure(registry),
            form="legacy" if form == "legacy" else "any",
        )

    def command(self, form: Form, subjects: Iterable[Reference], predicate: str | None = None) -> list[str]:
        """Return cosign's arguments to sign or attest.

        Args:
            form: what is written.
            subjects: what to sign, by digest, at one registry.
            predicate: path of the statement to attest; None: they are signed.
        """
        inputs, references = self.inputs, tuple(subjects)
        action = "sign" if predicate is None else "attest"
        argv = [action, *self.cosign.signed_by, *self._services(form)]
        argv += flag("--trusted-root", self.root)
        argv += insecure_flags(insecure=any(inputs.is_insecure(each.registry) for each in references))
        if predicate is not None:
            argv += flag("--predicate", predicate) + flag("--type", inputs.predicate_type)
            argv += ["--replace"] if inputs.replace and form == "legacy" else []
        argv += annotation_flags(inputs.signed_annotations)
        return argv + [str(subject) for subject in references]

    def blob_command(self, file: str, bundle: str) -> list[str]:
        """Return cosign's arguments to sign or attest a file.

        Args:
            file: its path.
            bundle: the path of what is written.
        """
        inputs = self.inputs
        argv = [inputs.action, *self.cosign.signed_by, "--bundle", bundle]
        argv += flag("--signing-config", self.services) + flag("--trusted-root", self.root)
        if inputs.attestation:
            argv += flag("--predicate", inputs.predicate) + flag("--type", inputs.predicate_type)
        return [*argv, file]

    def _services(self, form: Form) -> list[str]:
        if form == "bundle":
            return flag("--signing-config", self.services)
        argv = ["--new-bundle-format=false", "--use-signing-config=false"]
        config = self.inputs.services
        if config is None:
            return argv
        if not config.get("rekorTlogUrls"):
            argv += ["--tlog-upload=false"]
        argv += flag("--rekor-url", service_url(config, "rekorTlogUrls", OLDER_LOG))
        argv += flag("--fulcio-url", service_url(config, "caUrls")) if self.inputs.keyless else []
        return argv + flag("--timestamp-server-url", service_url(config, "tsaUrls"))

    @property
    def by(self) -> str:
        """By which services is signed, for an error: cosign's own does not always say whose it is."""
        services = self.inputs.services
        names = ["the public Sigstore"] if services is None else hosts(services)
        return f", by {', '.join(names)}" if names else ""


def identity(inputs: CosignInputs, job: Job) -> Secret | None:
    """Return the identity token to sign with: given, or handed out by the CI system on request.

    Raises:
        InputError: the latter would be refused.
    """
    if token := inputs.token(job.environ):
        return token
    token = job.identity_token(inputs.oidc_client_id)
    if token and (problems := list(token_problems(inputs, token))):
        raise InputError(problems)
    return token


def document(job: Job, content: Document | None) -> str | None:
    """Return a path from which cosign can read `content`."""
    return None if content is None else job.secret_file(json.dumps(content), "document.json")
