"""Azure Container Registry: a token of Entra ID becomes one of the registry, which is the password.

Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential,
https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md ("Calling POST /oauth2/exchange"),
https://learn.microsoft.com/azure/container-registry/container-registry-auth-service-principal#authenticate-with-the-service-principal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gocdnext_sdk.inputs.clouds.exchange import exchange
from gocdnext_sdk.oci.credentials import Credential
from gocdnext_sdk.secret import Secret

if TYPE_CHECKING:
    from gocdnext_sdk.inputs.clouds.identity import RegistryIdentity
    from gocdnext_sdk.runtime.job import Job

TOKENS = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
USER = "00000000-0000-0000-0000-000000000000"
"""The user name with which a refresh token is the password."""


def log_in(identity: RegistryIdentity, token: Secret, job: Job) -> Credential:
    """Exchange the token; see `table.log_in`."""
    if not identity.words:  # a service principal is a login as it is
        client, secret = (job.environ[name] for name in identity.cloud.keys)
        return Credential(identity.registry, client, Secret(secret))
    tenant, client = identity.words
    form = {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": token.reveal(),
        "scope": "https://management.azure.com/.default",
    }
    access = exchange(job, TOKENS.format(tenant=tenant), form)
    host = identity.registry.host
    form = {
        "grant_type": "access_token",
        "service": host,
        "tenant": tenant,
        "access_token": access.reveal(),
    }
    refresh = exchange(job, f"https://{host}/oauth2/exchange", form, "refresh_token")
    return Credential(identity.registry, USER, refresh)
