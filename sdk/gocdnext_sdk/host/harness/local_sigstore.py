"""A private Sigstore FOR LOCAL USE AND TESTS ONLY, and the issuer of the jobs' identity tokens.

The harness takes the place of the platform: it has the issuer's key and gives tokens to jobs that declare
them. Everything else (certificate authority, transparency log, timestamp authority, the issuer's public
documents) runs in one container on the jobs' network, under one name, with keys that are generated there and
never leave it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from gocdnext_sdk.contract import id_tokens
from gocdnext_sdk.contract.id_tokens import Identity
from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import ContainerSpec, Engine, Pull, named_network
from gocdnext_sdk.host.harness.given import SIGSTORE_VARIABLES
from gocdnext_sdk.host.harness.issuer import SigningKey
from gocdnext_sdk.runtime.polling import poll

IMAGE_VARIABLE = "GOCDNEXT_SIGSTORE_IMAGE"
DEFAULT_IMAGE = "ghcr.io/klinux/gocdnext-sigstore:v1"

HOST = "gocdnext.test"
"""Its host name for jobs. The top-level domain is reserved for tests (RFC 2606)."""

_READY_WITHIN = 30.0
_DOCUMENTS = '{"signing_config"'


@dataclass(frozen=True)
class LocalSigstore:
    """A running Sigstore.

    Args:
        container: its container's name.
        network: the network in which jobs reach it.
        host: its host name for jobs.
        key: the issuer's signing key.
        signing_config: names its services.
        trusted_root: what to trust when verifying.
    """

    container: str
    network: str
    host: str
    key: SigningKey = field(repr=False)
    signing_config: Mapping[str, Any] = field(repr=False)
    trusted_root: Mapping[str, Any] = field(repr=False)

    @property
    def issuer(self) -> str:
        """The issuer's URL, the `iss` of its tokens."""
        return f"http://{self.host}"

    @property
    def variables(self) -> dict[str, str]:
        """The variables that pipelines get."""
        values = (self.issuer, json.dumps(self.signing_config), json.dumps(self.trusted_root))
        return dict(zip(SIGSTORE_VARIABLES, values, strict=True))

    def token(self, identity: Identity, audiences: Sequence[str] = ("sigstore",)) -> str:
        """Return a token as the platform issues it.

        Args:
            identity: of the job that gets it.
            audiences: as the job declares them.
        """
        now = int(time.time())
        return self.key.sign(
            id_tokens.claims(
                identity, issuer=self.issuer, audiences=audiences, now=now, token_id=str(uuid4())
            )
        )

    def dump(self) -> dict[str, Any]:
        """Return the state for `load`, including the issuer's private key."""
        return {
            "container": self.container,
            "network": self.network,
            "host": self.host,
            "key": self.key.pem(),
            "signing_config": self.signing_config,
            "trusted_root": self.trusted_root,
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """Return the Sigstore that `dump` described.

        Raises:
            ValueError, TypeError, KeyError: the state is not valid.
        """
        return cls(**{**state, "key": SigningKey.load(state["key"])})

    @classmethod
    def start(cls, engine: Engine, name: str, labels: Mapping[str, str], network: str, host: str) -> Self:
        """Start one and wait until all its services answer.

        Args:
            engine: the engine.
            name: of its container.
            labels: by which it is removed.
            network: of the jobs: a network's name, or ``container:NAME``.
            host: its host name for jobs.

        Raises:
            DaemonError: it does not start, or does not answer within 30 seconds.
        """
        image = os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        advice = f"or set {IMAGE_VARIABLE} to an image of a Sigstore that the engine has"
        engine.ensure_image(image, Pull.MISSING, lambda: False, advice)
        key = SigningKey.generate()
        container = engine.create(
            ContainerSpec(
                name=name,
                image=image,
                labels=labels,
                env={"SIGSTORE_HOST": host, "SIGSTORE_JWKS": json.dumps(key.jwks())},
                network=named_network(engine, network),
                aliases=(host,),
                output="kept",
            )
        )
        engine.start(container)
        documents = _documents(engine, container)
        return cls(name, network, host, key, documents["signing_config"], documents["trusted_root"])


def _documents(engine: Engine, container: str) -> dict[str, Any]:
    """Wait for the line that the container prints once all its services answer."""

    def ask() -> dict[str, Any] | None:
        running = engine.is_running(container)
        log = engine.logs(container)
        for line in log.splitlines():
            if line.startswith(_DOCUMENTS):
                found: dict[str, Any] = json.loads(line)
                return found
        if not running:
            raise DaemonError(f"the local Sigstore exited immediately:\n{log}")
        return None

    documents = poll(ask, within=_READY_WITHIN, every=0.05)
    if documents is None:
        raise DaemonError(f"the local Sigstore does not answer within {_READY_WITHIN:.0f} s")
    return documents
