"""Harbor's API v2.0: where an image is."""

from __future__ import annotations

from urllib.parse import quote

from gocdnext_sdk import Reference

API = "/api/v2.0"


def artifact(image: Reference) -> str:
    """Return the path of an image, which is given by digest."""
    project, _, name = image.repository.partition("/")
    # A slash in the name is encoded twice.
    repository = quote(quote(name, safe=""), safe="")
    return f"{API}/projects/{project}/repositories/{repository}/artifacts/{image.digest}"
