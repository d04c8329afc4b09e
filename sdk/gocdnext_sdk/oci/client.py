"""A small registry client: resolve a tag, read a manifest, write an index, add a tag to what is there.

Content is published by the wrapped tools. `exchange` sends the requests, `auth` logs in, and `refusals`
explains what went wrong.

Source: distribution-spec 1.1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin

from gocdnext_sdk.errors import RegistryError, TimedOut, excerpt
from gocdnext_sdk.oci.auth import DELETE, READ, WRITE, Access, Authenticator, TokenRefused
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.descriptor import (
    CONFIG_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_MANIFEST,
    Descriptor,
    digest_of,
    is_for_none,
    media_type_of,
    parse_child,
    parse_configuration,
    parse_manifest,
    platform_of,
)
from gocdnext_sdk.oci.exchange import Exchange
from gocdnext_sdk.oci.parallel import in_parallel
from gocdnext_sdk.oci.reference import Reference, Registry, is_digest
from gocdnext_sdk.oci.refusals import refusal, token_refusal, unreachable
from gocdnext_sdk.oci.transport import (
    MAX_SECONDS,
    SYSTEM_CLOCK,
    Clock,
    Request,
    Response,
    Transport,
    TransportError,
)

__all__ = ["Descriptor", "RegistryClient"]

AGENT = "gocdnext-plugin-sdk"
"""The `User-Agent` of the registry client."""

MAX_CHILDREN = 50_000
"""Manifests that one index may name, including those of nested indexes."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_WORKERS = 16
"""Parallel requests, where there are many."""

_PROBE_SECONDS = 10
"""Time limit for finding out whether a registry speaks TLS."""

_HEAD_REFUSED = (400, 405, 406, 412, 415, 500, 501)
"""Status codes of registries and proxies that do not support HEAD; or GET tells the reason."""

_SLOWEST = 128 * 1024
"""Bytes a second of an upload that is waited for."""

_UPLOAD_LOST = (404, 416, 429)
"""What registries answer to the rest of an upload that broke off; a new one is begun then."""

_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


class _NotFound(RegistryError):
    """The registry has no such manifest."""


