"""Keys that cosign signs and verifies with: files, PEM, and what is in a KMS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.secret import Secret, looks_secret
from gocdnext_sdk.workspace import workspace_path

KMS: Mapping[str, tuple[str, ...]] = {
    "awskms": ("AWS_",),
    "gcpkms": ("GOOGLE_", "GCE_METADATA_"),
    "azurekms": ("AZURE_", "IDENTITY_", "MSI_"),
    "hashivault": ("VAULT_", "BAO_", "TRANSIT_SECRET_ENGINE_PATH"),
    "k8s": ("KUBECONFIG", "KUBERNETES_SERVICE_"),
    "gitlab": ("GITLAB_HOST", "GITLAB_TOKEN"),
}
"""Where a key may live outside the workspace, and which of the job's variables cosign needs for it."""

KEY_EXAMPLES = tuple(
    f"-----BEGIN {kind}-----\n…\n-----END {kind}-----\n"
    for kind in ("PUBLIC KEY", "ENCRYPTED SIGSTORE PRIVATE KEY")
)
"""What keys look like; a plan takes one for a key that it does not have."""

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\r?\n.+\n-----END \1-----", re.DOTALL)

_PRIVATE = frozenset({"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"})


def key_reference(text: str, workspace: Path | None = Path()) -> str:
    """Return `text`, the path of a key in the workspace or a KMS URI.

    Raises:
        ValueError: it is neither; if it is a key itself, the message does not hold any of it.
    """
    if "-----BEGIN" in text or "\n" in text:
        raise Invalid("must be a path or a KMS URI, not key material", "give it as `key-content`")
    scheme = kms_scheme(text)
    if scheme is None:
        return workspace_path(text, workspace)
    if scheme not in KMS:
        raise Invalid(f'"{scheme}://" is not supported', f"give a path or one of {', '.join(KMS)}")
    return text


def kms_scheme(key: str | None) -> str | None:
    """Return the scheme of a key that is no file."""
    scheme, separator, _ = (key or "").partition("://")
    return scheme if separator else None


def kms_environ(key: str | None, environ: Mapping[str, str]) -> dict[str, str | Secret]:
    """Return the job's variables with which cosign reaches the KMS of `key`; nothing for a file."""
    scheme = kms_scheme(key)
    prefixes = KMS[scheme] if scheme else ()
    return {
        name: Secret(value) if looks_secret(name) else value
        for name, value in environ.items()
        if name.startswith(prefixes)
    }


def key_kind(text: str) -> Literal["private", "public"]:
    """Tell what the PEM of a key holds.

    Raises:
        ValueError: nothing that cosign can use; the message does not hold any of it.
    """
    found = _PEM.search(text)
    if found is None:
        if "-----BEGIN" in text:
            raise Invalid("the PEM has lost its line breaks or its end", "store the key file as it is")
        raise Invalid("is not PEM", 'cosign.key begins with "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"')
    if found[1] in _PRIVATE:
        return "private"
    if found[1].endswith("PUBLIC KEY"):
        return "public"
    raise Invalid(f"holds a {found[1]}", "convert it with `cosign import-key-pair`")
