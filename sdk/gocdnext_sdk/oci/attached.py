"""What belongs to an image in a registry: artifacts that refer to it, and tags such as `sha256-….sig`.

Regctl finds the same (`artifact tree --digest-tags`), but ends where such a tag is on the image itself, as
tools that copy images by digest leave it.

Source: distribution-spec 1.1.1 "Listing Referrers"; sigstore/cosign `pkg/oci/remote/remote.go` for the tags;
regclient 0.11.6 `cmd/regctl/artifact.go` (`treeAddResult`).
"""

from __future__ import annotations

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import Descriptor
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.referrers import fallback_tag, referrers
from gocdnext_sdk.oci.tags import list_tags


def attached(registry: RegistryClient, image: Reference) -> frozenset[str]:
    """Return what belongs to an image, to its children, and to what belongs to them.

    Args:
        registry: reads it; a plan assumes that there is nothing.
        image: by digest.

    Returns:
        The digests of referrers, and tags that begin with the digest of what they belong to. The bare
        `sha256-<hex>` is none: it is the list of referrers, where there is no API for them, or the image.

    Raises:
        RegistryError: something of it cannot be read, or a tag is there whose image is gone.
    """
    tags = list_tags(registry, image, assumed='{"tags": []}')

    def beside(subject: Descriptor) -> tuple[set[str], list[Descriptor]]:
        place, start = image.with_digest(subject.digest), fallback_tag(image.with_digest(subject.digest))
        about = referrers(registry, place)
        tagged = {
            tag: _found(registry, image.with_tag(tag))
            for tag in tags
            if tag.startswith(start) and tag != start
        }
        own = {tag: each for tag, each in tagged.items() if each.digest != subject.digest}
        below = registry.children(place) if subject.is_index else ()
        return {*own, *(each.digest for each in about)}, [*about, *own.values(), *below]

    found: set[str] = set()
    level = [registry.resolve(image)]
    known = {image.digest}
    while level:
        following: dict[str, Descriptor] = {}
        for names, more in registry.ask_each(image.registry, beside, level):
            found |= names
            following |= {each.digest: each for each in more if each.digest not in known}
        known |= following.keys()
        level = list(following.values())
    return frozenset(found)


def _found(registry: RegistryClient, tag: Reference) -> Descriptor:
    found = registry.find(tag)
    if found is None:
        raise RegistryError(f"{tag} is listed, and not there; delete the tag, or sign the image again")
    return found
