"""What the job itself states of an image, and signs: a mark, a receipt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from gocdnext_sdk import (
    Credentials,
    Input,
    InputError,
    JsonDocument,
    PluginInputs,
    Problem,
    Reference,
    Secret,
    ToolError,
    doing,
    in_workspace,
    quoted,
)
from gocdnext_sdk.contract.dialects import hands_out_tokens
from gocdnext_sdk.tools.cosign import (
    INHERITED,
    KEY_EXAMPLES,
    Policy,
    flag,
    insecure_flags,
    key_kind,
    key_reference,
    kms_environ,
    kms_scheme,
    show,
    verified_predicates,
)
from gocdnext_sdk.tools.identity_token import IdentityToken
from gocdnext_sdk.tools.sigstore import NOBODY, Document, signing_config, without_log
from gocdnext_sdk.tools.transient import patiently
from gocdnext_sdk.workspace import read_text

if TYPE_CHECKING:
    from gocdnext_sdk import Job, Tool

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
        if self.key is None and self.key_content is None:
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

    def can_sign(self, environ: Mapping[str, str]) -> bool:
        """Whether there is something to sign with."""
        return bool(self.key or self.key_content or environ.get(TOKEN, "").strip())


class Notary:
    """Signs statements about images, by the key or the identity of the job."""

    def __init__(self, inputs: SigningInputs, job: Job, credentials: Credentials, policy: Policy) -> None:
        """Make key, token and services ready.

        Args:
            inputs: say who signs.
            job: starts cosign.
            credentials: the logins at the registries of the images.
            policy: what proves a signature; whose it must be is not taken from it.

        Raises:
            InputError: the password does not open the key.
            ToolError: cosign cannot read the key, or there is no token.
        """
        self._job = job
        environ: dict[str, str | Secret] = {"COSIGN_PASSWORD": "", **inputs.tool_environ()}
        environ |= kms_environ(inputs.key, job.environ) | job.docker_config(credentials)
        by, key, issuer = ["--oidc-provider", "envvar"], None, None
        if inputs.key or inputs.key_content:
            tool = job.tool("cosign", env=environ, inherit=INHERITED)
            by, key = _keys(inputs, job, tool)
        else:
            token = _token(job)
            environ["SIGSTORE_ID_TOKEN"] = token
            issuer = IdentityToken.decode(token).issuer
        self._tool = job.tool("cosign", env=environ, inherit=INHERITED)
        services: Document | None = inputs.signing_config
        if not policy.tlog:
            services = without_log(services or signing_config())
        root = policy.trusted_root
        if root is None and key and not policy.tlog:
            root = job.secret_file(json.dumps(NOBODY), "nobody.json")
        self._argv = [*by, *flag("--trusted-root", root)]
        if services is not None:
            self._argv += ["--signing-config", job.secret_file(json.dumps(services), "services.json")]
        self._own = Policy(
            key=key,
            identity_regexp=None if key else ".+",
            issuer=issuer,
            trusted_root=root,
            tlog=policy.tlog,
            sct=policy.sct,
        )

    def attest(
        self, image: Reference, kind: str, statement: Mapping[str, Any], *, insecure: bool = False
    ) -> None:
        """Attest a statement about an image, and verify at the registry that it is there.

        Args:
            image: by digest.
            kind: the predicate type, a URI.
            statement: the predicate.
            insecure: whether the registry may speak plain http.

        Raises:
            ToolError: cosign failed, or it is not there.
        """
        predicate = self._job.secret_file(json.dumps(statement), "predicate.json")
        argv = ["attest", "--yes", *self._argv, *insecure_flags(insecure=insecure)]
        argv += ["--type", kind, "--predicate", predicate, str(image)]
        with doing(f"attesting {image}"):
            done = patiently(lambda: self._tool.quietly(*argv, ok={0, 1}))
            if done.exit_code != 0:
                show(done)
                raise ToolError("cosign failed; its own message is above")
            own = Policy(**{**vars(self._own), "insecure": insecure})
            if statement not in verified_predicates(self._tool, own, image, kind, assumed=statement):
                raise ToolError("it is not at the registry; did another job attach something at that moment?")


def _keys(inputs: SigningInputs, job: Job, cosign: Tool) -> tuple[list[str], str]:
    """Return the flags of the key to sign with, and path or URI of the one to verify with."""
    if inputs.key and kms_scheme(inputs.key):
        return ["--key", inputs.key], inputs.key
    pem = inputs.key_content or Secret(read_text(job.workspace / str(inputs.key)))
    key = job.secret_file(pem, "cosign.key")
    done = cosign.capture("public-key", "--key", key, ok={0, 1}, assumed=b"")
    if b"decrypt" in done.stderr:
        raise InputError(Problem("key-password", "does not open the key", "is it that key's password?"))
    if done.exit_code != 0:
        raise ToolError("cosign cannot read the key; its own message is above")
    return ["--key", key], job.secret_file(done.stdout, "cosign.pub")


def _token(job: Job) -> Secret:
    text = job.environ.get(TOKEN, "").strip()
    token = Secret(text) if text else job.identity_token(AUDIENCE)
    if token is None:
        raise ToolError("the job has no identity token to sign with")
    for part in (token.reveal(), *token.reveal().split(".")[1:]):
        job.mask(part)
    return token
