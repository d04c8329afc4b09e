"""A real registry in memory, without a login, and what is in it."""

from __future__ import annotations

import base64
import json
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any

KINDS = (
    *(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("index", "manifest")),
    *(f"application/vnd.docker.distribution.{kind}.v2+json" for kind in ("manifest.list", "manifest")),
)


@dataclass(frozen=True)
class Registry:
    """A running one.

    Args:
        address: host and port.
        login: user name and password, if it demands one.
    """

    address: str
    login: tuple[str, str] | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://{self.address}{path}", body, method=method)
        request.add_unredirected_header("Accept", ", ".join(KINDS))
        self._sign(request)
        if kind:
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def put(self, repository: str, data: bytes, kind: str, tag: str | None = None) -> dict[str, Any]:
        digest = f"sha256:{sha256(data).hexdigest()}"
        if "manifest" in kind or "index" in kind:
            status, _ = self.ask("PUT", f"/v2/{repository}/manifests/{tag or digest}", data, kind)
        else:
            status = self._upload(repository, data, digest)
        assert status == 201, (status, repository)
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def _upload(self, repository: str, data: bytes, digest: str) -> int:
        # Not every registry takes a blob in one POST.
        request = urllib.request.Request(
            f"http://{self.address}/v2/{repository}/blobs/uploads/", b"", method="POST"
        )
        self._sign(request)
        with urllib.request.urlopen(request, timeout=30) as answer:
            location = urllib.parse.urljoin(request.full_url, answer.headers["Location"])
        path = location.removeprefix(f"http://{self.address}")
        path += f"{'&' if '?' in path else '?'}digest={digest}"
        return self.ask("PUT", path, data, "application/octet-stream")[0]

    def _sign(self, request: urllib.request.Request) -> None:
        if self.login:
            pair = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {pair}")

    def push(self, repository: str, more: bytes = b"") -> str:
        """Push a small image of two platforms under the tag `rc` and return its digest.

        Args:
            repository: its name.
            more: what its only file holds beside the name of the platform.
        """
        children = []
        for architecture in ("amd64", "arm64"):
            buffer = BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                member = tarfile.TarInfo("hello")
                content = architecture.encode() + more
                member.size = len(content)
                archive.addfile(member, BytesIO(content))
            layer = buffer.getvalue()
            config = {
                "architecture": architecture,
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
            }
            kind = "application/vnd.oci.image."
            manifest = {
                "schemaVersion": 2,
                "mediaType": f"{kind}manifest.v1+json",
                "config": self.put(repository, json.dumps(config).encode(), f"{kind}config.v1+json"),
                "layers": [self.put(repository, layer, f"{kind}layer.v1.tar")],
            }
            child = self.put(repository, json.dumps(manifest).encode(), manifest["mediaType"])
            children.append(child | {"platform": {"os": "linux", "architecture": architecture}})
        index = {"schemaVersion": 2, "mediaType": f"{kind}index.v1+json", "manifests": children}
        return str(self.put(repository, json.dumps(index).encode(), index["mediaType"], "rc")["digest"])

    def tags(self, repository: str) -> dict[str, str]:
        """Return what each tag of people points to: the digest of its manifest's bytes."""
        status, body = self.ask("GET", f"/v2/{repository}/tags/list")
        names = (json.loads(body).get("tags") or ()) if status == 200 else ()
        found = {}
        for name in names:
            if not name.startswith("sha256-"):
                _, manifest = self.ask("GET", f"/v2/{repository}/manifests/{name}")
                found[name] = f"sha256:{sha256(manifest).hexdigest()}"
        return found

    def is_complete(self, repository: str, digest: str) -> bool:
        """Return whether everything below a manifest is there, with the bytes that its digest names."""
        status, body = self.ask("GET", f"/v2/{repository}/manifests/{digest}")
        if status != 200 or f"sha256:{sha256(body).hexdigest()}" != digest:
            return False
        manifest = json.loads(body)
        children = [each["digest"] for each in manifest.get("manifests", ())]
        blobs = [each["digest"] for each in (*manifest.get("layers", ()), manifest.get("config")) if each]
        return all(self.is_complete(repository, each) for each in children) and all(
            self.ask("HEAD", f"/v2/{repository}/blobs/{each}")[0] == 200 for each in blobs
        )
