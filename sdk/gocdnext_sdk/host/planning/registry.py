"""The registry of a plan: it is asked for what a run would ask for, and contacts nobody."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from gocdnext_sdk.host.planning.guard import PlanEnds
from gocdnext_sdk.host.planning.model import Notes, Step
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import OCI_INDEX, OCI_MANIFEST
from gocdnext_sdk.oci.reference import Reference, Registry, is_digest
from gocdnext_sdk.oci.transport import Headers, Request, Response, Transport

_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")


class PlannedRegistry(Transport):
    """A transport that knows every image, takes it for one of a single platform, and notes what is asked.

    Args:
        notes: gets the questions.
        shown: gives what stands for a digest.
    """

    def __init__(self, notes: Notes, shown: Placeholders) -> None:
        self._notes = notes
        self._shown = shown

    def client(self) -> RegistryClient:
        """Return a client of it."""
        return RegistryClient(transport=self, digest=self._digest, at_once=1)  # for the order of the notes

    def send(self, request: Request, deadline: float) -> Response:
        """Answer with what stands for the real thing."""
        parts = urlsplit(request.url)
        found = _MANIFEST.fullmatch(parts.path)
        if parts.path.endswith("/tags/list"):
            if request.assumed is not None:
                return Response(200, body=request.assumed.encode())
            raise PlanEnds(f"what follows depends on the tags of {parts.netloc}{parts.path[3:-10]}")
        if request.method == "POST" and parts.path.endswith("/blobs/uploads/"):  # whether one may push
            return Response(202, Headers({"Location": f"{parts.path}planned"}))
        if found is None:  # whether it speaks TLS, and what refers to an image: nothing
            return Response(200, Headers({"Content-Type": OCI_INDEX}), b'{"manifests": []}')
        image = Reference(Registry.parse(parts.netloc), found[1])
        version = found[2]
        image = image.with_digest(version) if is_digest(version) else image.with_tag(version)
        if request.method == "PUT":
            self._notes.steps.append(Step("tag", (self._shown.show(str(image)),)))
            # As of one with the referrers API.
            return Response(201, Headers({"OCI-Subject": image.digest or ""}))
        if request.assumed == "":
            self._note(request, image, "assumed not to exist")
            return Response(404)
        digest = request.assumed or image.digest or self._shown.digest(image)
        self._note(request, image, self._shown.show(digest))
        headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": digest, "Content-Length": "0"}
        return Response(200, Headers(headers), _stand_in(digest) if request.method == "GET" else b"")

    def _note(self, request: Request, image: Reference, answer: str) -> None:
        step = Step("look up", (self._shown.show(str(image)),), answer)
        # What a digest names is no question, nor what was just asked for by HEAD.
        if request.method == "HEAD" or not (image.digest or self._notes.steps[-1:] == [step]):
            self._notes.steps.append(step)

    @staticmethod
    def _digest(body: bytes, algorithm: str) -> str:
        """Return the digest that a stand-in is for."""
        return str(json.loads(body)["annotations"]["digest"])


def _stand_in(digest: str) -> bytes:
    """Return a manifest that stands for the one of that digest."""
    return json.dumps({"annotations": {"digest": digest}}).encode()
