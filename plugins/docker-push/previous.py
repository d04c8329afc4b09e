"""The outputs PREVIOUS and RECEIPT as text: where tags pointed before a promotion, and what tells of it."""

from __future__ import annotations

from collections.abc import Mapping

from gocdnext_sdk import Invalid, Reference
from gocdnext_sdk.inputs.parsers import parse_words
from gocdnext_sdk.oci.reference import is_digest

Tags = Mapping[Reference, str | None]
"""Tags, each with the digest that it points to; None for one that does not exist."""


def names_receipts(text: str) -> bool:
    """Tell whether a text is the output RECEIPT, and not PREVIOUS."""
    return "=" not in text


def describe(previous: Tags) -> str:
    """Return the output PREVIOUS: one line."""
    return ",".join(f"{tag}={digest or ''}" for tag, digest in previous.items())


def parse_previous(text: str) -> Tags:
    """Read the output PREVIOUS.

    Raises:
        Invalid: it is none.
    """
    found: dict[Reference, str | None] = {}
    for item in filter(None, (each.strip() for each in text.split(","))):
        name, _, digest = item.rpartition("=")
        tag = Reference.parse(name)
        if tag.tag is None or (digest and not is_digest(digest)):
            raise Invalid(f"{item} is not TAG=DIGEST", "give the output PREVIOUS as it is")
        if tag in found:
            raise Invalid(f"{tag} is there twice", "give the output PREVIOUS as it is")
        found[tag] = digest or None
    return found


def parse_receipts(text: str) -> list[Reference]:
    """Read the output RECEIPT.

    Raises:
        ValueError: it is none.
    """
    found = [Reference.parse(word) for word in parse_words(text)]
    if not found or not all(each.digest for each in found):
        raise Invalid("is neither an output PREVIOUS nor receipts with their digests")
    return found
