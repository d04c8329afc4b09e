"""Artifacts that refer to an image: attaching one, finding those that are there, removing one.

Where a registry has no referrers API, they are listed in an index behind the tag `sha256-<hex>`.

Source: distribution-spec 1.1.1 "Pushing Manifests with Subject", "Listing Referrers", "Referrers Tag Schema";
image-spec 1.1.1 `manifest.md` "Guidelines for Artifact Usage".
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
    media_type_of,
    parse_child,
    parse_manifest,
)
from gocdnext_sdk.oci.links import next_page
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.refusals import code_of
from gocdnext_sdk.oci.transport import Response

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
"""Media type of a configuration that says nothing."""

EMPTY = b"{}"
"""The content of such a configuration."""

_NO_API = (400, 404, 405, 406, 501)
"""Status codes of registries without the API. The specification has 404 only; 400 and 406 are as
go-containerregistry has them, by which cosign finds what it attached, and quay answers 400 for an image that
it does not have. Others, 401 and 403 first of all, may hide what is there."""

_MAX_PAGES = 50

_WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds, about, after which a list that was written is looked at again."""

TITLE = "org.opencontainers.image.title"
"""The annotation that names a file."""

CREATED = "org.opencontainers.image.created"
"""The annotation with the time at which it was made."""


class File(NamedTuple):
    """A file of an artifact.

    Args:
        name: as tools name it when they download it.
        media_type: of its content.
        content: its bytes.
    """

    name: str
    media_type: str
    content: bytes


def attach(
    registry: RegistryClient,
    subject: Reference,
    artifact_type: str,
    files: Sequence[File],
    annotations: Mapping[str, str],
) -> str:
    """Store files as an artifact that refers to an image, and return the artifact's digest.

    Args:
        registry: where the image is.
        subject: the image, by digest.
        artifact_type: what kind of artifact it is, a media type.
        files: what it holds.
        annotations: of its manifest.

    Raises:
        RegistryError: this user may not, or the registry refuses such artifacts.
    """
    about = registry.resolve(subject)
    empty = _descriptor(EMPTY_TYPE, EMPTY)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": empty,
        "layers": [
            _descriptor(file.media_type, file.content) | {"annotations": {TITLE: file.name}} for file in files
        ],
        "subject": {"mediaType": about.media_type, "digest": about.digest, "size": about.size},
        "annotations": dict(annotations),
    }
    for content in (EMPTY, *(file.content for file in files)):
        upload(registry, subject, content)
    body = json.dumps(manifest).encode()
    digest = digest_of(body)
    response = registry.write(subject.with_digest(digest), body, OCI_MANIFEST)
    if not response.headers.get("OCI-Subject"):
        entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(body)}
        more = {"artifactType": artifact_type, "annotations": dict(annotations)}
        added = entry | more
        _change(registry, subject, lambda known: known if added in known else [*known, added])
    return digest


def referrers(registry: RegistryClient, subject: Reference) -> tuple[Descriptor, ...]:
    """Return the artifacts that refer to an image, with their types and annotations.

    Args:
        registry: where the image is.
        subject: the image, by digest.

    Raises:
        RegistryError: the registry cannot be asked.
    """
    found: list[Descriptor] = []
    path = f"referrers/{subject.digest}"
    for page in range(_MAX_PAGES):
        response = registry.request("GET", subject, path, headers={"Accept": OCI_INDEX})
        if not page and not _has_api(response):
            return _entries(_listed(registry, subject), subject)
        if response.status != 200:
            raise registry.refused(response, subject)
        try:
            content = parse_manifest(response.body)
            if media_type_of(content, response.media_type) != OCI_INDEX:
                raise _invalid(subject)
            following = next_page(response)
        except ValueError as error:
            raise _invalid(subject, error) from None
        found += _entries(_manifests(content, subject), subject)
        if following is None:
            return tuple(found)
        path = following
    raise RegistryError(f"{subject}: the registry lists referrers on more than {_MAX_PAGES} pages")


