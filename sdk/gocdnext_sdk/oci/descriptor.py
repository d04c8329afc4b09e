"""Descriptors: the digest and type of a manifest, and what an index says about its children.

Source: image-spec 1.1.1 `descriptor.md`, `manifest.md`, `image-index.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gocdnext_sdk.oci.reference import is_digest
from gocdnext_sdk.oci.strict_json import check_names, parse_json

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
"""Media type of an index of several platforms."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
"""Media type of the manifest of one image, or of an artifact."""

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
"""Docker's media type of an index, a manifest list."""

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
"""Docker's media type of a manifest."""

INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)
"""Media types of indexes."""

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
"""Media types of manifests that are not indexes."""

CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
"""Configuration types of images; artifacts that are stored as images have others."""

MAX_MANIFEST = 4 * 1024 * 1024
"""Bytes; registries must accept at least this much (distribution-spec 1.1.1, "Pushing Manifests")."""

_ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")
"""Marks BuildKit's attestations, which have no other value there and no platform (moby/buildkit
`docs/attestations/attestation-storage.md`)."""

_ATTESTED = "vnd.docker.reference.digest"
"""Their annotation with the digest of the manifest that they are about."""

_UNKNOWN = "unknown"

_DOCUMENT = (
    *("schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject"),
    "annotations",
)
_DESCRIPTOR = ("mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType")
PLATFORM_FIELDS = ("architecture", "os", "os.version", "os.features", "variant")
"""What a descriptor says of a platform, and an image's configuration in the same words."""

_CONFIGURATION = (*PLATFORM_FIELDS, "author", "created", "config", "rootfs", "history")
"""Fields, as the specification spells them."""


@dataclass(frozen=True)
class Descriptor:
    """What a registry or an index says about a manifest.

    Args:
        digest: of its content, `sha256:<64 hex>`. Only this distinguishes two children of an index.
        media_type: of its content.
        size: bytes.
        platform: `os/arch[/variant]` for a child of an index; None if the index names none.
        os_version: for a child of an index, such as Windows' `10.0.20348.2700`.
        artifact_type: for what is not an image.
        annotations: those of the index's entry.
        for_none: whether the index says that it is for no platform, `unknown/unknown`.
    """

    digest: str
    media_type: str
    size: int
    platform: str | None = None
    os_version: str | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    for_none: bool = False

    @property
    def is_index(self) -> bool:
        """Whether it is an index (a multi-platform image)."""
        return self.media_type in INDEX_TYPES

    @property
    def is_attestation(self) -> bool:
        """Whether it is about another manifest of its index, as BuildKit stores provenance and SBOMs.

        What names a platform is pulled by that alone, whatever its annotations are, and so is an image
        (containerd `core/images/image.go`, go-containerregistry `pkg/v1/remote/index.go`).
        """
        key, value = _ATTESTATION
        return self.for_none and self.annotations.get(key) == value

    @property
    def attests_to(self) -> str | None:
        """The digest of the manifest that an attestation is about; None if it names none, or is none."""
        return self.annotations.get(_ATTESTED) if self.is_attestation else None

    @property
    def is_artifact(self) -> bool:
        """Whether its entry says that it is not an image. Clients do not look there.

        go-containerregistry gives the entry of every image its configuration's type as `artifactType`.
        """
        return self.artifact_type not in (None, "", *CONFIG_TYPES)


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of `content`."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def parse_manifest(body: bytes) -> dict[str, Any]:
    """Return the JSON of a manifest or an index.

    Raises:
        ValueError: it is not a JSON object, or programs would read it differently.
    """
    content = parse_json(body)
    check_names(content, _DOCUMENT)
    found = [content.get("config"), content.get("subject")]
    for several in (content.get("layers"), content.get("manifests")):
        found += several if isinstance(several, list) else ()
    for descriptor in found:
        if isinstance(descriptor, dict):
            check_names(descriptor, _DESCRIPTOR)
            if isinstance(platform := descriptor.get("platform"), dict):
                check_names(platform, PLATFORM_FIELDS)
    return content


def parse_configuration(body: bytes) -> dict[str, Any]:
    """Return the JSON of an image's configuration; raises as `parse_manifest`."""
    content = parse_json(body)
    check_names(content, _CONFIGURATION)
    return content


def media_type_of(content: Mapping[str, Any], header: str) -> str:
    """Return a manifest's media type: what its body says decides, then the header, then what it holds.

    Registries and mirrors send manifests as `application/json` or `text/plain`.

    Args:
        content: the body.
        header: the answer's Content-Type, without parameters.

    Raises:
        ValueError: it is an index and a manifest at once, which different clients read differently
            (CVE-2021-41190).
    """
    has_children = "manifests" in content
    has_layers = "layers" in content or "config" in content
    if has_children and has_layers:
        raise ValueError("it is an index and an image at once")
    named = content.get("mediaType")
    if named is not None and not isinstance(named, str):
        raise ValueError("its mediaType is not a text")
    known = (*INDEX_TYPES, *MANIFEST_TYPES)
    if text := _text(named):
        found = text
    elif header in known:
        found = header
    elif has_children:
        found = OCI_INDEX
    elif has_layers:
        found = OCI_MANIFEST
    else:
        found = header
    if (found in INDEX_TYPES and has_layers) or (found in MANIFEST_TYPES and has_children):
        raise ValueError(f"it says it is {found}, but is not")
    return found


def parse_child(entry: Mapping[str, Any]) -> Descriptor:
    """Return what an index says about one of its manifests.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not a descriptor.
    """
    digest, media_type, size = entry["digest"], _text(entry["mediaType"]), entry["size"]
    if not (isinstance(digest, str) and is_digest(digest)):
        raise ValueError("no digest")
    if media_type is None or isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError("no descriptor")
    platform = entry.get("platform") or {}
    return Descriptor(
        digest,
        media_type,
        size,
        platform_of(platform),
        _text(platform.get("os.version")),
        _text(entry.get("artifactType")),
        {str(k): v for k, v in (entry.get("annotations") or {}).items() if isinstance(v, str)},
        is_for_none(platform),
    )


def platform_of(fields: Mapping[str, Any]) -> str | None:
    """Return `os/arch[/variant]` from a descriptor's `platform` or an image's configuration."""
    parts = [_text(fields.get(key)) for key in ("os", "architecture", "variant")]
    if not parts[0] or not parts[1] or parts[0] == _UNKNOWN:
        return None
    return "/".join(part for part in parts if part)


def is_for_none(fields: Mapping[str, Any]) -> bool:
    """Tell whether a descriptor's `platform` or an image's configuration says `unknown/unknown`."""
    return fields.get("os") == fields.get("architecture") == _UNKNOWN


def _text(value: object) -> str | None:
    """Return a text of an index; only short, printable ones are accepted."""
    if not isinstance(value, str) or not value:
        return None
    if not value.isprintable() or len(value) > 255:
        raise ValueError("no plain text")
    return value
