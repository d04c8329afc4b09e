"""Join images into one index: flat, each platform once, with the attestations of each.

What a build for one platform pushes is a manifest, or an index of it and its attestations. An index of such
indexes names no platform, and neither docker nor containerd finds an image in it. So the entries of all of
them are put side by side, as `docker buildx imagetools create` does, and no manifest changes.

Source: image-spec 1.1.1 `image-index.md`; moby/buildkit `docs/attestations/attestation-storage.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import (
    CONFIG_TYPES,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    MANIFEST_TYPES,
    OCI_INDEX,
    Descriptor,
    digest_of,
    parse_child,
    platform_of,
)
from gocdnext_sdk.oci.platforms import choose, matches, normal
from gocdnext_sdk.oci.reference import Reference

_SUBJECT = "vnd.docker.reference.digest"
"""The annotation of an attestation that names the image it is about."""

_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")
"""What an image's configuration says of its platform, in the words of a descriptor."""


Entry = tuple[Descriptor, dict[str, Any]]
"""What an entry of an index means, and the entry."""


@dataclass(frozen=True)
class EntryAnnotation:
    """An annotation of an index's entries.

    Args:
        key: its name.
        value: its value.
        platform: `os/arch[/variant]` of the only entry that gets it; None: that of each image.
    """

    key: str
    value: str
    platform: str | None = None


@dataclass(frozen=True)
class Index:
    """An index that is ready to be written.

    Args:
        content: the JSON.
        media_type: its type.
        platforms: the images in it, `os/arch[/variant]`.
        attestations: how many it has.
        children: the digests of all that it names.
    """

    content: bytes = field(repr=False)
    media_type: str
    platforms: tuple[str, ...]
    attestations: int
    children: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The digest under which it is written."""
        return digest_of(self.content)


def join(
    images: Iterable[Reference],
    registry: RegistryClient,
    annotations: Mapping[str, str] | None = None,
    entry_annotations: Iterable[EntryAnnotation] = (),
) -> Index:
    """Return the index of all that `images` hold.

    Args:
        images: by digest, each an image or an index.
        registry: reads them.
        annotations: of the index itself.
        entry_annotations: of its entries.

    Raises:
        Invalid: one is no image or has an index in it, two are for one platform, or an annotation is for a
            platform that is not there.
        RegistryError: one cannot be read.
    """
    entries = [entry for image in images for entry in _entries(image, registry)]
    return _index(entries, annotations or {}, tuple(entry_annotations))


def select(image: Reference, registry: RegistryClient, platforms: Sequence[str]) -> Index:
    """Return the index of some platforms of an image, with their attestations.

    Args:
        image: an index, by digest.
        registry: reads it.
        platforms: those that are taken, `os/arch[/variant]`.

    Raises:
        Invalid: it is no index, is not valid, or lacks one of the platforms.
        RegistryError: it cannot be read.
    """
    descriptor, content = registry.manifest(image)
    if not descriptor.is_index:
        raise Invalid(f"{image} is an image of one platform", "leave out `platforms`")
    entries = list(_entries(image, registry))
    images = [child for child, _ in entries if not child.is_attestation]
    try:
        taken = {child.digest for child in choose(platforms, images)}
    except ValueError as error:
        raise Invalid(getattr(error, "what", str(error)), getattr(error, "advice", "")) from None
    kept = [each for each in entries if _image_of(each[0]) in taken]
    annotations = content.get("annotations")
    return _index(kept, annotations if isinstance(annotations, Mapping) else {}, ())


def _image_of(child: Descriptor) -> str | None:
    """Return the digest of the image that an entry is, or attests to."""
    return child.annotations.get(_SUBJECT) if child.is_attestation else child.digest


def _index(
    entries: Sequence[Entry], annotations: Mapping[str, str], entry_annotations: tuple[EntryAnnotation, ...]
) -> Index:
    built: dict[tuple[str, str | None], Descriptor] = {}
    for child, _ in entries:
        if child.is_attestation:
            continue
        key = normal(str(child.platform)), child.os_version
        if key in built:
            raise Invalid(
                f"there are two images for {child.platform}: {built[key].digest} and {child.digest}",
                "each platform comes from one source",
            )
        built[key] = child
    digests = {child.digest for child in built.values()}
    for child, _ in entries:
        if child.is_attestation and child.annotations.get(_SUBJECT) not in digests:
            raise Invalid(f"{child.digest} attests to an image that is not among them", "build it again")
    _annotate(entries, entry_annotations)
    docker = not annotations and all(child.media_type == DOCKER_MANIFEST for child, _ in entries)
    media_type = DOCKER_INDEX if docker else OCI_INDEX
    content = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [entry for _, entry in entries],
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    platforms = tuple(str(child.platform) for child in built.values())
    body = json.dumps(content, indent=2).encode()
    children = tuple(child.digest for child, _ in entries)
    return Index(body, media_type, platforms, len(entries) - len(built), children)


def _entries(image: Reference, registry: RegistryClient) -> Iterator[Entry]:
    descriptor, content = registry.manifest(image)
    if not descriptor.is_index:
        entry = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
        yield _with_platform(image, descriptor, entry, registry)
        return
    try:
        children = [(parse_child(entry), dict(entry)) for entry in content["manifests"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Invalid(f"{image} is not a valid index") from None
    if not children:
        raise Invalid(f"{image} is an empty index")
    for child, entry in children:
        if child.is_attestation:
            yield child, entry
        elif child.is_index:
            raise Invalid(f"{image} has an index in it, {child.digest}", "give that one itself")
        elif child.platform and child.media_type in MANIFEST_TYPES and not child.is_artifact:
            yield child, entry
        else:
            yield _with_platform(image.with_digest(child.digest), child, entry, registry)


def _with_platform(
    image: Reference, child: Descriptor, entry: Mapping[str, Any], registry: RegistryClient
) -> Entry:
    """Return an entry with the platform that the image's configuration names."""
    if child.media_type not in MANIFEST_TYPES:
        raise Invalid(f"{image} is no image, but {child.media_type}")
    config_type, config = registry.configuration(image)
    platform = {key: config[key] for key in _PLATFORM if config.get(key)}
    if config_type not in CONFIG_TYPES or platform_of(platform) is None:
        raise Invalid(f"{image} is no image for a platform, but {config_type or 'something else'}")
    described = {**entry, "platform": platform}
    return parse_child(described), described


def _annotate(entries: Iterable[Entry], annotations: tuple[EntryAnnotation, ...]) -> None:
    images = [each for each in entries if not each[0].is_attestation]
    for annotation in annotations:
        wanted = annotation.platform
        fitting = [entry for child, entry in images if not wanted or matches(str(child.platform), wanted)]
        if not fitting:
            raise Invalid(f"no image is for {wanted}, which has an annotation")
        for entry in fitting:
            entry["annotations"] = {**(entry.get("annotations") or {}), annotation.key: annotation.value}
