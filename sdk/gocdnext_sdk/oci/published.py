"""What an image says of itself to everybody who pulls it: manifests, configurations, provenance.

Source: image-spec 1.1.1 `config.md`; moby/buildkit `docs/attestations/attestation-storage.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import MAX_MANIFEST
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.strict_json import parse_json

_PREDICATE_TYPE = "in-toto.io/predicate-type"
"""The annotation of an attestation's layer that says what it holds."""

_PROVENANCE = "slsa.dev/provenance"


class Said(NamedTuple):
    """One text.

    Args:
        where: in what, and where in it: `configuration of linux/amd64: history[2].created_by`.
        text: what stands there.
    """

    where: str
    text: str


class TooLarge(NamedTuple):
    """A document that is larger than what is read.

    Args:
        where: which.
        size: its bytes.
    """

    where: str
    size: int


def said_by(image: Reference, registry: RegistryClient) -> Iterator[Said | TooLarge]:
    """Yield every text of an image's manifests, configurations and provenance.

    Args:
        image: by digest.
        registry: reads it.

    Raises:
        RegistryError: something of it cannot be read.
    """
    descriptor, content = registry.manifest(image)
    if not descriptor.is_index:
        yield from _of_image(image, content, "", registry)
        return
    yield from _texts(content, "index")
    for child in registry.children(image):
        single = image.with_digest(child.digest)
        if child.is_index:
            yield from said_by(single, registry)
            continue
        _, content = registry.manifest(single)
        if child.is_attestation:
            yield from _of_attestation(single, content, registry)
        else:
            yield from _of_image(single, content, f" of {child.platform}" if child.platform else "", registry)


def attested_types(image: Reference, registry: RegistryClient) -> dict[str, set[str]]:
    """Return the types of the statements that BuildKit put beside each manifest of an image, by its digest.

    Raises:
        RegistryError: something of it cannot be read.
    """
    found: dict[str, set[str]] = {}
    for child in registry.children(image):
        single = image.with_digest(child.digest)
        if child.is_index:
            for digest, types in attested_types(single, registry).items():
                found.setdefault(digest, set()).update(types)
        elif about := child.attests_to:
            types = {predicate for predicate, _, _ in _layers(single, registry.manifest(single)[1])}
            found.setdefault(about, set()).update(types)
    return found


def _of_image(
    image: Reference, content: dict[str, Any], which: str, registry: RegistryClient
) -> Iterator[Said]:
    yield from _texts(content, f"manifest{which}")
    if "config" in content:
        yield from _texts(registry.configuration(image)[1], f"configuration{which}")


def _of_attestation(
    image: Reference, content: dict[str, Any], registry: RegistryClient
) -> Iterator[Said | TooLarge]:
    yield from _texts(content, "manifest of an attestation")
    for predicate, size, digest in _layers(image, content):
        if _PROVENANCE not in predicate:
            continue
        if not isinstance(size, int) or size > MAX_MANIFEST:
            yield TooLarge("provenance", size if isinstance(size, int) else 0)
            continue
        blob = registry.blob(image, digest)
        try:
            statement = parse_json(blob)
        except ValueError as error:
            raise RegistryError(f"{image}: its provenance is not valid: {error}") from None
        yield from _texts(statement, "provenance")


def _layers(image: Reference, content: dict[str, Any]) -> list[tuple[str, object, str]]:
    """Return type, size and digest of each statement of an attestation."""
    try:
        return [
            (
                str((each.get("annotations") or {}).get(_PREDICATE_TYPE, "")),
                each.get("size"),
                str(each.get("digest")),
            )
            for each in content["layers"]
        ]
    except (AttributeError, KeyError, TypeError):
        raise RegistryError(f"{image} is not an attestation: it has no layers, or other ones") from None


def _texts(value: Any, document: str, path: str = "") -> Iterator[Said]:
    """Yield the texts of a JSON document, names of members too, each with its place."""
    if isinstance(value, str):
        yield Said(f"{document}: {path}", value)
    elif isinstance(value, dict):
        for key, each in value.items():
            place = f"{path}.{key}" if path else str(key)
            yield Said(f"{document}: {path or 'a name'}", str(key))
            yield from _texts(each, document, place)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, document, f"{path}[{number}]")
