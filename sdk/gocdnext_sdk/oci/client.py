"""A small registry client: resolve a tag, read a manifest, write an index, add a tag to what is there.

Content is published by the wrapped tools. `connection` sends the requests, and says what went wrong.

Source: distribution-spec 1.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gocdnext_sdk.errors import RegistryError, TimedOut, excerpt
from gocdnext_sdk.oci.connection import Connection, NotFound
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
from gocdnext_sdk.oci.reference import Reference, Registry, is_digest
from gocdnext_sdk.oci.transport import SYSTEM_CLOCK, Clock, Response, Transport

__all__ = ["Descriptor", "RegistryClient"]

AGENT = "gocdnext-plugin-sdk"
"""The `User-Agent` of the registry client."""

_SIZE = re.compile(r"[0-9]{1,18}")

MAX_CHILDREN = 50_000
"""Manifests that one index may name, including those of nested indexes."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_HEAD_REFUSED = (400, 405, 406, 412, 415, 500, 501)
"""Status codes of registries and proxies that do not support HEAD; or GET tells the reason."""

_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


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
        at_once: how many requests are sent at the same time, where there are many.
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
        at_once: int = 16,
    ) -> None:
        if transport is None:
            from gocdnext_sdk.oci.http import HttpTransport

            transport = HttpTransport(roots)
        self._connection = Connection(
            credentials or Credentials(), transport, clock, frozenset(insecure), agent, quote
        )
        self._digest = digest
        self._at_once = at_once
        self._latest: tuple[Reference, Descriptor, bytes] | None = None

    def speaks_tls(self, registry: Registry) -> bool:
        """Tell whether `registry` speaks TLS: all do, but some of those that need not."""
        return self._connection.speaks_tls(registry)

    def ask_each(
        self, where: object, function: Callable[[_Item], _Result], items: Sequence[_Item]
    ) -> list[_Result]:
        """Return `function(item)` for each item, in order; several at the same time.

        Args:
            where: is named if the job's `timeout` is over meanwhile.
            function: asks by this client, in a thread.
            items: what it is called with.

        Raises:
            Exception: the first that `function` raised; items that have not started by then are dropped.
        """
        from gocdnext_sdk.oci.parallel import in_parallel

        try:
            return in_parallel(function, items, self._at_once)
        except TimedOut as timed_out:
            if len(items) > 1:  # a single one asks in this thread, and has named the registry
                timed_out.name(f"waiting for {where}")
            raise

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
        except NotFound:
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
        response = self._connection.request("PUT", reference, path, headers, content)
        if response.status not in (200, 201):
            raise self._connection.refused(response, reference)
        return response

    def request(
        self,
        method: str,
        image: Reference,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        assumed: str | None = None,
    ) -> Response:
        """Send a request of the registry API for an image's repository, and return its answer.

        Args:
            method: such as GET.
            image: names the repository.
            path: below it; or the URL that an earlier answer gave.
            headers: header fields.
            body: what is sent; write access is asked for if it is not None.
            assumed: see `Request`.

        Raises:
            RegistryError: the registry cannot be reached, or takes no login.
        """
        return self._connection.request(method, image, path, dict(headers or {}), body, assumed)

    def refused(self, response: Response, image: Reference) -> RegistryError:
        """Return the error that says why the registry refused."""
        return self._connection.refused(response, image)

    def check_push(self, image: Reference) -> None:
        """Ask whether this user may push to an image's repository; nothing is left there.

        Raises:
            RegistryError: it may not, or the registry cannot be reached.
        """
        from gocdnext_sdk.oci.blobs import check_push

        check_push(self._connection, image)

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
        from gocdnext_sdk.oci.blobs import upload

        upload(self._connection, image, digest, content, tries)

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
        response = self._connection.request("GET", image, f"blobs/{digest}", {}, None)
        if response.status != 200:
            raise self._connection.refused(response, image)
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
                children, images, self.ask_each(index.registry, self.find, images), strict=True
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
                None, self.ask_each(reference.registry, lambda child: self._image(reference, child), single)
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
        if response.status != 200 or not known or not is_digest(digest) or not _SIZE.fullmatch(size):
            return self._read(reference, assumed)[0]
        return Descriptor(digest, response.media_type, int(size))

    def _read(self, reference: Reference, assumed: str | None = None) -> tuple[Descriptor, bytes]:
        latest = self._latest
        if latest is not None and latest[0] == reference:
            return latest[1:]
        response = self._get("GET", reference, assumed)
        if response.status != 200:
            raise self._connection.refused(response, reference)
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
        response = self._connection.request(method, reference, path, headers, None, assumed)
        if response.status != 200 and response.status not in _HEAD_REFUSED:
            raise self._connection.refused(response, reference)
        return response
