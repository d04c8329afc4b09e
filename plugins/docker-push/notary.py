"""What the job itself states of an image is signed: a mark, a receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gocdnext_sdk import (
    Credentials,
    InputError,
    Job,
    Problem,
    Reference,
    Secret,
    Tool,
    ToolError,
    doing,
)
from gocdnext_sdk.tools.cosign import (
    INHERITED,
    Policy,
    flag,
    insecure_flags,
    kms_environ,
    kms_scheme,
    show,
    verified_predicates,
)
from gocdnext_sdk.tools.identity_token import IdentityToken
from gocdnext_sdk.tools.sigstore import NOBODY, Document, signing_config, without_log
from gocdnext_sdk.tools.transient import patiently
from gocdnext_sdk.workspace import read_text

from .signing import AUDIENCE, TOKEN, SigningInputs


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
            own = replace(self._own, insecure=insecure)
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
