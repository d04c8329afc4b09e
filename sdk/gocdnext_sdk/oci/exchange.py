"""One request with its redirects and retries, within one deadline.

Source: RFC 9110 §15.4 (redirects), §10.2.3 (Retry-After); distribution-spec 1.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from gocdnext_sdk.oci.transport import (
    SYSTEM_CLOCK,
    Clock,
    Fault,
    Request,
    Response,
    Transport,
    TransportError,
)

MAX_TRIES = 5
MAX_REDIRECTS = 5
MAX_RETRY_AFTER = 60
"""Seconds. If a registry asks for an hour, its answer is the last one, and the job fails."""

BUSY = (429, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)
_MOVED_WITH_METHOD = (307, 308)
TRANSIENT = (Fault.REFUSED, Fault.BROKEN)
"""Faults for which a retry may help."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be sent twice with the effect of once (RFC 9110 §9.2.2)."""


@dataclass(frozen=True)
class Exchange:
    """Sends requests over a transport, follows redirects, and retries when a server is busy.

    Args:
        transport: sends single requests.
        clock: tells the time.
        transient: faults after which a request is sent again.
        busy: statuses after which it is.
    """

    transport: Transport
    clock: Clock = SYSTEM_CLOCK
    transient: tuple[Fault, ...] = TRANSIENT
    busy: tuple[int, ...] = BUSY

    def send(self, request: Request, deadline: float) -> Response:
        """Return the answer after all redirects.

        Its `request` is the last one that was sent. If that has another origin, another server answered,
        and it did not get the `Authorization` header.

        Raises:
            TransportError: no answer within the deadline.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send_patiently(request, deadline)
            following = _redirect(request, response)
            if following is None:
                return replace(response, request=request)
            request = following
        raise TransportError(Fault.INVALID, f"redirects more than {MAX_REDIRECTS} times")

    def _send_patiently(self, request: Request, deadline: float) -> Response:
        for attempt in range(1, MAX_TRIES + 1):
            last = attempt == MAX_TRIES
            wait = _backoff(attempt)
            try:
                response = self.transport.send(request, deadline)
            except TransportError as error:
                if last or error.fault not in self.transient or self._left(deadline) < wait:
                    raise
            else:
                if last or response.status not in self.busy:
                    return response
                asked = _retry_after(response)
                wait = wait if asked is None else asked
                if wait > MAX_RETRY_AFTER or self._left(deadline) < wait:
                    return response
            if wait:
                self.clock.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _left(self, deadline: float) -> float:
        return deadline - self.clock.monotonic()


def _backoff(attempt: int) -> float:
    """Return the seconds to wait after an attempt that failed: none after the first, then 1, 2 and 4."""
    return 0.0 if attempt == 1 else 0.25 * 2**attempt


def _redirect(request: Request, response: Response) -> Request | None:
    """Return the request that follows a redirect; None if there is no redirect, or it must not be followed.

    Raises:
        TransportError: the target is not valid, or the redirect leads from TLS to plain http.
    """
    location = response.headers.get("Location")
    if response.status not in _MOVED or not location:
        return None
    # Elsewhere, only a question may be asked again: after a DELETE, 303 names a page to look at.
    is_question = request.body is None and request.method in ("GET", "HEAD")
    if not is_question and response.status not in _MOVED_WITH_METHOD:
        return None
    try:
        url = urljoin(request.url, location)
        parts = urlsplit(url)
        following = replace(request, url=url)
        foreign = following.origin != request.origin
    except ValueError:
        raise TransportError(Fault.INVALID, "redirects to something that is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise TransportError(Fault.INVALID, "redirects to something that is not a registry's URL")
    if parts.scheme == "http" and urlsplit(request.url).scheme == "https":
        raise TransportError(Fault.INVALID, f"redirects from https to plain http at {parts.hostname}")
    if request.method == "POST" and foreign:  # its body is a secret
        return None
    return following.foreign() if foreign else following


def _retry_after(response: Response) -> float | None:
    """Return the seconds in `Retry-After`, which is a number or a date; None without a valid one."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
        left = (then if then.tzinfo else then.replace(tzinfo=UTC)) - datetime.now(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, left.total_seconds())
