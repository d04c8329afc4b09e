"""Who signs what the job itself states of an image: a mark, a receipt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from gocdnext_sdk import Input, PluginInputs, Secret, in_workspace
from gocdnext_sdk.inputs.sigstore import SigstoreDocument
from gocdnext_sdk.tools.cosign import KEY_EXAMPLES, key_reference

TOKEN, AUDIENCE = "SIGSTORE_ID_TOKEN", "sigstore"
"""The name under which a job declares the token to sign with, and whom it is for, as for cosign."""


class SigningInputs(PluginInputs):
    """`key` and what goes with it, named as those of the cosign plugin."""

    key: Annotated[str, in_workspace(key_reference)] | None = Input(
        None,
        description="Signs `mark: attestation` and the receipt: path of a key in the workspace, or a KMS "
        "URI. With neither this nor `key-content`, signing is keyless, by the token `SIGSTORE_ID_TOKEN`.",
    )
    key_content: Secret | None = Input(
        None,
        description="The key itself, as PEM. Give it through the job's `secrets:`.",
        examples=list(KEY_EXAMPLES[1:]),
    )
    key_password: Secret | None = Input(
        None, description="Password of the private key.", tool_env="COSIGN_PASSWORD"
    )
    signing_config: SigstoreDocument | None = Input(
        None,
        description="The services to sign with, as Sigstore's signing config: a workspace path or the JSON. "
        "The public ones if not given.",
    )

    @property
    def has_key(self) -> bool:
        """Whether a key signs, and not the job's identity."""
        return bool(self.key or self.key_content)

    def can_sign(self, environ: Mapping[str, str]) -> bool:
        """Whether there is something to sign with."""
        return self.has_key or bool(environ.get(TOKEN, "").strip())
