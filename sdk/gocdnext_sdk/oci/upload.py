"""Pushing an image from a layout: all content first, by digest, so that no tag names what is not there.

Source: distribution-spec 1.1.1, "Pushing blobs" and "Mounting a blob from another repository".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import media_type_of, parse_manifest
from gocdnext_sdk.oci.parallel import in_parallel
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.workspace import read_bytes

_WORKERS = 4
"""Blobs at once."""


def push(layout: Path, image: Reference, registry: RegistryClient, *, tries: int = 1) -> None:
    """Push an image of a layout, without a tag; what is there already is not sent again.

    Args:
        layout: the directory.
        image: where to, with the digest; an image of one platform.
        registry: has the logins.
        tries: how often a blob is sent, if the registry breaks off.

    Raises:
        RegistryError: the registry refuses it, or the layout lacks some of it.
    """
    try:
        content = read_bytes(_path(layout, str(image.digest)))
        manifest = parse_manifest(content)
        blobs = list(_blobs(manifest))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RegistryError(f"{image} cannot be pushed: what was built holds no such image") from None

    def send(digest: str) -> None:
        registry.upload(image, digest, _path(layout, digest), tries=tries)

    in_parallel(send, blobs, _WORKERS)
    registry.put(image, content, media_type_of(manifest, ""))


def _blobs(manifest: dict[str, object]) -> Iterator[str]:
    """Yield the blobs of a manifest; layers with `urls` are not for registries (image-spec, `layer.md`)."""
    layers = manifest["layers"]
    if not isinstance(layers, list):
        raise TypeError("no layers")
    for each in (manifest["config"], *layers):
        if not each.get("urls"):
            yield str(each["digest"])


def _path(layout: Path, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    if not (algorithm.isalnum() and name.isalnum()):
        raise ValueError("no digest")
    return layout / "blobs" / algorithm / name
