"""From `uses:` to the image that runs, and to the name the server's catalog looks up.

Source: upstream `server/pkg/domain` ResolvePluginRef and `server/internal/plugins/catalog.go`.
"""

from __future__ import annotations

from gocdnext_sdk.contract.errors import ContractError

PREFIX = "gocdnext-plugin-"
"""What the platform's own plugin images are called, before the name of their manifest."""


def image(uses: str) -> str:
    """Return the image reference that runs for a `uses:` value.

    `ghcr.io/a/b@v1` becomes `ghcr.io/a/b:v1`; a digest stays one. Nothing else is rewritten: a
    bare `gocdnext/node` is Docker Hub's, `docker://` and `./` mean nothing special, and no
    variable is expanded.

    Raises:
        ContractError: empty, with a blank inside, or with nothing on one side of `@`.
    """
    reference = uses.strip()
    if not reference:
        raise ContractError("empty; name an image, e.g. ghcr.io/org/plugin@v1")
    if any(blank in reference for blank in " \t\n"):
        raise ContractError(f"{reference!r} contains a space; an image reference cannot")
    base, at, version = reference.partition("@")
    if not at:
        return reference
    if not base or not version:
        raise ContractError(f"{reference!r} has nothing on one side of '@'; write IMAGE@VERSION")
    return reference if version.startswith("sha256:") else f"{base}:{version}"


def catalog_name(image: str) -> str:
    """Return the name of the manifest that the server validates this image's `with:` against.

    It is the last path segment without tag and digest, whatever the registry: an image is
    checked against a bundled manifest as soon as their names are equal.
    """
    name = image.partition("@")[0].rpartition("/")[2]
    head, colon, _ = name.rpartition(":")
    return head if colon else name


def short_name(name: str) -> str:
    """Return the name without the prefix of the platform's own images."""
    return name.removeprefix(PREFIX)
