"""The tags of a repository.

Source: distribution-spec 1.1.1 "Listing Tags"; RFC 8288 (`Link`), by which registries page.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.strict_json import parse_json

MAX_PAGES = 1000
"""Answers that are read of one list."""

_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


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
            tags = parse_json(response.body).get("tags") or ()
            found += [str(each) for each in tags]
        except (TypeError, ValueError):
            raise RegistryError(f"{image.name}: the registry sent an invalid list of tags") from None
        following = _NEXT.search(response.headers.get("Link", ""))
        if following is None or response.request is None:
            return tuple(dict.fromkeys(found))
        path = urljoin(response.request.url, following[1])
    raise RegistryError(f"{image.name}: the list of tags has more than {MAX_PAGES} pages")
