"""Artifacts that refer to an image: attaching one, and finding those that are there.

Where a registry has no referrers API, they are listed in an index behind the tag `sha256-<hex>`.

Source: distribution-spec 1.1.1 "Pushing Manifests with Subject", "Listing Referrers", "Referrers Tag Schema";
image-spec 1.1.1 `manifest.md` "Guidelines for Artifact Usage".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
    parse_child,
    parse_json,
)
from gocdnext_sdk.oci.reference import Reference

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"

TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"


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
    artifact = subject.with_digest(digest)
    path, headers = f"manifests/{digest}", {"Content-Type": OCI_MANIFEST}
    response = registry.request("PUT", artifact, path, headers=headers, body=body)
    if response.status not in (200, 201):
        raise registry.refused(response, artifact)
    if not response.headers.get("OCI-Subject"):
        entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(body)}
        more = {"artifactType": artifact_type, "annotations": dict(annotations)}
        _list(registry, subject, entry | more)
    return digest


def referrers(registry: RegistryClient, subject: Reference) -> tuple[Descriptor, ...]:
    """Return the artifacts that refer to an image, with their types and annotations.

    Args:
        registry: where the image is.
        subject: the image, by digest.

    Raises:
        RegistryError: the registry cannot be asked.
    """
    response = registry.request("GET", subject, f"referrers/{subject.digest}", headers={"Accept": OCI_INDEX})
    if response.status == 200 and response.media_type == OCI_INDEX:
        content = parse_json(response.body)
    else:
        content = _listed(registry, subject)
    try:
        return tuple(parse_child(each) for each in content.get("manifests", ()))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise RegistryError(f"{subject}: the registry sent an invalid list of referrers") from None


def upload(registry: RegistryClient, image: Reference, content: bytes) -> str:
    """Store a blob in an image's repository, if it is not there yet, and return its digest.

    Raises:
        RegistryError: this user may not.
    """
    digest = digest_of(content)
    if registry.request("HEAD", image, f"blobs/{digest}").status == 200:
        return digest
    begun = registry.request("POST", image, "blobs/uploads/", body=b"")
    location = begun.headers.get("Location", "")
    if begun.status != 202 or not location:
        raise registry.refused(begun, image)
    session = urljoin(begun.request.url if begun.request else "", location)
    url = f"{session}{'&' if '?' in session else '?'}digest={digest}"
    headers = {"Content-Type": "application/octet-stream"}
    stored = registry.request("PUT", image, url, headers=headers, body=content)
    if stored.status != 201:
        raise registry.refused(stored, image)
    return digest


def fallback_tag(subject: Reference) -> str:
    """Return the tag under which referrers are listed where there is no API for them."""
    return str(subject.digest).replace(":", "-", 1)


def _list(registry: RegistryClient, subject: Reference, entry: Mapping[str, Any]) -> None:
    """Add an artifact to the list behind the fallback tag."""
    known = [each for each in _listed(registry, subject).get("manifests", ()) if each != entry]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*known, entry]}
    tag = subject.with_tag(fallback_tag(subject))
    headers = {"Content-Type": OCI_INDEX}
    body = json.dumps(index).encode()
    response = registry.request("PUT", tag, f"manifests/{tag.tag}", headers=headers, body=body)
    if response.status not in (200, 201):
        raise registry.refused(response, tag)


def _listed(registry: RegistryClient, subject: Reference) -> dict[str, Any]:
    tag = subject.with_tag(fallback_tag(subject))
    return registry.manifest(tag)[1] if registry.find(tag) else {}


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
