"""Who signs what the job itself states of an image: a mark, a receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from gocdnext_sdk import (
    Input,
    JsonDocument,
    PluginInputs,
    Problem,
    Secret,
    in_workspace,
    quoted,
)
from gocdnext_sdk.tools.cosign import KEY_EXAMPLES, key_kind, key_reference, kms_scheme
from gocdnext_sdk.workspace import read_text

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
    signing_config: JsonDocument | None = Input(
        None,
        description="The services to sign with, as Sigstore's signing config: a workspace path or the JSON. "
        "The public ones if not given.",
    )

    def check_signing(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        """Check that there is a private key, or a token."""
        if kms_scheme(self.key):
            return
        if not self.has_key:
            from gocdnext_sdk.contract.dialects import hands_out_tokens

            if not environ.get(TOKEN, "").strip() and not hands_out_tokens(environ):
                advice = (
                    f"add `id_tokens: {{{TOKEN}: {{aud: {AUDIENCE}}}}}` to the job, or give `key-content`"
                )
                yield Problem("key", "is required to sign; the job has no identity token either", advice)
            return
        name = "key" if self.key else "key-content"
        try:
            content = self.key_content.reveal() if self.key_content else read_text(workspace / str(self.key))
            if key_kind(content) == "public":
                yield Problem(name, "is a public key; signing takes the private one")
        except (OSError, UnicodeDecodeError):
            yield Problem("key", f"there is no key file {quoted(self.key)} in the workspace")
        except ValueError as error:
            yield Problem.of(name, error)

    @property
    def has_key(self) -> bool:
        """Whether a key signs, and not the job's identity."""
        return bool(self.key or self.key_content)

    def can_sign(self, environ: Mapping[str, str]) -> bool:
        """Whether there is something to sign with."""
        return self.has_key or bool(environ.get(TOKEN, "").strip())
