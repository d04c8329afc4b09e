"""A Docker engine's API, as far as the set-up uses it: https://docs.docker.com/reference/api/engine/."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

Answer = tuple[int, str]


@dataclass
class Engine:
    """An engine that answers as it is told.

    Args:
        host: its address.
        refusals: what it says of the images of a registry, by the registry's name.
        tree: what its only image holds.
        asked: the registries that it was asked to look at.
        prunes: how often it was asked to forget its builds.
    """

    host: str
    refusals: dict[str, Answer] = field(default_factory=dict)
    tree: dict[str, tuple[tarfile.TarInfo, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    prunes: int = 0

    def put(self, path: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", link: str = "") -> None:
        """Put something into the image."""
        entry = tarfile.TarInfo(path.rsplit("/", 1)[-1])
        entry.type, entry.size, entry.linkname = kind, len(content), link
        self.tree[path] = (entry, content)


class Api(BaseHTTPRequestHandler):
    """Answers for the engine."""

    def log_message(self, *_: object) -> None: ...

    @property
    def engine(self) -> Engine:
        return self.server.engine  # type: ignore[attr-defined, no-any-return]

    def answer(self, body: object, status: int = HTTPStatus.OK) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Docker-Container-Path-Stat", "e30=")
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        path = self.path
        if path.endswith("/_ping"):
            self.answer(b"OK")
        elif path.endswith("/version"):
            self.answer({"Version": "1", "ApiVersion": "1.45"})
        elif "/distribution/" in path:
            registry = path.partition("/distribution/")[2].partition("/")[0]
            self.engine.asked.append(registry)
            status, said = self.engine.refusals.get(registry, (200, ""))
            self.answer({"message": said} if said else {"Descriptor": {}, "Platforms": []}, status)
        elif "/archive" in path:
            self.archive(path.partition("path=")[2].replace("%2F", "/"))
        else:
            self.answer({"Id": "sha256:1", "Config": {}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "/build/prune" in self.path:
            self.engine.prunes += 1
            self.answer({"CachesDeleted": [], "SpaceReclaimed": 0})
            return
        registry = self.path.partition("fromImage=")[2].partition("%2F")[0]
        status, said = self.engine.refusals.get(registry, (200, ""))
        self.answer({"message": said} if said else {"Id": "1"}, status)

    def do_DELETE(self) -> None:
        self.answer({})

    def archive(self, path: str) -> None:
        if path not in self.engine.tree:
            self.answer({"message": f"Could not find the file {path} in container 1"}, HTTPStatus.NOT_FOUND)
            return
        entry, content = self.engine.tree[path]
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(entry, io.BytesIO(content))
        self.answer(packed.getvalue())
