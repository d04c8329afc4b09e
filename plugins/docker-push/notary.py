"""What the job itself states of an image is signed: a mark, a receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from gocdnext_sdk import Job, Reference, Secret, ToolError, doing
from gocdnext_sdk.tools.cosign import Policy, flag, insecure_flags, verified_predicates
from gocdnext_sdk.tools.signing import SigningTool
from gocdnext_sdk.tools.sigstore import Document, logs_certificates, signing_config, urls, without_log

from .inputs import DockerPushInputs
from .signing import AUDIENCE, TOKEN


class Notary:
    """Signs statements about images, by the key or the identity of the job."""

    def __init__(self, inputs: DockerPushInputs, job: Job) -> None:
        """Open the key, if there is one: a wrong password is found before anything is published.

        Args:
            inputs: say who signs, and by which services.
            job: starts cosign.

        Raises:
            InputMismatch: the password does not open the key.
            ToolError: cosign cannot read the key.
        """
        self._inputs = inputs
        self._job = job
        if inputs.has_key:
            self._cosign.public_key()

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
        document = self._document
        services = None if document is None else self._job.secret_file(json.dumps(document), "services.json")
        argv = ["attest", *self._cosign.signed_by, *flag("--signing-config", services)]
        argv += [*flag("--trusted-root", self._own.trusted_root), *insecure_flags(insecure=insecure)]
        argv += ["--type", kind, "--predicate", predicate, str(image)]
        with doing(f"attesting {image}"):
            self._cosign.sign(*argv)
            own = replace(self._own, insecure=insecure)
            if statement not in verified_predicates(self._cosign.tool, own, image, kind, assumed=statement):
                raise ToolError("it is not at the registry; did another job attach something at that moment?")

    @cached_property
    def _cosign(self) -> SigningTool:
        """Cosign, with a token that is asked for when it is needed, since it lives for minutes."""
        inputs, job = self._inputs, self._job
        return SigningTool.ready(
            job,
            inputs.tool_environ(),
            inputs.both_credentials(job.environ).targets,
            key=inputs.key,
            content=inputs.key_content,
            token=None if inputs.has_key else _token(job),
            services=urls(self._document),
        )

    @cached_property
    def _own(self) -> Policy:
        """What proves that this job has signed."""
        inputs, key = self._inputs, self._cosign.public_key()
        return Policy(
            key=key.path if key else None,
            identity_regexp=None if key else ".+",
            issuer=self._cosign.issuer,
            trusted_root=inputs.root_file(self._job, by_key=key is not None),
            tlog=inputs.tlog,
            sct=logs_certificates(inputs.trusted_root),
        )

    @property
    def _document(self) -> Document | None:
        """The services to sign with; None: the public ones."""
        services: Document | None = self._inputs.signing_config
        return services if self._inputs.tlog else without_log(services or signing_config())


def _token(job: Job) -> Secret:
    text = job.environ.get(TOKEN, "").strip()
    token = Secret(text) if text else job.identity_token(AUDIENCE)
    if token is None:
        raise ToolError("the job has no identity token to sign with")
    return token
