"""Fetch an identity token where the CI system hands it out on request.

Source: "OpenID Connect reference" in GitHub's documentation; actions/toolkit `core/src/oidc-utils.ts`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from gocdnext_sdk.contract.dialects.base import TokenRequest
from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.oci.exchange import Exchange
from gocdnext_sdk.oci.http import HttpTransport
from gocdnext_sdk.oci.transport import SYSTEM_CLOCK, Request, TransportError
from gocdnext_sdk.secret import Secret

SECONDS = 30
"""For the whole exchange."""


def fetch(request: TokenRequest, environ: Mapping[str, str]) -> Secret:
    """Return the token.

    Raises:
        ToolError: there is none; the message holds nothing of the credential or of the answer.
    """
    headers = {"Authorization": f"Bearer {environ[request.bearer]}", "Accept": "application/json"}
    get = Request("GET", request.url, headers)
    what = "the CI system hands out no identity token"
    try:
        answer = Exchange(HttpTransport(), SYSTEM_CLOCK).send(get, time.monotonic() + SECONDS)
    except TransportError as error:
        raise ToolError(f"{what}: {get.host}: {error}") from None
    if answer.status != 200:
        raise ToolError(f"{what}: {get.host} answered {answer.status}", "may the job have one?")
    try:
        token = json.loads(answer.body)["value"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token:
        raise ToolError(f"{what}: the answer of {get.host} holds none")
    return Secret(token)
