"""Docker Hub: an OIDC connection of an organisation gives a token, which is the password.

Source: docker/login-action v4 `src/dockerhub.ts`; RFC 8693 (token exchange).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gocdnext_sdk.inputs.clouds.exchange import exchange
from gocdnext_sdk.oci.credentials import Credential
from gocdnext_sdk.secret import Secret

if TYPE_CHECKING:
    from gocdnext_sdk.inputs.clouds.identity import RegistryIdentity
    from gocdnext_sdk.runtime.job import Job

TOKENS = "https://identity.docker.com/oauth/token"
SECONDS = 3600
"""How long the login is good for; Docker Hub allows 300 to 21600."""


def log_in(identity: RegistryIdentity, token: Secret, job: Job) -> Credential:
    """Exchange the token; see `table.log_in`."""
    organisation, connection = identity.words
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": token.reveal(),
        "connection_id": connection,
        "expires_in": str(SECONDS),
    }
    return Credential(identity.registry, organisation, exchange(job, TOKENS, form))
