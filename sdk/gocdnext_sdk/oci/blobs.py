"""Sending blobs, in one piece each, and asking whether one may.

Source: distribution-spec 1.1.1, "Pushing blobs".
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci.connection import Connection
from gocdnext_sdk.oci.links import target_of
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.transport import MAX_SECONDS

_SLOWEST = 128 * 1024
"""Bytes a second of an upload that is waited for."""

_BEGUN_ANEW = (404, 416, 429)
"""Answers after which, as after 5xx, an upload is begun anew.

404 and 416: it broke off, and the registry has forgotten it. 429: it was busy at each try of the request,
which came seconds after each other; the next upload waits longer.
"""


def check_push(connection: Connection, image: Reference) -> None:
    """Ask whether one may push to an image's repository; see `RegistryClient.check_push`."""
    location = _begin(connection, image)
    with suppress(RegistryError):  # one that is forgotten is as good
        connection.request("DELETE", image, location, {}, b"")


def upload(connection: Connection, image: Reference, digest: str, content: bytes | Path, tries: int) -> None:
    """Send a blob, unless it is there; see `RegistryClient.upload`."""
    if connection.request("HEAD", image, f"blobs/{digest}", {}, None).status == 200:
        return
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    seconds = MAX_SECONDS + size / _SLOWEST
    headers = {"Content-Type": "application/octet-stream"}
    for left in range(tries - 1, -1, -1):
        location = _begin(connection, image)
        place = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        response = connection.request("PUT", image, place, headers, content, seconds=seconds)
        if response.status in (200, 201, 204):
            return
        if not left or not (response.status in _BEGUN_ANEW or response.status >= 500):
            raise connection.refused(response, image)
        connection.clock.sleep(2.0 ** (tries - left))


def _begin(connection: Connection, image: Reference) -> str:
    response = connection.request("POST", image, "blobs/uploads/", {}, b"")
    if not 200 <= response.status < 300:
        raise connection.refused(response, image)
    location = response.headers.get("Location", "")
    if not location:
        raise RegistryError(f"{image}: {image.registry} names no place for an upload")
    try:
        return target_of(response, location)
    except ValueError as error:
        raise RegistryError(f"{image}: {image.registry} names no place for an upload: {error}") from None
