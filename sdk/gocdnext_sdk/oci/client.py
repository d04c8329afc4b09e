"""A small registry client: resolve a tag, read a manifest, and give what is there one more tag.

Publishing content is the wrapped tools' work. The client is linear on purpose: one request, at most one
authentication round, bounded time, and retries that honour `Retry-After`.

Source: distribution-spec 1.1.1; the token protocol of distribution's `docs/spec/auth/token.md`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode, urlsplit

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.reference import HUB, Reference, Registry, is_digest

if TYPE_CHECKING:
    import urllib3

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MAX_MANIFEST = 4 * 1024 * 1024
"""Bytes; what the specification asks registries to accept at least."""

_CHUNK = 65536

_MAX_SECONDS = 120
"""For one answer, however it trickles in."""

_MAX_RETRY_AFTER = 60
"""Seconds. A registry may ask for an hour; a job had better fail."""

_READ, _WRITE = "pull", "pull,push"
"""What a token is asked for."""

_MAX_EXPLANATION = 300
"""Characters."""

_TOKEN = re.compile(r"[\x21-\x7e]+")

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Descriptor:
    """What a registry says about a manifest.

    Args:
        digest: of its bytes.
        media_type: its Content-Type.
        size: bytes.
        platform: `os/arch[/variant]` for a child of an index.
    """

    digest: str
    media_type: str
    size: int
    platform: str | None = None

    @property
    def is_index(self) -> bool:
        """Whether it is an index, of several platforms."""
        return self.media_type in INDEX_TYPES


@dataclass(frozen=True)
class _Answer:
    """What came back, read to its end.

    Args:
        is_foreign: whether a redirect led to somebody else: another host, port or scheme.
    """

    is_foreign: bool
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip()


class _NotFound(RegistryError):
    """The registry knows no such manifest."""


class RegistryClient:
    """Reads registries with a job's credentials; `tag` alone writes, and alone asks for the right to."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials or Credentials()
        self._authorization: dict[tuple[Registry, str], dict[str, str]] = {}
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._latest: tuple[Reference, Descriptor, bytes] | None = None

    def resolve(self, reference: Reference) -> Descriptor:
        """Return the descriptor of what `reference` points to now.

        Raises:
            RegistryError: it does not exist, or the registry cannot be reached or refuses.
        """
        response = self._manifest("HEAD", reference)
        digest = reference.digest or response.headers.get("Docker-Content-Digest", "")
        size = response.headers.get("Content-Length", "")
        if not is_digest(digest) or not size.isdecimal():  # the headers are optional; the bytes tell
            return self.manifest(reference)[0]
        return Descriptor(digest, response.media_type, int(size))

    def find(self, reference: Reference, *, assumed: str | None = None) -> Descriptor | None:
        """As `resolve`, with None for what is not there.

        Args:
            reference: what to look for.
            assumed: the digest that `gocdnext-plugin plan`, which asks no registry, takes for the answer.
        """
        try:
            return self.resolve(reference)
        except _NotFound:
            return None

    def manifest(self, reference: Reference) -> tuple[Descriptor, dict[str, Any]]:
        """Return the descriptor and the content of the manifest or index at `reference`.

        Raises:
            RegistryError: as `resolve`; or the bytes are not those the digest names.
        """
        descriptor, body = self._read(reference)
        try:
            content: dict[str, Any] = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RegistryError(f"{reference}: the registry sent no JSON: {error}") from None
        return descriptor, content

    def tag(self, image: Reference, tag: str) -> None:
        """Let `tag` point to what is in the same repository under the digest of `image`.

        Raises:
            RegistryError: it is not there, or the registry does not let this user set the tag.
        """
        descriptor, body = self._read(image)
        self._manifest("PUT", image.with_tag(tag), body, descriptor.media_type)

    def _read(self, reference: Reference) -> tuple[Descriptor, bytes]:
        if self._latest is not None and self._latest[0] == reference:
            return self._latest[1:]
        response = self._manifest("GET", reference)
        body = response.body
        algorithm = (reference.digest or "sha256:").partition(":")[0]
        digest = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
        if reference.digest and digest != reference.digest:
            raise RegistryError(f"{reference}: the registry sent other content, with digest {digest}")
        descriptor = Descriptor(digest, response.media_type, len(body))
        if reference.digest:  # what a digest names stays the same, and is often wanted for several tags
            self._latest = (reference, descriptor, body)
        return descriptor, body

    def children(self, reference: Reference) -> tuple[Descriptor, ...]:
        """Return the manifests that an index names, attestations among them; nothing for a single image.

        Raises:
            RegistryError: as `manifest`; or it is no index.
        """
        descriptor, content = self.manifest(reference)
        if not descriptor.is_index:
            return ()
        try:
            return tuple(_child(child) for child in content["manifests"])
        except (AttributeError, KeyError, TypeError, ValueError):
            raise RegistryError(f"{reference}: the registry sent an index that is none") from None

    def absent(self, index: Reference) -> tuple[str, ...]:
        """Return the digests of manifests that an index names, at any depth, and that are not there.

        Raises:
            RegistryError: as `children`.
        """
        absent, known, unread = [], {index.digest}, [index]
        while unread:
            for child in self.children(unread.pop()):
                if child.digest in known:
                    continue
                known.add(child.digest)
                image = index.with_digest(child.digest)
                if self.find(image) is None:
                    absent.append(child.digest)
                elif child.is_index:
                    unread.append(image)
        return tuple(absent)

    def platforms(self, reference: Reference) -> tuple[Descriptor, ...]:
        """Return the platform images of an index; nothing for a single image.

        Attestations, which BuildKit stores as children of platform unknown/unknown, are left out.

        Raises:
            RegistryError: as `children`.
        """
        return tuple(child for child in self.children(reference) if child.platform)

    def _manifest(
        self, method: str, reference: Reference, body: bytes | None = None, media_type: str = ""
    ) -> _Answer:
        path = f"/v2/{reference.repository}/manifests/{reference.version}"
        if body is None:
            headers = {"Accept": ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))}
        else:
            headers = {"Content-Type": media_type}
        response = self._request(method, reference, path, headers, body)
        if response.status in (200, 201):
            return response
        error = _NotFound if response.status == 404 else RegistryError
        raise error(f"{reference}: {self._refusal(response, reference, body)}")

    def _request(
        self, method: str, reference: Reference, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> _Answer:
        registry = reference.registry
        url = f"{'http' if registry.plain_http else 'https'}://{registry.api_host}{path}"
        actions = _READ if body is None else _WRITE
        known = self._authorization.setdefault((registry, reference.repository), {})
        response = self._send(method, url, headers, known.get(actions), body)
        # Nobody whom a redirect led to may ask for the login.
        if response.status == 401 and not response.is_foreign:
            challenge = response.headers.get("WWW-Authenticate", "")
            authorization = self._authorize(reference, challenge, actions)
            if authorization is not None:
                # A password is good for all that its user may do, a token for what it was asked for.
                good_for = (_READ, _WRITE) if authorization.startswith("Basic ") else (actions,)
                known |= dict.fromkeys(good_for, authorization)
                response = self._send(method, url, headers, authorization, body)
        return response

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        authorization: str | None,
        body: bytes | None = None,
    ) -> _Answer:
        import urllib3

        sent = dict(headers)
        if authorization is not None:
            sent["Authorization"] = authorization
        host = url.split("/")[2]
        proxy = _proxy(url)
        try:
            if proxy not in self._pools:
                self._pools[proxy] = _pool(proxy)
            # urllib3 drops Authorization when a redirect leaves the host.
            response = self._pools[proxy].request(method, url, headers=sent, body=body, preload_content=False)
            content = _read(response, host)
        except (urllib3.exceptions.HTTPError, ValueError, OverflowError) as error:
            reason = getattr(error, "reason", None) or error
            raise RegistryError(f"{host} cannot be reached: {_innermost(reason)}") from None
        final = response.geturl() or ""
        is_foreign = "://" in final and urlsplit(final)[:2] != urlsplit(url)[:2]
        return _Answer(is_foreign, response.status, _line(response.reason), response.headers, content)

    def _authorize(self, reference: Reference, challenge: str, actions: str) -> str | None:
        """Answer a 401: Basic as it is, Bearer by asking the token server it names."""
        credential = self._credentials.get(reference.registry)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return f"Basic {credential.basic.reveal()}" if credential else None
        parameters = dict(_CHALLENGE.findall(rest))
        realm = parameters.get("realm", "")
        local = reference.registry.plain_http and _is_local(realm)
        if scheme.lower() != "bearer" or not (realm.startswith("https://") or local):
            return None
        query = {"scope": f"repository:{reference.repository}:{actions}"}
        if "service" in parameters:
            query["service"] = parameters["service"]
        basic = f"Basic {credential.basic.reveal()}" if credential else None
        response = self._send("GET", f"{realm}?{urlencode(query)}", {}, basic)
        if response.status != 200:
            return None
        try:
            answer = json.loads(response.body)
            token = answer.get("token") or answer.get("access_token")
            if token and not _TOKEN.fullmatch(token):
                raise ValueError("of no token")
        except (ValueError, AttributeError, TypeError, RecursionError):
            raise RegistryError(
                f"{realm} is named as {reference.registry}'s token server; it is none"
            ) from None
        return f"Bearer {token}" if token else None

    def _refusal(self, response: _Answer, image: Reference, body: bytes | None) -> str:
        registry = image.registry
        # Nobody but Docker publishes there, so the registry was forgotten.
        unnamed = registry.host == HUB and image.repository.startswith("library/")
        hint = f'; "{image.short_name}" names no registry, so it is on Docker Hub' if unnamed else ""
        if response.status == 404:
            return f"not found; is it pushed, and is the name right?{hint}"
        said = _explanation(response.body)
        if response.status in (401, 403):
            credential = self._credentials.get(registry)
            if credential is None:
                return f"{registry} wants a login; give `username` and `password`{hint}"
            who = f'{registry} refused the login "{_line(credential.username)}" ({response.status}{said})'
            act = "read" if body is None else "write"
            return f"{who}; is the password right, and may this user {act} there?{hint}"
        reason = f"{response.status} {response.reason}".rstrip()
        return f"{registry} answered {reason}{said}"


