"""A registry in memory, behind the registry client's transport: tests of a plugin need no socket.

    registry = FakeRegistry(users={"me": "hunter2-hunter2"})
    image = registry.push("team/app:1", {"schemaVersion": 2, "layers": []})
    client = RegistryClient(transport=registry)

It speaks distribution-spec 1.1.1 (manifests, tags, blobs, uploads in one piece, referrers) and the token
protocol, and keeps every request. `FakeNetwork` puts several hosts behind one transport; any function may be
one of them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gocdnext_sdk.oci.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from gocdnext_sdk.oci.reference import Reference, is_digest
from gocdnext_sdk.oci.transport import Fault, Headers, Request, Response, Transport, TransportError

Handler = Callable[[Request], Response]
"""What answers a request."""

_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
_BLOB = re.compile(r"/v2/(.+)/blobs/([^/]+)")
_UPLOADS = re.compile(r"/v2/(.+)/blobs/uploads/(.*)")
_TAGS = re.compile(r"/v2/(.+)/tags/list")
_REFERRERS = re.compile(r"/v2/(.+)/referrers/([^/]+)")


def respond(
    status: int = 200,
    body: bytes | str = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
) -> Response:
    """Return an answer."""
    content = body.encode() if isinstance(body, str) else body
    return Response(status, Headers(headers), content, HTTPStatus(status).phrase)


def refuse(status: int, code: str, message: str = "", challenges: Iterable[str] = ()) -> Response:
    """Return an answer with an error of the specification ("Error Codes")."""
    body = json.dumps({"errors": [{"code": code, "message": message or code}]})
    headers = [("Content-Type", "application/json"), *(("WWW-Authenticate", each) for each in challenges)]
    return respond(status, body, headers)


@dataclass
class FakeNetwork(Transport):
    """A transport that hands each request to the host it is for, and keeps it.

    Args:
        hosts: what answers, by `host[:port]`; a name that is not there does not resolve.
        tls: the hosts that speak TLS only, or plain http only if False; those that are not named speak both.
    """

    hosts: Mapping[str, Handler] = field(default_factory=dict)
    tls: Mapping[str, bool] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list, init=False)

    def send(self, request: Request, deadline: float) -> Response:
        """Answer `request`."""
        handler = self.hosts.get(request.host)
        if handler is None:
            raise TransportError(Fault.NO_NAME, "Name or service not known")
        speaks_tls = self.tls.get(request.host)
        if speaks_tls is False and request.url.startswith("https:"):
            raise TransportError(Fault.NO_TLS, "it does not speak TLS")
        if speaks_tls is True and request.url.startswith("http:"):
            raise TransportError(Fault.BROKEN, "Connection reset by peer")
        self.requests.append(request)
        response = handler(request)
        if request.method != "HEAD":
            return response
        length = {"Content-Length": str(len(response.body)), **response.headers}
        return Response(response.status, Headers(length), b"", response.reason)


@dataclass
class FakeRegistry(Transport):
    """A registry in memory. It is a handler for `FakeNetwork`, and a transport of its own.

    Args:
        host: its name.
        users: name to password. If there are any, a login is needed.
        refresh_tokens: what its token server takes instead of a password, by POST.
        challenges: the fields of its 401, in which `{realm}` stands for the token server's URL.
        wants_token: whether it takes tokens only, else passwords only.
        has_referrers: whether it has the referrers API.
        token_field: where its token server puts a token; `access_token` is the other place.
    """

    host: str = "registry.example.com"
    users: Mapping[str, str] = field(default_factory=dict)
    refresh_tokens: frozenset[str] = frozenset()
    challenges: tuple[str, ...] = ('Bearer realm="{realm}",service="fake"',)
    has_referrers: bool = True
    wants_token: bool = True
    token_field: str = "token"  # noqa: S105 - a field's name
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict, init=False)
    tags: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    blobs: dict[str, bytes] = field(default_factory=dict, init=False)
    network: FakeNetwork = field(init=False)
    _tokens: dict[str, set[str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.network = FakeNetwork({self.host: self, self.token_host: self.token})

    @property
    def token_host(self) -> str:
        """The host of its token server."""
        return f"auth.{self.host}"

    @property
    def requests(self) -> list[Request]:
        """What was asked so far, of the token server too."""
        return self.network.requests

    def send(self, request: Request, deadline: float) -> Response:
        """Answer `request`, as a transport."""
        return self.network.send(request, deadline)

    def push(
        self, name: str, content: Mapping[str, Any] | bytes, media_type: str | None = None
    ) -> Descriptor:
        """Store a manifest or an index under `name`, a `repository[:tag]`; return its descriptor."""
        repository, _, tag = name.partition(":")
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        is_index = isinstance(content, Mapping) and "manifests" in content
        found = media_type or (OCI_INDEX if is_index else OCI_MANIFEST)
        digest = digest_of(body)
        self.manifests[repository, digest] = found, body
        if tag:
            self.tags[repository, tag] = digest
        return Descriptor(digest, found, len(body))

    def blob(self, content: bytes) -> str:
        """Store a blob; return its digest."""
        digest = digest_of(content)
        self.blobs[digest] = content
        return digest

    def reference(self, name: str) -> Reference:
        """Return the reference of `name`, a `repository[:tag][@digest]`, here."""
        return Reference.parse(f"{self.host}/{name}")

    def __call__(self, request: Request) -> Response:
        """Answer a request to the registry itself."""
        path = urlsplit(request.url).path
        kinds = (_MANIFEST, _UPLOADS, _BLOB, _TAGS, _REFERRERS)
        repository = next((found[1] for kind in kinds if (found := kind.fullmatch(path))), "")
        if (self.users or self.refresh_tokens) and not self._may(request, repository):
            realm = f"https://{self.token_host}/token"
            fields = (each.replace("{realm}", realm) for each in self.challenges)
            return refuse(401, "UNAUTHORIZED", "authentication required", fields)
        if path == "/v2/":
            return respond(200, b"{}")
        if found := _MANIFEST.fullmatch(path):
            return self._manifest(request, found[1], found[2])
        if (found := _BLOB.fullmatch(path)) and found[2] in self.blobs:
            return respond(200, self.blobs[found[2]], {"Docker-Content-Digest": found[2]})
        if found := _UPLOADS.fullmatch(path):
            return self._upload(request)
        if found := _TAGS.fullmatch(path):
            tags = sorted(tag for where, tag in self.tags if where == found[1])
            return respond(200, json.dumps({"name": found[1], "tags": tags}))
        if (found := _REFERRERS.fullmatch(path)) and self.has_referrers:
            return self._referrers(found[1], found[2])
        return refuse(404, "NOT_FOUND")

    def token(self, request: Request) -> Response:
        """Answer a request to the token server (distribution `token.md`, `oauth.md`)."""
        if request.method == "POST":
            asked = parse_qs(request.content.decode())
            scopes = " ".join(asked.get("scope", [])).split()
            allowed = asked.get("refresh_token", [""])[0] in self.refresh_tokens
        else:
            scopes = parse_qs(urlsplit(request.url).query).get("scope", [])
            allowed = self._is_user(request.headers.get("Authorization", ""))
        if not allowed:
            return refuse(401, "UNAUTHORIZED", "incorrect username or password")
        token = f"t0k3n-{len(self.requests)}"
        self._tokens[token] = set(scopes)
        return respond(200, json.dumps({self.token_field: token, "expires_in": 300}))

    def expire_tokens(self) -> None:
        """Take no token that was given so far."""
        self._tokens.clear()

    def _may(self, request: Request, repository: str) -> bool:
        authorization = request.headers.get("Authorization", "")
        if not self.wants_token:
            return self._is_user(authorization)
        scopes = self._tokens.get(authorization.removeprefix("Bearer "), set())
        actions = {"GET": "pull", "HEAD": "pull", "DELETE": "pull,push,delete"}.get(
            request.method, "pull,push"
        )
        return f"repository:{repository}:{actions}" in scopes

    def _is_user(self, authorization: str) -> bool:
        logins = {base64.b64encode(f"{name}:{word}".encode()).decode() for name, word in self.users.items()}
        return authorization.removeprefix("Basic ") in logins

    def _manifest(self, request: Request, repository: str, version: str) -> Response:
        if request.method == "PUT":
            descriptor = self.push(repository, request.content, request.headers.get("Content-Type", ""))
            if not is_digest(version):
                self.tags[repository, version] = descriptor.digest
            subject = json.loads(request.content).get("subject")
            listed = {"OCI-Subject": subject["digest"]} if subject and self.has_referrers else {}
            return respond(201, b"", {"Docker-Content-Digest": descriptor.digest} | listed)
        digest = version if is_digest(version) else self.tags.get((repository, version), "")
        if (repository, digest) not in self.manifests:
            return refuse(404, "MANIFEST_UNKNOWN")
        if request.method == "DELETE":
            if digest == version:
                del self.manifests[repository, digest]
            else:
                del self.tags[repository, version]
            return respond(202)
        media_type, body = self.manifests[repository, digest]
        return respond(200, body, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def _upload(self, request: Request) -> Response:
        """Take a blob in one piece."""
        if request.method == "POST":
            return respond(202, b"", {"Location": f"{urlsplit(request.url).path}1?state=x"})
        if request.method == "DELETE":
            return respond(204)
        digest = parse_qs(urlsplit(request.url).query).get("digest", [""])[0]
        if digest != self.blob(request.content):
            return refuse(400, "DIGEST_INVALID")
        return respond(201, b"", {"Docker-Content-Digest": digest})

    def _referrers(self, repository: str, digest: str) -> Response:
        found = []
        for (where, each), (media_type, body) in self.manifests.items():
            content = json.loads(body)
            if where == repository and (content.get("subject") or {}).get("digest") == digest:
                kind = content.get("artifactType") or content.get("config", {}).get("mediaType")
                found.append(
                    {"mediaType": media_type, "digest": each, "size": len(body), "artifactType": kind}
                )
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        return respond(200, json.dumps(index), {"Content-Type": OCI_INDEX})
