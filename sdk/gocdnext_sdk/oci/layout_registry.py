"""A directory in the OCI image layout, read as a registry is: by the same client, with the same checks.

Source: image-spec 1.1.1 `image-layout.md`; distribution-spec 1.1.1 for the requests.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.transport import Headers, Request, Response, Transport
from gocdnext_sdk.workspace import read_bytes

_CONTENT = re.compile(r"/v2/.+/(?:manifests|blobs)/(?P<algorithm>[a-z0-9]+):(?P<hex>[0-9a-f]+)")


class LayoutRegistry(Transport):
    """A transport that answers from a layout; what it holds is asked for by digest, under any name.

    Args:
        layout: the directory.
    """

    def __init__(self, layout: Path) -> None:
        self._layout = layout

    def client(self) -> RegistryClient:
        """Return a client that reads the layout."""
        return RegistryClient(transport=self)

    def send(self, request: Request, deadline: float) -> Response:
        """Answer GET and HEAD of a manifest or a blob; what is not there, or no file, is 404."""
        found = _CONTENT.fullmatch(urlsplit(request.url).path)
        if found is None or request.method not in ("GET", "HEAD"):
            return Response(404)
        try:
            content = read_bytes(self._layout / "blobs" / found["algorithm"] / found["hex"])
        except OSError:
            return Response(404)
        return Response(200, Headers(), content if request.method == "GET" else b"")
