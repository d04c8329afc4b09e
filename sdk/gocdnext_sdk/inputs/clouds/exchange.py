"""Exchanging one token for another at a cloud's token server (RFC 6749 §4, RFC 8693)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from gocdnext_sdk.secret import Secret

if TYPE_CHECKING:
    from gocdnext_sdk.runtime.job import Job

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def exchange(job: Job, url: str, form: Mapping[str, str], named: str = "access_token") -> Secret:
    """Send a form, and return the token that is the answer, masked from now on.

    Args:
        job: sends it.
        url: of the token server.
        form: what is sent.
        named: the field of the answer that holds the token.

    Raises:
        HttpError: the server refuses, or cannot be reached.
        LookupError, ValueError, TypeError: the answer holds no token; `table.log_in` says so.
    """
    answer = job.http("POST", url, body=urlencode(form), headers=_FORM, assumed={named: "assumed"})
    token = Secret(str(answer.json()[named]))
    job.mask(token)
    return token