def _has_api(response: Response) -> bool:
    """Tell whether an answer is one of the referrers API: a refusal is, and no page for people."""
    return response.status not in _NO_API and not (
        response.status == 200 and response.media_type == "text/html"
    )


def remove(registry: RegistryClient, subject: Reference, digest: str) -> None:
    """Delete an artifact that refers to an image, and its entry where there is no API for them.

    Args:
        registry: where the image is.
        subject: the image, by digest.
        digest: of the artifact.

    Raises:
        RegistryError: it stays, since the registry deletes nothing, or does not let this user.
    """
    _change(registry, subject, lambda known: [each for each in known if each.get("digest") != digest])
    response = registry.request("DELETE", subject, f"manifests/{digest}")
    if response.status in (200, 202, 204, 404):
        return
    if response.status == 405 or code_of(response) == "UNSUPPORTED":
        if all(each.digest != digest for each in referrers(registry, subject)):
            return  # what no list names is garbage
        what = f"{subject.registry} deletes nothing, as it is configured"
        raise RegistryError(f"{what}: {digest} still refers to {subject}, beside what came after it")
    raise registry.refused(response, subject.with_digest(digest))


def upload(registry: RegistryClient, image: Reference, content: bytes) -> str:
    """Store a blob in an image's repository, if it is not there yet, and return its digest.

    Raises:
        RegistryError: this user may not.
    """
    digest = digest_of(content)
    registry.upload(image, digest, content)
    return digest


def fallback_tag(subject: Reference) -> str:
    """Return the tag under which referrers are listed where there is no API for them.

    Both parts are cut ("Referrers Tag Schema").
    """
    algorithm, _, digits = str(subject.digest).partition(":")
    return f"{algorithm[:32]}-{digits[:64]}"


def _change(
    registry: RegistryClient,
    subject: Reference,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    """Change the list behind the fallback tag.

    Nothing locks it, and of two jobs that write it at the same time one undoes what the other did. So it is
    read again a little later, and changed again if need be.

    Args:
        registry: where the image is.
        subject: the image.
        change: returns the new list; the same one if it is as it should be.

    Raises:
        RegistryError: others undo it time and again.
    """
    tag = subject.with_tag(fallback_tag(subject))
    for seconds in _WAITS:
        known = _listed(registry, subject)
        wanted = change(known)
        if wanted == known:
            return
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": wanted}
        registry.write(tag, json.dumps(index).encode(), OCI_INDEX)
        time.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - two jobs shall wait differently
    known = _listed(registry, subject)
    if change(known) != known:
        raise RegistryError(f"{tag}: other jobs write the list of referrers at the same time; run it again")


def _entries(manifests: Iterable[Mapping[str, Any]], subject: Reference) -> tuple[Descriptor, ...]:
    try:
        return tuple(map(parse_child, manifests))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _invalid(subject) from None


def _manifests(index: Mapping[str, Any], subject: Reference) -> list[dict[str, Any]]:
    """Return the entries of an index; Go writes an empty list as null."""
    manifests = index.get("manifests", False)
    if manifests is None:
        return []
    if not isinstance(manifests, list) or not all(isinstance(each, dict) for each in manifests):
        raise _invalid(subject)
    return manifests


def _invalid(subject: Reference, reason: object = "") -> RegistryError:
    why = f": {reason}" if reason else ""
    return RegistryError(f"{subject}: the registry sent an invalid list of referrers{why}")


def _listed(registry: RegistryClient, subject: Reference) -> list[dict[str, Any]]:
    """Return the entries of the list behind the fallback tag.

    GitLab's registry takes the tag for the digest, and so gives the image itself
    (https://github.com/oras-project/oras-go/issues/1396).
    """
    tag = subject.with_tag(fallback_tag(subject))
    if not registry.find(tag):
        return []
    descriptor, content = registry.manifest(tag)
    if descriptor.digest == subject.digest:
        return []
    found = _manifests(content, tag)
    _entries(found, tag)  # what is written back is a list of descriptors
    return found


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
