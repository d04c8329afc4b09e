"""The tags of a repository.

Source: distribution-spec 1.1.1 "Listing Tags".
"""

from __future__ import annotations

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.links import next_page
from gocdnext_sdk.oci.reference import Reference, is_tag
from gocdnext_sdk.oci.strict_json import check_names, parse_json

MAX_PAGES = 1000
"""Answers that are read of one list."""


def list_tags(registry: RegistryClient, image: Reference) -> tuple[str, ...]:
    """Return the tags of an image's repository, in the registry's order.

    Raises:
        RegistryError: there is no such repository, it cannot be read, or its list has no end.
    """
    found: list[str] = []
    path = "tags/list"
    for _ in range(MAX_PAGES):
        response = registry.request("GET", image, path)
        if response.status != 200:
            raise registry.refused(response, image)
        try:
            found += _tags(response.body)
            following = next_page(response)
        except ValueError as error:
            raise RegistryError(f"{image.name}: the registry sent an invalid list of tags: {error}") from None
        if following is None:
            return tuple(dict.fromkeys(found))
        path = following
    raise RegistryError(f"{image.name}: the list of tags has more than {MAX_PAGES} pages")


def _tags(body: bytes) -> list[str]:
    """Return the tags of one page; Go writes an empty list as null.

    Raises:
        ValueError: it is no list of tags.
    """
    content = parse_json(body)
    check_names(content, ("name", "tags"))
    tags = content.get("tags")
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(each, str) and is_tag(each) for each in tags):
        raise ValueError("they are not a list of tags")
    return tags
