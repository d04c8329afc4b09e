"""Authentication: a generator that yields requests and is sent their answers, as in httpx' `_auth.py`.

The dance is: the request as it is (or with what answered the last challenge); on a 401, for the best
challenge that is understood, a token from the server it names, or the password itself; the request again.

Source: RFC 9110 §11, RFC 7617 (Basic), RFC 6750 (Bearer); distribution `docs/content/spec/auth/token.md`
(GET for a token) and `oauth.md` (POST with a refresh token).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.challenges import Challenge, parse_challenges
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.plain_http import may_be_plain
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.strict_json import parse_json
from gocdnext_sdk.oci.transport import SYSTEM_CLOCK, Clock, Request, Response

READ, WRITE, DELETE = "pull", "pull,push", "pull,push,delete"
"""The actions that a token is requested for."""

SCHEMES = ("bearer", "basic")
"""The supported schemes, the better one first: a token grants less than a password."""

_CLIENT = "gocdnext-plugin-sdk"
"""The `client_id` of a refresh token's POST."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")

_MIN_LIFE = 60
"""Seconds that a token is used if its server names no lifetime, or a shorter one (token.md, `expires_in`)."""

_MAX_LIFE = 86_400
"""Seconds that a token is used at most: more is a number that only a broken server sends."""

Flow = Generator[Request, Response, Response]


@dataclass(frozen=True)
class Access:
    """What a request is allowed to do.

    Args:
        registry: the registry.
        repository: the repository there.
        actions: `READ`, `WRITE` or `DELETE`.
    """

    registry: Registry
    repository: str
    actions: str

    @classmethod
    def to(cls, image: Reference, actions: str) -> Access:
        """Return the access to an image's repository."""
        return cls(image.registry, image.repository, actions)

    @property
    def scope(self) -> str:
        """The scope to request from a token server (token.md, "Scope")."""
        return f"repository:{self.repository}:{self.actions}"


@dataclass(frozen=True)
class _Authorization:
    """An `Authorization` header that a registry accepted, and when it expires, in the clock's seconds."""

    header: str
    expires: float


