"""Google Artifact Registry: the password is a federated access token, a service account's, or its key.

Source: https://docs.cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token,
https://docs.cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken,
https://docs.cloud.google.com/artifact-registry/docs/docker/authentication#token (`#json-key` for the key).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from gocdnext_sdk.inputs.clouds.exchange import exchange
from gocdnext_sdk.oci.credentials import Credential
from gocdnext_sdk.secret import Secret
from gocdnext_sdk.workspace import read_bytes

if TYPE_CHECKING:
    from gocdnext_sdk.inputs.clouds.identity import RegistryIdentity
    from gocdnext_sdk.runtime.job import Job

KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
TOKENS = "https://sts.googleapis.com/v1/token"
ACCOUNTS = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TYPE = "urn:ietf:params:oauth:token-type"


def log_in(identity: RegistryIdentity, token: Secret, job: Job) -> Credential:
    """Exchange the token; see `table.log_in`."""
    if not identity.words and (key := service_account_key(job)):
        return Credential(identity.registry, "_json_key_base64", key)
    provider, *account = identity.words
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": f"//iam.googleapis.com/{provider}",
        "scope": SCOPE,
        "requested_token_type": f"{_TYPE}:access_token",
        "subject_token_type": f"{_TYPE}:jwt",
        "subject_token": token.reveal(),
    }
    access = exchange(job, TOKENS, form)
    if account:
        url = f"{ACCOUNTS}{account[0]}:generateAccessToken"
        answer = job.http(
            "POST", url, json={"scope": [SCOPE]}, bearer=access, assumed={"accessToken": "assumed"}
        )
        access = Secret(str(answer.json()["accessToken"]))
    return Credential(identity.registry, "oauth2accesstoken", access)


def service_account_key(job: Job) -> Secret | None:
    """Return the key of a service account that the job has in a file, in base64; None if it has none."""
    try:
        content = read_bytes(job.workspace / job.environ[KEY_FILE])
        key = json.loads(content)
        if key["type"] != "service_account":
            return None
        job.mask(Secret(str(key["private_key"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Secret(base64.b64encode(content).decode())