class RegistryClient:
    """Reads registries with a job's credentials. Only what says so writes, and asks for write access.

    Thread-safe.

    Args:
        credentials: the logins.
        transport: what sends; the network if not given.
        clock: tells the time.
        insecure: registries that may speak plain http, by the user's word.
        roots: certificates of authorities to trust beside the public ones, as PEM.
        agent: what it says it is, as `User-Agent`.
        quote: what a registry says comes through it into messages, and in no other way.
        digest: computes the digest of content with an algorithm; a plan, which has no content, has its own.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        transport: Transport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        insecure: Iterable[Registry] = (),
        roots: str | None = None,
        agent: str = AGENT,
        quote: Callable[[str], str] = excerpt,
        digest: Callable[[bytes, str], str] = digest_of,
    ) -> None:
        if transport is None:
            from gocdnext_sdk.oci.http import HttpTransport

            transport = HttpTransport(roots)
        self._credentials = credentials or Credentials()
        self._transport = transport
        self._clock = clock
        self._agent = agent
        self._quote = quote
        self._digest = digest
        self._insecure = frozenset(insecure)
        self._exchange = Exchange(transport, clock)
        self._auth = Authenticator(self._credentials, clock, self._insecure)
        self._speaks_tls: dict[Registry, bool] = {}
        self._latest: tuple[Reference, Descriptor, bytes] | None = None

    def speaks_tls(self, registry: Registry) -> bool:
        """Tell whether `registry` speaks TLS: all do, but some of those that need not."""
        if not (registry.plain_http or registry in self._insecure):
            return True
        if registry not in self._speaks_tls:
            deadline = self._clock.monotonic() + _PROBE_SECONDS
            self._speaks_tls[registry] = self._transport.speaks_tls(registry.api_host, deadline)
        return self._speaks_tls[registry]

    def resolve(self, reference: Reference) -> Descriptor:
        """Return the descriptor of what `reference` points to now.

        Raises:
            RegistryError: it does not exist, or the registry cannot be reached or refuses.
        """
        return self._resolve(reference, None)

    def find(self, reference: Reference, *, assumed: str | None = None) -> Descriptor | None:
        """As `resolve`, but return None if there is no such manifest.

        Args:
            reference: what to look for.
            assumed: the digest that `gocdnext-plugin plan`, which contacts no registry, takes as the answer.
        """
        try:
            return self._resolve(reference, assumed or "")
        except _NotFound:
            return None

    def manifest(self, reference: Reference) -> tuple[Descriptor, dict[str, Any]]:
        """Return the descriptor and the content of the manifest or index at `reference`.

        Raises:
            RegistryError: as `resolve`; or the content does not match the digest.
        """
        descriptor, body = self._read(reference)
        return descriptor, parse_manifest(body)

    def tag(self, image: Reference, tag: str) -> None:
        """Point `tag` to the manifest in the same repository that the digest of `image` names.

        Raises:
            RegistryError: there is no such manifest, or this user may not set the tag.
        """
        descriptor, body = self._read(image)
        self.write(image.with_tag(tag), body, descriptor.media_type)

    def put(self, image: Reference, content: bytes, media_type: str) -> None:
        """Write a manifest or an index, without a tag.

        Args:
            image: the repository, with the digest of the content.
            content: what is written.
            media_type: its type.

        Raises:
            RegistryError: this user may not, the registry lacks what it names, or stored something else.
        """
        self.write(image, content, media_type)
        if (stored := self.resolve(image).digest) != image.digest:
            raise RegistryError(f"{image}: the registry stored other content, with digest {stored}")

    def write(self, reference: Reference, content: bytes, media_type: str) -> Response:
        """Write a manifest or an index as it is, and return the registry's answer.

        Args:
            reference: the tag, or the digest, under which it is written.
            content: what is written.
            media_type: its type.

        Raises:
            RegistryError: this user may not, or the registry lacks what it names.
        """
        path, headers = f"manifests/{reference.version}", {"Content-Type": media_type}
        response = self._request("PUT", reference, path, headers, content)
        if response.status not in (200, 201):
            raise self._error(response, reference)
        return response

    def request(
        self,
        method: str,
        image: Reference,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """Send a request of the registry API for an image's repository, and return its answer.

        Args:
            method: such as GET.
            image: names the repository.
            path: below it; or the URL that an earlier answer gave.
            headers: header fields.
            body: what is sent; write access is asked for if it is not None.

        Raises:
            RegistryError: the registry cannot be reached, or takes no login.
        """
        return self._request(method, image, path, dict(headers or {}), body)

    def refused(self, response: Response, image: Reference) -> RegistryError:
        """Return the error that says why the registry refused."""
        return self._error(response, image)

    def check_push(self, image: Reference) -> None:
        """Ask whether this user may push to an image's repository; nothing is left there.

        Raises:
            RegistryError: it may not, or the registry cannot be reached.
        """
        location = self._begin_upload(image)
        with suppress(RegistryError):  # one that is forgotten is as good
            self._request("DELETE", image, location, {}, b"")

    def upload(self, image: Reference, digest: str, content: bytes | Path, *, tries: int = 1) -> None:
        """Send a blob to an image's repository, unless it is there.

        Args:
            image: the repository.
            digest: of the content.
            content: what is sent, or the file that holds it.
            tries: how often it is sent, if the registry breaks off.

        Raises:
            RegistryError: this user may not, or the registry did not take it.
        """
        if self._request("HEAD", image, f"blobs/{digest}", {}, None).status == 200:
            return
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        seconds = MAX_SECONDS + size / _SLOWEST
        headers = {"Content-Type": "application/octet-stream"}
        for left in range(tries - 1, -1, -1):
            location = self._begin_upload(image)
            place = f"{location}{'&' if '?' in location else '?'}digest={digest}"
            response = self._request("PUT", image, place, headers, content, seconds=seconds)
            if response.status in (200, 201, 204):
                return
            if not left or not (response.status in _UPLOAD_LOST or response.status >= 500):
                raise self._error(response, image)
            self._clock.sleep(2.0 ** (tries - left))

    def _begin_upload(self, image: Reference) -> str:
        response = self._request("POST", image, "blobs/uploads/", {}, b"")
        if not 200 <= response.status < 300:
            raise self._error(response, image)
        location: str = response.headers.get("Location", "")
        if not location:
            raise RegistryError(f"{image}: {image.registry} names no place for an upload")
        return location

    def configuration(self, image: Reference) -> tuple[str, dict[str, Any]]:
        """Return the media type and the content of a single image's configuration.

        What is stored like an image without being one may have any; its content is then empty.

        Raises:
            RegistryError: as `manifest`; or there is no valid configuration.
        """
        _, content = self.manifest(image)
        config = content.get("config")
        if not isinstance(config, dict) or config.get("mediaType") not in CONFIG_TYPES:
            media_type = config.get("mediaType") if isinstance(config, dict) else None
            return (media_type if isinstance(media_type, str) else ""), {}
        try:
            digest = config["digest"]
            if not is_digest(digest):
                raise ValueError("no digest")
            return str(config["mediaType"]), parse_configuration(self.blob(image, digest))
        except _UNREADABLE:
            raise RegistryError(f"{image}: the registry sent an invalid image configuration") from None

    def blob(self, image: Reference, digest: str) -> bytes:
        """Return a blob of an image's repository, of at most 4 MiB.

        Raises:
            RegistryError: there is none, it is larger, or its content does not match the digest.
        """
        response = self._request("GET", image, f"blobs/{digest}", {}, None)
        if response.status != 200:
            raise self._error(response, image)
        return self._verified(response, image, digest)

    def children(self, reference: Reference) -> tuple[Descriptor, ...]:
        """Return the manifests that an index names, including attestations; empty for a single image.

        Raises:
            RegistryError: as `manifest`; or the index is not valid.
        """
        descriptor, content = self.manifest(reference)
        if not descriptor.is_index:
            return ()
        try:
            return tuple(parse_child(child) for child in content["manifests"])
        except _UNREADABLE:
            raise RegistryError(f"{reference}: the registry sent an invalid index") from None

    def absent(self, index: Reference) -> tuple[str, ...]:
        """Return the digests of manifests that an index names, at any depth, and the registry does not have.

        Raises:
            RegistryError: as `children`.
        """
        absent: list[str] = []
        known, unread = {index.digest}, [index]
        while unread:
            children = self._unknown(self.children(unread.pop()), known, index)
            images = [index.with_digest(child.digest) for child in children]
            for child, image, found in zip(
                children, images, _ask_at_once(index.registry, self.find, images), strict=True
            ):
                if found is None:
                    absent.append(child.digest)
                elif child.is_index:
                    unread.append(image)
        return tuple(absent)

    def platforms(self, reference: Reference) -> tuple[Descriptor, ...]:
        """Return the platform images of an index, at any depth; empty for a single image.

        Where the index names no platform, the image's configuration does. What clients would not pull is left
        out: attestations, and artifacts for no platform. There may be two images for one platform, which
        differ only in their digests.

        Raises:
            RegistryError: as `children`; or nothing says which platform an image is for.
        """
        found: list[Descriptor] = []
        known, unread = {reference.digest}, [reference]
        while unread:
            children = self._unknown(self.children(unread.pop(0)), known, reference)
            images = [child for child in children if not child.is_attestation]
            nested = [child for child in images if child.is_index]
            unread += [reference.with_digest(child.digest) for child in nested]
            single = [child for child in images if not child.is_index]
            found += filter(
                None, _ask_at_once(reference.registry, lambda child: self._image(reference, child), single)
            )
        return tuple(found)

    def _image(self, index: Reference, child: Descriptor) -> Descriptor | None:
        """Return an image of an index with its platform; None if it is not an image."""
        if child.platform:
            return child
        return self.with_platform(index.with_digest(child.digest), child)

    def with_platform(self, image: Reference, descriptor: Descriptor) -> Descriptor | None:
        """Return a single image's descriptor with the platform in its configuration.

        None if it is no image, or says that it is for no platform.

        Args:
            image: the image, by digest.
            descriptor: what the index says about it.

        Raises:
            RegistryError: as `manifest`; or its configuration does not say which platform it is for.
        """
        media_type, fields = self.configuration(image)
        if media_type not in CONFIG_TYPES:
            return None
        try:
            platform, os_version = platform_of(fields), fields.get("os.version")
        except _UNREADABLE:
            raise RegistryError(f"{image}: the registry sent an invalid image configuration") from None
        if platform is None:
            if is_for_none(fields):
                return None
            raise RegistryError(f"{image}: its configuration does not say which platform it is for")
        return Descriptor(
            descriptor.digest,
            descriptor.media_type,
            descriptor.size,
            platform,
            os_version if isinstance(os_version, str) else None,
            annotations=descriptor.annotations,
        )

    def _unknown(
        self, children: Iterable[Descriptor], known: set[str | None], index: Reference
    ) -> list[Descriptor]:
        """Return those of `children` that are new, each once, and add them to `known`."""
        new = {child.digest: child for child in children if child.digest not in known}
        known.update(new)
        if len(known) > MAX_CHILDREN:
            raise RegistryError(f"{index}: the index names more than {MAX_CHILDREN} manifests")
        return list(new.values())

    def _resolve(self, reference: Reference, assumed: str | None) -> Descriptor:
        response = self._get("HEAD", reference, assumed)
        known = response.media_type in (*INDEX_TYPES, *MANIFEST_TYPES)
        digest = reference.digest or response.headers.get("Docker-Content-Digest", "")
        size = response.headers.get("Content-Length", "")
        # The headers are optional, and not every registry supports HEAD; then the content decides.
        if response.status != 200 or not known or not is_digest(digest) or not size.isdecimal():
            return self._read(reference, assumed)[0]
        return Descriptor(digest, response.media_type, int(size))

    def _read(self, reference: Reference, assumed: str | None = None) -> tuple[Descriptor, bytes]:
        latest = self._latest
        if latest is not None and latest[0] == reference:
            return latest[1:]
        response = self._get("GET", reference, assumed)
        if response.status != 200:
            raise self._error(response, reference)
        body = self._verified(response, reference, reference.digest)
        digest = reference.digest or self._digest(body, "sha256")
        try:
            media_type = media_type_of(parse_manifest(body), response.media_type)
        except ValueError as error:
            raise RegistryError(f"{reference}: the registry sent no manifest: {error}") from None
        descriptor = Descriptor(digest, media_type, len(body))
        if reference.digest:  # never changes, and is often needed for several tags
            self._latest = (reference, descriptor, body)
        return descriptor, body

    def _verified(self, response: Response, reference: Reference, wanted: str | None) -> bytes:
        if len(response.body) > MAX_MANIFEST:
            raise RegistryError(f"{reference.registry} sent more than {MAX_MANIFEST} bytes")
        if wanted is not None:
            digest = self._digest(response.body, wanted.partition(":")[0])
            if digest != wanted:
                raise RegistryError(f"{reference}: the registry sent other content, with digest {digest}")
        return response.body

    def _get(self, method: str, reference: Reference, assumed: str | None) -> Response:
        headers = {"Accept": ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))}
        path = f"manifests/{reference.version}"
        response = self._request(method, reference, path, headers, None, assumed)
        if response.status != 200 and response.status not in _HEAD_REFUSED:
            raise self._error(response, reference)
        return response

    def _request(
        self,
        method: str,
        image: Reference,
        path: str,
        headers: dict[str, str],
        body: bytes | Path | None,
        assumed: str | None = None,
        seconds: float = MAX_SECONDS,
    ) -> Response:
        """Send a request; `path` is one in the repository, or what a registry named as `Location`."""
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
        deadline = self._clock.monotonic() + seconds
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

    def _error(self, response: Response, image: Reference) -> RegistryError:
        error = _NotFound if response.status == 404 else RegistryError
        return error(f"{image}: {refusal(response, image, self._credentials, self._quote)}")


def _ask_at_once(
    registry: Registry, function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> list[_Result]:
    """Return `function(item)` for each item. The job's `timeout` ends the wait for the threads that ask."""
    try:
        return in_parallel(function, items, _WORKERS)
    except TimedOut as timed_out:
        if len(items) > 1:  # a single one asks in this thread, and has named the registry
            timed_out.name(f"waiting for {registry}")
        raise
