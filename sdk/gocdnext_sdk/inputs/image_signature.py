"""What it takes to demand a signature before an image is used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from gocdnext_sdk.errors import Invalid, Problem, quoted
from gocdnext_sdk.inputs.constraints import Constraint, MutuallyExclusive
from gocdnext_sdk.inputs.model import Input, PluginInputs
from gocdnext_sdk.inputs.sigstore import SigstoreDocument
from gocdnext_sdk.inputs.types import Boolean, Regexp, in_workspace
from gocdnext_sdk.tools.cosign.keys import KEY_EXAMPLES, key_kind, key_reference, kms_scheme
from gocdnext_sdk.tools.cosign.policy import Policy
from gocdnext_sdk.tools.sigstore import NOBODY, Document, logs_certificates
from gocdnext_sdk.workspace import read_text

if TYPE_CHECKING:
    from gocdnext_sdk.runtime.job import Job


def _public_key(text: str, workspace: Path | None) -> str:
    if not _is_pem(text):
        return key_reference(text, workspace)
    if key_kind(text) == "private":
        raise Invalid("holds a private key", "to verify, give the public one, cosign.pub")
    return text


def _is_pem(key: str) -> bool:
    return "-----BEGIN" in key


class ImageSignatureInputs(PluginInputs):
    """`verify-key`, or `verify-identity` and `verify-issuer`: who must have signed an image."""

    verify_key: Annotated[str, in_workspace(_public_key)] | None = Input(
        None,
        description="Take only what is signed with this key: a path in the workspace, a KMS URI, or the PEM "
        "itself.",
        examples=list(KEY_EXAMPLES[:1]),
    )
    verify_identity: str | None = Input(
        None,
        description="Take only what this identity signed keyless: the URI or e-mail in its certificate.",
    )
    verify_identity_regexp: Regexp | None = Input(
        None, description="As `verify-identity`, by a regular expression for the whole identity."
    )
    verify_issuer: str | None = Input(
        None, description="The issuer that the certificate must name, for a keyless signature."
    )
    verify_issuer_regexp: Regexp | None = Input(
        None, description="As `verify-issuer`, by a regular expression for the whole URL."
    )
    trusted_root: SigstoreDocument | None = Input(
        None,
        description="What to trust, as Sigstore's trusted root: a workspace path or the JSON. The public one "
        "if not given.",
    )
    tlog: Boolean = Input("true", description='"false": demand no entry in a transparency log.')

    listed_last: ClassVar[bool] = True
    constraints: ClassVar[tuple[Constraint, ...]] = (
        MutuallyExclusive("verify-key", "verify-identity", "verify-identity-regexp"),
        MutuallyExclusive("verify-key", "verify-issuer", "verify-issuer-regexp"),
    )

    @property
    def demands_signature(self) -> bool:
        """Whether a signature is demanded."""
        return bool(self.verify_key or self.verify_identity or self.verify_identity_regexp)

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check that the demand is complete, and that the key is a public one."""
        identity = self.verify_identity or self.verify_identity_regexp
        issuer = self.verify_issuer or self.verify_issuer_regexp
        if identity and not issuer:
            yield Problem("verify-issuer", 'is required with "verify-identity"')
        if issuer and not identity:
            yield Problem("verify-identity", 'is required with "verify-issuer"')
        yield from self._check_key_file(workspace)

    def _check_key_file(self, workspace: Path) -> Iterator[Problem]:
        key = self.verify_key
        if key is None or kms_scheme(key) or _is_pem(key):
            return
        try:
            kind = key_kind(read_text(workspace / key))
        except (OSError, UnicodeDecodeError):
            yield Problem("verify-key", f"there is no key file {quoted(key)} in the workspace")
        except ValueError as error:
            yield Problem.of("verify-key", error)
        else:
            if kind == "private":
                yield Problem(
                    "verify-key", f"{quoted(key)} is a private key", "give the public one, cosign.pub"
                )

    def policy(self, job: Job, *, insecure: bool = False) -> Policy:
        """Return who must have signed, and what proves it.

        Args:
            job: has room for keys.
            insecure: whether the image's registry may speak plain http.
        """
        key = self.verify_key
        return Policy(
            key=job.secret_file(key, "cosign.pub") if key is not None and _is_pem(key) else key,
            identity=self.verify_identity,
            identity_regexp=self.verify_identity_regexp,
            issuer=self.verify_issuer,
            issuer_regexp=self.verify_issuer_regexp,
            trusted_root=self.root_file(job, by_key=key is not None),
            tlog=self.tlog,
            sct=logs_certificates(self.trusted_root),
            insecure=insecure,
        )

    def root_file(self, job: Job, *, by_key: bool) -> str | None:
        """Return the path of the root that signatures are verified by; None: the public Sigstore's.

        A key without a log is checked with nothing of Sigstore.

        Args:
            job: has room for it.
            by_key: whether a key has signed, and no certificate says who has.
        """
        root: Document | None = self.trusted_root
        if root is None and by_key and not self.tlog:
            root = NOBODY
        return None if root is None else job.secret_file(json.dumps(root), "root.json")
