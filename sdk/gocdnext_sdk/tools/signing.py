"""Cosign with what a job signs with: a key, one in a KMS, or the job's identity.

What it needs for that is in memory: key, password, token and logins.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from gocdnext_sdk.errors import HttpError, InputMismatch, ToolError
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.room import at_once
from gocdnext_sdk.runtime.runner import Completed
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.secret import Secret
from gocdnext_sdk.tools.cosign.environment import INHERITED
from gocdnext_sdk.tools.cosign.keys import key_kind, kms_environ, kms_scheme
from gocdnext_sdk.tools.identity_token import IdentityToken
from gocdnext_sdk.tools.transient import patiently
from gocdnext_sdk.workspace import read_text

OPENING_BYTES = 128 * 1024 * 1024
"""What cosign takes to open a private key; half of it is scrypt's."""


class PublicKey(NamedTuple):
    """A key to verify with.

    Args:
        path: of its file, or its URI in a KMS.
        pem: the key itself; None: it is in a KMS.
    """

    path: str
    pem: str | None = None


@dataclass
class SigningTool:
    """Cosign with a key or an identity. `ready` makes it.

    Args:
        job: has the memory for what cosign prints.
        tool: cosign, with what it needs in its environment.
        private: path or URI of the key to sign with; None: by an identity, or there is nothing to sign with.
        known: the public key, if it need not be derived from the private one.
        issuer: the issuer of the identity token that is signed with.
        services: URLs of what else takes part in signing.
    """

    job: Job = field(repr=False)
    tool: Tool
    private: str | None = None
    known: PublicKey | None = None
    issuer: str | None = None
    services: Sequence[str] = ()
    _asked: Completed | None = field(default=None, init=False)
    """How cosign ended that was asked for the public key."""

    @classmethod
    def ready(
        cls,
        job: Job,
        environ: Mapping[str, str | Secret],
        credentials: Credentials,
        *,
        key: str | None = None,
        content: Secret | None = None,
        token: Secret | None = None,
        services: Sequence[str] = (),
    ) -> Self:
        """Return cosign with a key or a token; with neither it verifies by certificates alone.

        Args:
            job: starts cosign.
            environ: the password of the key, as `COSIGN_PASSWORD`.
            credentials: the logins at the registries of the images.
            key: path of a key in the workspace, or its URI in a KMS.
            content: the key itself, as PEM, private or public.
            token: the identity token to sign with.
            services: URLs of the certificate authority, the log and the timestamp authority.

        Raises:
            ValueError: the key is none.
        """
        given: dict[str, str | Secret] = {"COSIGN_PASSWORD": "", **environ}
        if token is not None:
            for part in (token.reveal(), *token.reveal().split(".")[1:]):
                job.mask(part)
            given["SIGSTORE_ID_TOKEN"] = token
        given |= kms_environ(key, job.environ) | job.docker_config(credentials)
        tool = job.tool("cosign", env=given, inherit=INHERITED)
        if key and kms_scheme(key):
            return cls(job, tool, key, PublicKey(key), services=services)
        if key or content:
            pem = content or Secret(read_text(job.workspace / str(key)))
            path = job.secret_file(pem, "cosign.key")
            if key_kind(pem.reveal()) == "public":
                return cls(job, tool, known=PublicKey(path, pem.reveal()))
            return cls(job, tool, path, services=services)
        issuer = IdentityToken.decode(token).issuer if token else None
        return cls(job, tool, issuer=issuer, services=services)

    @property
    def signed_by(self) -> list[str]:
        """The flags that say what to sign with, and to ask nobody for anything."""
        # The provider is named so that cosign asks no other one and never starts a login by browser.
        by = ["--key", self.private] if self.private else ["--oidc-provider", "envvar"]
        return ["--yes", *by]

    def public_key(self) -> PublicKey | None:
        """Return the key to verify with; None: there is a certificate instead.

        Raises:
            InputMismatch: the password does not open the private key.
            ToolError: cosign cannot read it.
        """
        if self.known or self.private is None:
            return self.known
        done = self._asked or self.tool.quietly(*self._question, ok={0, 1}, assumed=b"")
        if done.exit_code != 0:
            _show(done)
        if b"decrypt" in done.stderr:
            raise InputMismatch("key-password", "does not open the key", "is it that key's password?")
        if done.exit_code != 0:
            raise ToolError("cosign cannot read the key; its own message is above")
        self.known = PublicKey(self.job.secret_file(done.stdout, "cosign.pub"), done.stdout.decode())
        return self.known

    def sign(self, *argv: object) -> None:
        """Run a command that signs, again after a failure that may pass.

        Raises:
            InputMismatch: the password does not open the key.
            ToolError: cosign failed.
        """
        done = patiently(lambda: self.attempt(*argv), self.pause)
        if done.exit_code != 0:
            raise self.failure(done)

    def attempt(self, *argv: object) -> Completed:
        """Run a command that signs once, and return how it ended.

        The public key is asked for beside the first one, if there is room: opening the private key is most of
        the work of both.
        """
        if self.known or self.private is None or self._asked or at_once(OPENING_BYTES) < 2:
            return self.tool.quietly(*argv, ok={0, 1})
        asked, signed = self.tool.quietly_each([self._question, argv], ok={0, 1}, assumed=b"")
        if isinstance(asked, Completed):  # or it is asked again when the key is needed
            self._asked = asked
        if isinstance(signed, ToolError):
            raise signed
        return signed

    def pause(self, seconds: float) -> None:
        """Wait, and then as long as the services ask for, up to a minute each.

        The clients of the SDK heed `Retry-After`, which cosign does not.
        """
        time.sleep(seconds)
        for url in self.services:
            with suppress(HttpError):
                self.job.http("GET", url, ok=range(100, 600), seconds=70)

    def failure(self, done: Completed, hint: str = "") -> ToolError:
        """Return the error of a command that has failed.

        Args:
            done: how it ended.
            hint: what else may help.

        Raises:
            InputMismatch: it failed because the password does not open the key.
        """
        self.public_key()
        _show(done)
        return ToolError(f"cosign failed; its own message is above{hint and f'; {hint}'}")

    @property
    def _question(self) -> tuple[object, ...]:
        return ("public-key", "--key", self.private)


def _show(done: Completed) -> None:
    from gocdnext_sdk.tools.cosign.verification import show

    show(done)