def _is_local(realm: str) -> bool:
    """Tell whether a token server is one to which a login may go in plain http."""
    try:
        return realm.startswith("http://") and Registry.parse(urlsplit(realm).netloc).plain_http
    except ValueError:
        return False


def _proxy(url: str) -> str | None:
    """Return the proxy the usual variables name for `url`. As in Go's tools, none leads to this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"  # as Go's tools take it


def _pool(proxy: str | None) -> urllib3.PoolManager:
    import urllib3

    retries = urllib3.Retry(
        total=4,
        backoff_factor=0.5,
        status_forcelist=(429, 502, 503, 504),
        allowed_methods=("GET", "HEAD", "PUT"),  # a manifest is put with equal effect any number of times
        raise_on_status=False,
        retry_after_max=_MAX_RETRY_AFTER,
    )
    timeout = urllib3.Timeout(connect=10, read=60)
    if proxy is None:
        return urllib3.PoolManager(retries=retries, timeout=timeout)
    login = urllib3.util.parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, retries=retries, timeout=timeout)


def _child(entry: Mapping[str, Any]) -> Descriptor:
    """Return a manifest of an index; without a platform, if it is not an image for one."""
    if not is_digest(entry["digest"]):
        raise ValueError("of no digest")
    platform = entry.get("platform") or {}
    parts = [platform.get(key) for key in ("os", "architecture", "variant")]
    name = None if parts[0] in (None, "unknown") else "/".join(part for part in parts if part)
    return Descriptor(entry["digest"], entry["mediaType"], entry["size"], name)


def _read(response: urllib3.BaseHTTPResponse, host: str) -> bytes:
    """Read an answer to its end; close the connection where that is too far.

    Raises:
        RegistryError: it is longer than any manifest, or takes too long.
        urllib3.exceptions.HTTPError: it breaks off.
    """
    content = bytearray()
    give_up = time.monotonic() + _MAX_SECONDS
    while piece := response.read1(_CHUNK):
        content += piece
        problem = None
        if len(content) > _MAX_MANIFEST:
            problem = f"sent more than {_MAX_MANIFEST} bytes"
        elif time.monotonic() > give_up:
            problem = f"takes longer than {_MAX_SECONDS} s for an answer"
        if problem:
            response.close()
            raise RegistryError(f"{host} {problem}")
    return bytes(content)


def _explanation(body: bytes) -> str:
    """Return what a registry says of an error, such as a tag that it lets nobody move; nothing if it is mute.

    Source: distribution-spec 1.1.1, "Error Codes".
    """
    try:
        message = json.loads(body)["errors"][0]["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    line = _line(message)
    return f': "{line}"' if line else ""


def _line(text: object) -> str:
    """Return what a registry says as one line for a log: printable, and not endless."""
    return "".join(filter(str.isprintable, " ".join(str(text or "").split())))[:_MAX_EXPLANATION]


def _innermost(error: object) -> str:
    """Return the cause at the bottom of a chain of wrapped errors, which says it in plain words."""
    while isinstance(error, BaseException) and error.__cause__ is not None:
        error = error.__cause__
    return str(getattr(error, "strerror", None) or error)
