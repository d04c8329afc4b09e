"""Who signs what the job itself states of an image: a mark, a receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from gocdnext_sdk import (
    Input,
    PluginInputs,
    Problem,
    Secret,
    in_workspace,
    quoted,
)
from gocdnext_sdk.inputs.sigstore import SigstoreDocument
from gocdnext_sdk.tools.cosign import KEY_EXAMPLES, key_kind, key_reference, kms_scheme
from gocdnext_sdk.tools.sigstore import Document, check_usable, lacking
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
    signing_config: SigstoreDocument | None = Input(
        None,
        description="The services to sign with, as Sigstore's signing config: a workspace path or the JSON. "
        "The public ones if not given.",
    )

    def check_signing(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        """Check that there is a private key, or a token that will do: the tags have moved when it signs."""
        if kms_scheme(self.key):
            return
        if not self.has_key:
            yield from _check_token(environ)
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

    def check_services(self, *, tlog: bool) -> Iterator[Problem]:
        """Check that the services can sign.

        Args:
            tlog: whether that is written to a log.
        """
        services: Document | None = self.signing_config
        if services is None and tlog:
            return
        kinds = lacking(services or {}, keyless=not self.has_key, tlog=tlog)
        if "tsaUrls" in kinds:
            what = '"false" and keyless need a timestamp authority'
            yield Problem("tlog", what, "name one in `signing-config`, or give `key-content`")
        elif "rekorTlogUrls" in kinds:
            yield Problem("signing-config", "names no transparency log", 'add one, or write tlog: "false"')
        elif kinds:
            what = "names no certificate authority, and keyless signing needs one"
            yield Problem("signing-config", what, "add one, or give `key-content`")
        try:
            check_usable(services or {}, keyless=not self.has_key, tlog=tlog)
        except ValueError as error:
            yield Problem.of("signing-config", error)

    @property
    def has_key(self) -> bool:
        """Whether a key signs, and not the job's identity."""
        return bool(self.key or self.key_content)

    def can_sign(self, environ: Mapping[str, str]) -> bool:
        """Whether there is something to sign with."""
        return self.has_key or bool(environ.get(TOKEN, "").strip())


def _check_token(environ: Mapping[str, str]) -> Iterator[Problem]:
    from gocdnext_sdk.contract.dialects import hands_out_tokens

    text = environ.get(TOKEN, "").strip()
    if not text:
        if not hands_out_tokens(environ):
            advice = f"add `id_tokens: {{{TOKEN}: {{aud: {AUDIENCE}}}}}` to the job, or give `key-content`"
            yield Problem("key", "is required to sign; the job has no identity token either", advice)
        return
    from gocdnext_sdk.tools.identity_token import IdentityToken

    try:
        problems = list(IdentityToken.decode(Secret(text)).problems(audience=AUDIENCE))
    except ValueError as error:
        problems = [(str(error), "")]
    for what, advice in problems:
        yield Problem("key", f"is not given, and the token {TOKEN} will not do: {what}", advice)
