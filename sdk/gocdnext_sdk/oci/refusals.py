"""Messages for users when a registry refuses a request or does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gocdnext_sdk.errors import excerpt
from gocdnext_sdk.oci.auth import SCHEMES, offered
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.reference import HUB, Reference
from gocdnext_sdk.oci.strict_json import parse_json
from gocdnext_sdk.oci.transport import Fault, Request, Response, TransportError

IMMUTABLE_STATUSES = (400, 403, 405, 409)
"""What registries answer when a tag is there and must not move. Seen of zot: 403; others are reported to say
400, as Amazon's, 405 or 409. Harbor's 412 is a rule of a project."""

MAY_BE_IMMUTABLE = "a tag that is there may be immutable: `existing: keep` takes the image that it names"

Excerpt = Callable[[str], str]
"""Returns a text of a server as a message may quote it."""


def refusal(response: Response, image: Reference, credentials: Credentials, quote: Excerpt = excerpt) -> str:
    """Say why a registry refused a request, and what to do about it.

    Args:
        response: its answer.
        image: what the request was about.
        credentials: those that it was made with.
        quote: what the registry says comes through it into the message, and in no other way.
    """
    registry = image.registry
    if response.status == 404:
        return _not_found(response, image, quote)
    if response.status == 412:
        return f"{registry} refused (412{_explanation(response.body, quote)}); {_rule(response.request)}"

    request = response.request
    if response.status not in (401, 403):
        reason = f"{response.status} {quote(response.reason)}".rstrip()
        return f"{registry} answered {reason}{_explanation(response.body, quote)}{_on_tag(response)}"
    sent = request is not None and "Authorization" in request.headers
    if response.status == 401 and not sent and credentials.get(registry, image.repository):
        ways = ", ".join(map(quote, offered(response))) or "no way to log in"
        understood = " or ".join(each.capitalize() for each in SCHEMES)
        return f"{registry} offers {ways}, which these credentials cannot answer; {understood} is supported"
    act = "write" if request is not None and request.method in ("PUT", "POST") else "read"
    return _login_refusal(response, image, credentials, act, quote) + _on_tag(response)


def _not_found(response: Response, image: Reference, quote: Excerpt) -> str:
    """Say what is not there: of a write, the repository, where the registry does not make it, as Amazon's.

    An upload begins in a repository, and in nothing else.
    """
    method = response.request.method if response.request else ""
    if method == "POST" or (method == "PUT" and code_of(response) == "NAME_UNKNOWN"):
        said = _explanation(response.body, quote)
        return f"there is no such repository, and {image.registry} does not make it by a push{said}"
    said = _explanation(response.body, quote) if method == "PUT" else ""
    return f"not found{said}; is it pushed, and is the name right?{_hint(image)}"


def _on_tag(response: Response) -> str:
    """Say what a refused tag may be: registries have no common answer for one that must not move."""
    request = response.request
    if response.status not in IMMUTABLE_STATUSES or request is None or request.method != "PUT":
        return ""
    tag = request.url.rpartition("/manifests/")[2]
    return "" if not tag or ":" in tag else f"; {MAY_BE_IMMUTABLE}"


def _rule(request: Request | None) -> str:
    """Say what 412 means: a rule of the project, as Harbor has them.

    Source: goharbor/harbor `src/server/middleware/` (`contenttrust`, `vulnerable`, `immutable`).
    """
    if request is not None and request.method in ("PUT", "POST", "PATCH", "DELETE"):
        return "is the tag immutable by a rule of the project? Push another one, or let the rule leave it out"
    return "the project gives out only what is signed, or has no findings: sign it or scan it there first"


def token_refusal(
    response: Response, image: Reference, credentials: Credentials, quote: Excerpt = excerpt
) -> str:
    """Say why a registry's token server gave no token; arguments as for `refusal`."""
    if response.status in (400, 401, 403, 404, 405):
        return _login_refusal(response, image, credentials, "read", quote)
    server = response.request.host if response.request else "its token server"
    reason = f"{response.status} {quote(response.reason)}".rstrip()
    said = _explanation(response.body, quote)
    return f"{server}, the token server of {image.registry}, answered {reason}{said}"


def _login_refusal(
    response: Response, image: Reference, credentials: Credentials, act: str, quote: Excerpt
) -> str:
    registry = image.registry
    credential = credentials.get(registry, image.repository)
    if credential is None:
        return f"{registry} requires credentials; give `username` and `password`{_hint(image)}"
    name = f'the credentials "{excerpt(credential.username)}"' if credential.username else "the token"
    said = _explanation(response.body, quote)
    return (
        f"{registry} refused {name} ({response.status}{said}); "
        f"is the password right, and may this user {act} there?{_hint(image)}"
    )


def unreachable(request: Request, error: TransportError) -> str:
    """Say why no answer came, and what to do if that is known."""
    host = request.host
    if error.fault is Fault.LIMIT:
        return f"{host} {error}"
    if error.fault is Fault.NO_TLS:
        advice = "serve it with TLS, or name it in `insecure-registries`"
        return f"{host} does not speak TLS; {advice}"
    if error.fault is Fault.TLS:
        return f"{host} cannot be reached: TLS failed: {error}"
    return f"{host} cannot be reached: {error}"


def _hint(image: Reference) -> str:
    """Say where the name leads, if it looks as if its registry had been forgotten."""
    # Nobody but Docker publishes there.
    unnamed = image.registry.host == HUB and image.repository.startswith("library/")
    return f'; "{image.short_name}" names no registry, so it is on Docker Hub' if unnamed else ""


def _explanation(body: bytes, quote: Excerpt) -> str:
    """Return what a registry says about an error, such as a tag that must not move; empty if it says nothing.

    Source: distribution-spec 1.1.1, "Error Codes".
    """
    first = _first(body)
    line = quote(str(first.get("message") or first.get("code") or ""))
    return f': "{line}"' if line else ""


def code_of(response: Response) -> str:
    """Return the code of the first error in a registry's answer, such as UNSUPPORTED; else nothing."""
    return str(_first(response.body).get("code") or "")


def _first(body: bytes) -> dict[str, Any]:
    """Return the first error in an answer."""
    try:
        first = parse_json(body)["errors"][0]
    except (LookupError, TypeError, ValueError):
        return {}
    return first if isinstance(first, dict) else {}
