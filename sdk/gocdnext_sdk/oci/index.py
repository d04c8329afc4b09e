"""Join images into one index: flat, each platform once, with the attestations of each.

What a build for one platform pushes is a manifest, or an index of it and its attestations. An index of such
indexes names no platform, and neither docker nor containerd finds an image in it. So the entries of all of
them are put side by side, as `docker buildx imagetools create` does, and no manifest changes.

Source: image-spec 1.1.1 `image-index.md`; moby/buildkit `docs/attestations/attestation-storage.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
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
    PLATFORM_FIELDS,
    Descriptor,
    digest_of,
    parse_child,
    platform_of,
)
from gocdnext_sdk.oci.platforms import choose, matches, normal
from gocdnext_sdk.oci.reference import Reference

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
    entries = [
        _described(each, image, registry)
        for image in images
        for each in _entries(*registry.manifest(image), image)
    ]
    _check_each_once(entries)
    return _index(entries, annotations or {}, tuple(entry_annotations))


def select(image: Reference, registry: RegistryClient, platforms: Sequence[str]) -> Index:
    """Return the index of some platforms of an image, with their attestations.

    All images for a platform are taken, such as one with gzip and one with zstd. What is no image is left
    out, and so is what is in an index of its own.

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
    entries: list[Entry] = []
    nested: list[str] = []
    for each in _entries(descriptor, content, image):
        if each[0].is_index:
            nested.append(each[0].digest)
            continue
        with suppress(Invalid):
            entries.append(_described(each, image, registry))
    images = [child for child, _ in entries if not child.is_attestation]
    try:
        taken = {child.digest for child in choose(platforms, images)}
    except Invalid as error:
        inner = f"; {', '.join(nested)} in it is an index, which can be given itself" if nested else ""
        raise Invalid(error.what, f"{error.advice}{inner}") from None
    kept = [each for each in entries if _image_of(each[0]) in taken]
    annotations = content.get("annotations")
    return _index(kept, annotations if isinstance(annotations, Mapping) else {}, ())


def _image_of(child: Descriptor) -> str | None:
    """Return the digest of the image that an entry is, or attests to."""
    return child.attests_to if child.is_attestation else child.digest


def _index(
    entries: Sequence[Entry], annotations: Mapping[str, str], entry_annotations: tuple[EntryAnnotation, ...]
) -> Index:
    images = [child for child, _ in entries if not child.is_attestation]
    _annotate(entries, entry_annotations)
    docker = not annotations and all(child.media_type == DOCKER_MANIFEST for child, _ in entries)
    media_type = DOCKER_INDEX if docker else OCI_INDEX
    content = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [entry for _, entry in entries],
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    platforms = tuple(dict.fromkeys(str(child.platform) for child in images))
    body = json.dumps(content, indent=2).encode()
    children = tuple(dict.fromkeys(child.digest for child, _ in entries))
    return Index(body, media_type, platforms, len(entries) - len(images), children)


def _check_each_once(entries: Iterable[Entry]) -> None:
    """Check that each platform has one image, and each attestation its image."""
    built: dict[tuple[str, str | None], str] = {}
    attested: list[Descriptor] = []
    for child, _ in entries:
        if child.is_attestation:
            attested.append(child)
            continue
        key = normal(str(child.platform)), child.os_version
        if key in built:
            raise Invalid(
                f"there are two images for {child.platform}: {built[key]} and {child.digest}",
                "each platform comes from one source",
            )
        built[key] = child.digest
    for child in attested:
        if child.attests_to not in built.values():
            raise Invalid(f"{child.digest} attests to an image that is not among them", "build it again")


def _entries(descriptor: Descriptor, content: Mapping[str, Any], image: Reference) -> list[Entry]:
    """Return the entries of an index as they are; of a single image, the one that it would have."""
    if not descriptor.is_index:
        entry = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
        return [(descriptor, entry)]
    try:
        children = [(parse_child(entry), dict(entry)) for entry in content["manifests"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Invalid(f"{image} is not a valid index") from None
    if not children:
        raise Invalid(f"{image} is an empty index")
    return children


def _described(found: Entry, index: Reference, registry: RegistryClient) -> Entry:
    """Return an entry of an index with its platform, which else the image's configuration names.

    Raises:
        Invalid: it is no image for a platform, nor an attestation of one.
    """
    child, entry = found
    if child.is_attestation:
        return found
    if child.is_index:
        raise Invalid(f"{index} has an index in it, {child.digest}", "give that one itself")
    if child.platform and child.media_type in MANIFEST_TYPES and not child.is_artifact:
        return found
    image = index.with_digest(child.digest)
    if child.media_type not in MANIFEST_TYPES:
        raise Invalid(f"{image} is no image, but {child.media_type}")
    config_type, config = registry.configuration(image)
    platform = {key: config[key] for key in PLATFORM_FIELDS if config.get(key)}
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
