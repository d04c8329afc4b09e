"""ECR: the token assumes a role at STS, and the role's keys get a password from ECR.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html,
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (version 4).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit

from gocdnext_sdk.errors import HttpError
from gocdnext_sdk.oci.credentials import Credential
from gocdnext_sdk.oci.plain_http import may_be_plain
from gocdnext_sdk.secret import Secret

if TYPE_CHECKING:
    from gocdnext_sdk.inputs.clouds.identity import RegistryIdentity
    from gocdnext_sdk.runtime.job import Job

_ASSUMED_KEYS = (
    "<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
)
_ASSUMED_LOGIN = base64.b64encode(b"AWS:assumed").decode()
_SESSION = re.compile(r"[^\w+=,.@-]+")


class Keys(NamedTuple):
    """What signs requests, for an hour."""

    identity: str
    secret: Secret
    session: Secret


def log_in(identity: RegistryIdentity, token: Secret, job: Job) -> Credential:
    """Exchange the token; see `table.log_in`."""
    host = identity.registry.host.split(".")
    region, suffix = host[host.index("amazonaws") - 1], ".".join(host[host.index("amazonaws") :])
    sts = _endpoint(job, "STS", f"https://sts.{region}.{suffix}")
    keys = _assume(identity.words[0], token, sts, job) if identity.words else _given(job)
    api = _endpoint(job, "ECR", f"https://api.ecr.{region}.{suffix}")
    body = json.dumps({"registryIds": [host[0]]})
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
    }
    answer = job.http(
        "POST",
        f"{api}/",
        body=body,
        headers=headers | signature(keys, f"{api}/", region, "ecr", headers, body, datetime.now(UTC)),
        ok=range(100, 600),
        assumed={"authorizationData": [{"authorizationToken": _ASSUMED_LOGIN}]},
    )
    if answer.status != 200:
        told = answer.json()
        raise _refusal(job, api, answer.status, str(told.get("__type", "")), str(told.get("message", "")))
    pair = str(answer.json()["authorizationData"][0]["authorizationToken"])
    job.mask(pair)
    user, _, password = base64.b64decode(pair, validate=True).decode().partition(":")
    return Credential(identity.registry, user, Secret(password))


def _given(job: Job) -> Keys:
    """Return the keys that the job has, as AWS' own tools find them."""
    given = (Secret(job.environ.get(f"AWS_{name}", "")) for name in ("SECRET_ACCESS_KEY", "SESSION_TOKEN"))
    return Keys(job.environ["AWS_ACCESS_KEY_ID"], *given)


def _assume(role: str, token: Secret, sts: str, job: Job) -> Keys:
    name = _SESSION.sub("-", f"{job.ci.job or 'job'}-{job.ci.run_id or 'run'}")[:64]
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": f"gocdnext-{name}"[:64],
        "WebIdentityToken": token.reveal(),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = job.http(
        *("POST", f"{sts}/"),
        body=urlencode(form),
        headers=headers,
        ok=range(100, 600),
        assumed=_ASSUMED_KEYS,
    )
    if answer.status != 200:
        code, message = _field(answer.text, "Code"), _field(answer.text, "Message")
        raise _refusal(job, sts, answer.status, code, message)
    keys = Keys(
        _field(answer.text, "AccessKeyId"),
        Secret(_field(answer.text, "SecretAccessKey")),
        Secret(_field(answer.text, "SessionToken")),
    )
    if not all(keys):
        raise ValueError("no keys")
    job.mask(keys.secret)
    job.mask(keys.session)
    return keys


def signature(
    keys: Keys, url: str, region: str, service: str, headers: Mapping[str, str], body: str, now: datetime
) -> dict[str, str | Secret]:
    """Return the header fields that sign a POST request without a query.

    Args:
        keys: who asks.
        url: the request's.
        region: the service's.
        service: as signatures name it.
        headers: the other fields, all of which are signed.
        body: what is sent.
        now: the time, in UTC.
    """
    parts, stamp, day = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    own: dict[str, str | Secret] = {"X-Amz-Date": stamp}
    if keys.session:
        own["X-Amz-Security-Token"] = keys.session
    bare = {name: value.reveal() if isinstance(value, Secret) else value for name, value in own.items()}
    signed = {name.lower(): value for name, value in {**headers, **bare, "Host": parts.netloc}.items()}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = f"POST\n{parts.path}\n\n{lines}\n{names}\n{_hash(body)}"
    scope = f"{day}/{region}/{service}/aws4_request"
    key = f"AWS4{keys.secret.reveal()}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    told = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{_hash(request)}"
    made = hmac.digest(key, told.encode(), "sha256").hex()
    credential = f"Credential={keys.identity}/{scope}"
    return own | {
        "Authorization": Secret(f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={made}")
    }


def _endpoint(job: Job, service: str, default: str) -> str:
    """Return where a service is: where AWS' own variables say, or in public."""
    given = job.environ.get(f"AWS_ENDPOINT_URL_{service}") or job.environ.get("AWS_ENDPOINT_URL") or default
    try:
        parts = urlsplit(given)
    except ValueError:  # which quotes it
        raise HttpError("AWS_ENDPOINT_URL is not a URL") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and may_be_plain(parts.netloc)):
        raise HttpError(f"AWS_ENDPOINT_URL names {parts.netloc or 'no host'} without TLS")
    return given.rstrip("/")


def _refusal(job: Job, url: str, status: int, code: str, message: str) -> HttpError:
    said = ": ".join(filter(None, map(job.excerpt, (code.rpartition("#")[2], message))))
    what = f"{urlsplit(url).netloc} answered {status}{f': {said}' if said else ''}"
    return HttpError(what, "does the role trust this issuer, this audience and this subject?", status=status)


def _field(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", xml)
    return unescape(found[1].strip()) if found else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