class TokenRefused(Exception):
    """A token server refused to issue a token.

    Args:
        response: its answer.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Authenticator:
    """Logs in where a registry asks for it. Credentials are sent to their own registry only."""

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock = SYSTEM_CLOCK,
        insecure: Collection[Registry] = (),
    ) -> None:
        self._credentials = credentials
        self._insecure = frozenset(each.host for each in insecure)
        self._clock = clock
        self._known: dict[Access, _Authorization] = {}
        self._refreshed: dict[Credential, str] = {}

    def flow(self, request: Request, access: Access) -> Flow:
        """Yield requests, take their answers, return the answer to `request`.

        Raises:
            RegistryError: a token server sent no valid answer.
            TokenRefused: a token server issued no token, and no other challenge can be answered.
        """
        known = self._known.get(access)
        if known is not None and known.expires <= self._clock.monotonic():
            known = None
        response = yield request.authorized(known.header if known else None)
        # Credentials are not sent to a server that a redirect led to.
        if response.status != 401 or (response.request or request).origin != request.origin:
            return response
        self._known.pop(access, None)
        challenges = parse_challenges(response.headers.get_all("WWW-Authenticate"))
        refusal: TokenRefused | None = None
        for challenge in (each for scheme in SCHEMES for each in challenges if each.scheme == scheme):
            try:
                answer = yield from self._answer(challenge, request, access)
            except TokenRefused as error:
                refusal = error
                continue
            if answer is None or (known and answer.header == known.header):
                continue
            response, refusal = (yield request.authorized(answer.header)), None
            if response.status != 401:
                self._remember(access, answer)
                return response
        if refusal is not None:
            raise refusal
        return response

    def _answer(
        self, challenge: Challenge, request: Request, access: Access
    ) -> Generator[Request, Response, _Authorization | None]:
        credential = self._credentials.get(access.registry, access.repository)
        if challenge.scheme == "basic":
            if credential is None or not credential.has_password:
                return None
            return _Authorization(f"Basic {credential.basic.reveal()}", float("inf"))
        if credential is not None and credential.registry_token:
            return _Authorization(f"Bearer {credential.registry_token.reveal()}", float("inf"))
        realm = self._realm(challenge, request)
        if realm is None:
            return None
        asked = self._clock.monotonic()
        refresh = self._refresh_token(credential)
        has_password = credential is not None and credential.has_password
        response: Response | None = None
        if refresh is not None:
            response = yield _post(realm, challenge, access, refresh)
        # Not all token servers have POST; those that do not say 404 or 405 (oauth.md).
        if response is None or (response.status in (404, 405) and has_password):
            response = yield _get(realm, challenge, access, credential)
        if response.status != 200:
            raise TokenRefused(response)
        return self._token(response, access.registry, credential, realm, asked)

    def _refresh_token(self, credential: Credential | None) -> str | None:
        """Return the newest refresh token of a login; another one at the same host has its own."""
        if credential is None:
            return None
        first = credential.identity_token.reveal() if credential.identity_token else None
        return self._refreshed.get(credential, first)

    def _token(
        self, response: Response, registry: Registry, credential: Credential | None, realm: str, asked: float
    ) -> _Authorization | None:
        try:
            content = parse_json(response.body)
            token = content.get("token") or content.get("access_token")
            if token and not _TOKEN.fullmatch(token):
                raise ValueError("no token")
            refresh, life = content.get("refresh_token"), content.get("expires_in")
        except (ValueError, TypeError):
            raise RegistryError(
                f"{registry} names {urlsplit(realm).netloc} as its token server, which sent no token"
            ) from None
        if credential is not None and isinstance(refresh, str) and _TOKEN.fullmatch(refresh):
            self._refreshed[credential] = refresh
        if not token:
            return None
        seconds = life if isinstance(life, int) and not isinstance(life, bool) else 0
        return _Authorization(f"Bearer {token}", asked + min(max(_MIN_LIFE, seconds), _MAX_LIFE))

    def _remember(self, access: Access, answer: _Authorization) -> None:
        # A password grants everything that its user may do, a token only what was requested.
        actions = (READ, WRITE, DELETE) if answer.expires == float("inf") else (access.actions,)
        for each in actions:
            self._known[Access(access.registry, access.repository, each)] = answer

    def _realm(self, challenge: Challenge, request: Request) -> str | None:
        """Return the token server's URL if a login may go there: by TLS, or as plainly as to the registry."""
        realm = challenge.parameters.get("realm", "")
        try:
            parts = urlsplit(realm)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return None
        if not host or parts.username is not None or not realm.isprintable() or " " in realm:
            return None
        if parts.scheme == "https":
            return realm
        plain = parts.scheme == "http" and request.url.startswith("http://")
        return realm if plain and (parts.netloc == request.host or self._may_be_plain(parts.netloc)) else None

    def _may_be_plain(self, host: str) -> bool:
        return host in self._insecure or may_be_plain(host)


def offered(response: Response) -> tuple[str, ...]:
    """Return the schemes that a 401 response offers, each once."""
    challenges = parse_challenges(response.headers.get_all("WWW-Authenticate"))
    return tuple(dict.fromkeys(challenge.scheme.capitalize() for challenge in challenges))


def _scopes(challenge: Challenge, access: Access) -> tuple[str, ...]:
    """Return our scope first, since some servers read only the first, then the others the registry names."""
    return tuple(dict.fromkeys((access.scope, *challenge.parameters.get("scope", "").split())))


def _get(realm: str, challenge: Challenge, access: Access, credential: Credential | None) -> Request:
    parts = urlsplit(realm)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if service := challenge.parameters.get("service"):
        query.append(("service", service))
    query += [("scope", scope) for scope in _scopes(challenge, access)]
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
    basic = f"Basic {credential.basic.reveal()}" if credential and credential.has_password else None
    return Request("GET", url).authorized(basic)


def _post(realm: str, challenge: Challenge, access: Access, refresh: str) -> Request:
    form = {"grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": refresh}
    if service := challenge.parameters.get("service"):
        form["service"] = service
    form["scope"] = " ".join(_scopes(challenge, access))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request(
        "POST", urlunsplit(urlsplit(realm)._replace(fragment="")), headers, urlencode(form).encode()
    )
