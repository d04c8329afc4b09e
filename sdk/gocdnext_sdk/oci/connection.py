"""Requests to registries: over TLS or not, logged in at the registry alone, and what went wrong in words.

`exchange` sends them, `auth` logs in, and `refusals` explains.

Source: distribution-spec 1.1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import urljoin

from gocdnext_sdk.errors import RegistryError, TimedOut
from gocdnext_sdk.oci.auth import DELETE, READ, WRITE, Access, Authenticator, TokenRefused
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.exchange import Exchange
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.refusals import refusal, token_refusal, unreachable
from gocdnext_sdk.oci.transport import MAX_SECONDS, Clock, Request, Response, Transport, TransportError

_PROBE_SECONDS = 10
"""Time limit for finding out whether a registry speaks TLS."""


class NotFound(RegistryError):
    """The registry has no such manifest."""


class Connection:
    """Sends requests to registries with a job's credentials. Thread-safe.

    Args:
        credentials: the logins.
        transport: what sends.
        clock: tells the time, and waits.
        insecure: registries that may speak plain http, by the user's word.
        agent: what it says it is, as `User-Agent`.
        quote: what a registry says comes through it into messages, and in no other way.
    """

    def __init__(
        self,
        credentials: Credentials,
        transport: Transport,
        clock: Clock,
        insecure: Collection[Registry],
        agent: str,
        quote: Callable[[str], str],
    ) -> None:
        self.clock = clock
        self._credentials = credentials
        self._transport = transport
        self._insecure = insecure
        self._agent = agent
        self._quote = quote
        self._exchange = Exchange(transport, clock)
        self._auth = Authenticator(credentials, clock, insecure)
        self._speaks_tls: dict[Registry, bool] = {}

    def speaks_tls(self, registry: Registry) -> bool:
        """Tell whether `registry` speaks TLS: all do, but some of those that need not."""
        if not (registry.plain_http or registry in self._insecure):
            return True
        if registry not in self._speaks_tls:
            deadline = self.clock.monotonic() + _PROBE_SECONDS
            self._speaks_tls[registry] = self._transport.speaks_tls(registry.api_host, deadline)
        return self._speaks_tls[registry]

    def request(
        self,
        method: str,
        image: Reference,
        path: str,
        headers: dict[str, str],
        body: bytes | Path | None,
        assumed: str | None = None,
        seconds: float = MAX_SECONDS,
    ) -> Response:
        """Send a request of the registry API, and return its answer.

        Args:
            method: such as GET.
            image: names the repository.
            path: below it; or what a registry named as `Location`.
            headers: header fields.
            body: what is sent, or the file that holds it; write access is asked for if it is not None.
            assumed: the digest that a plan takes as the answer.
            seconds: the time limit.

        Raises:
            RegistryError: the registry cannot be reached, takes no login, or would have it sent elsewhere.
        """
        registry = image.registry
        scheme = "https" if self.speaks_tls(registry) else "http"
        base = f"{scheme}://{registry.api_host}/v2/{image.repository}/"
        url = urljoin(base, path)
        if scheme == "https":  # behind a proxy that speaks TLS, a registry may not know of it
            url = f"https:{url.partition(':')[2]}"
        asked = Request(method, url, {"User-Agent": self._agent, **headers}, body, assumed)
        if asked.origin != Request(method, base).origin:
            raise RegistryError(
                f"{image}: {registry} goes on at {self._quote(asked.host)}, which gets no login"
            )
        deadline = self.clock.monotonic() + seconds
        actions = DELETE if method == "DELETE" else READ if body is None else WRITE
        flow = self._auth.flow(asked, Access.to(image, actions))
        request = next(flow)
        while True:
            try:
                response = self._exchange.send(request, deadline)
            except TransportError as error:
                raise RegistryError(unreachable(request, error)) from None
            except TimedOut as timed_out:
                timed_out.name(f"waiting for {registry}")
                raise
            try:
                request = flow.send(response)
            except StopIteration as end:
                final: Response = end.value
                return final
            except TokenRefused as refused:
                why = token_refusal(refused.response, image, self._credentials, self._quote)
                raise RegistryError(f"{image}: {why}") from None

    def refused(self, response: Response, image: Reference) -> RegistryError:
        """Return the error that says why the registry refused."""
        error = NotFound if response.status == 404 else RegistryError
        return error(f"{image}: {refusal(response, image, self._credentials, self._quote)}")
