"""What docker-push takes for 300 MB between two registries, beside crane in the same run: ``make bench``."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from subprocess import run
from typing import Any
from uuid import uuid4

import pytest
from tests.bench.measuring import Comparison, container_seconds, tool

from gocdnext_sdk.host.harness.build import build_contexts, build_image
from gocdnext_sdk.host.harness.local_registry import DEFAULT_IMAGE, IMAGE_VARIABLE

FOLDER = Path(__file__).parents[2] / "plugins" / "docker-push"
LAYERS, LAYER = 3, 100 * 1000 * 1000
ROUNDS = 31
PORTS = (5000, 5001)


@dataclass(frozen=True)
class Registries:
    """Two registries in one network, and the ways to copy from the first to the second.

    Args:
        docker: the engine.
        containers: of the registries.
        digest: of the image in the first.
        plugin: the plugin's image.
        crane: an image of crane and nothing else.
    """

    docker: Any
    containers: tuple[Any, Any]
    digest: str
    plugin: str
    crane: str

    @property
    def source(self) -> str:
        return f"localhost:{PORTS[0]}/bench/app@{self.digest}"

    def target(self) -> str:
        """Name a repository that has nothing yet."""
        return f"localhost:{PORTS[1]}/bench/{uuid4().hex}"

    def plugin_container(self) -> float:
        inputs = {"PLUGIN_SOURCE": self.source, "PLUGIN_TARGET": self.target(), "PLUGIN_TAGS": "v1"}
        return self._container(self.plugin, environment={"GOCDNEXT": "true"} | inputs)

    def crane_container(self) -> float:
        return self._container(self.crane, command=["copy", self.source, f"{self.target()}:v1"])

    def regctl_alone(self) -> float:
        flags = ("--referrers", "--digest-tags")
        hosts = (word for port in PORTS for word in ("--host", f"reg=localhost:{port},tls=disabled"))
        target = f"{self.target()}@{self.digest}"
        return self._exec("/regctl", "image", "copy", *hosts, *flags, self.source, target)

    def crane_alone(self) -> float:
        return self._exec("/crane", "copy", self.source, f"{self.target()}:v1")

    def _container(self, image: str, **options: Any) -> float:
        network = f"container:{self.containers[0].id}"
        return container_seconds(self.docker, image, network_mode=network, **options)

    def _exec(self, *argv: str) -> float:
        """Run a tool where both registries are, so that neither a container's start nor a proxy counts."""
        begin = time.perf_counter()
        done = self.containers[0].exec_run(list(argv))
        took = time.perf_counter() - begin
        assert done.exit_code == 0, done.output
        return took


def write_image(folder: Path) -> str:
    """Write an OCI image layout of 300 MB that nothing compresses, and return the image's digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes, media_type: str) -> dict[str, Any]:
        digest = sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        kind = f"application/vnd.oci.image.{media_type}"
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    def layer() -> dict[str, Any]:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo("content")
            entry.size = LAYER
            archive.addfile(entry, io.BytesIO(os.urandom(LAYER)))
        return add(buffer.getvalue(), "layer.v1.tar")

    layers = [layer() for _ in range(LAYERS)]
    rootfs = {"type": "layers", "diff_ids": [each["digest"] for each in layers]}
    config = {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add(json.dumps(config).encode(), "config.v1+json"),
        "layers": layers,
    }
    image = add(json.dumps(manifest).encode(), "manifest.v1+json")
    named = image | {"annotations": {"org.opencontainers.image.ref.name": "app"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return str(image["digest"])


def tar_of(**files: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, path in files.items():
            archive.add(path, name)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    import docker

    client = docker.from_env(timeout=300)
    name = f"gocdnext-bench-{uuid4().hex[:8]}"
    plugin, crane = f"localhost/{name}-plugin:bench", f"localhost/{name}-crane:bench"
    containers: list[Any] = []
    try:
        build_image(FOLDER, plugin, build_contexts())
        client.api.import_image_from_data(
            tar_of(crane=tool("crane")), repository=crane, changes=['ENTRYPOINT ["/crane"]']
        )
        image = os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        for port in PORTS:
            network = {"network_mode": f"container:{containers[0].id}"} if containers else {}
            environment = {
                "REGISTRY_HTTP_ADDR": f":{port}",
                "REGISTRY_LOG_LEVEL": "warn",
                "OTEL_TRACES_EXPORTER": "none",
            }
            containers.append(
                client.containers.run(
                    image, detach=True, name=f"{name}-{port}", environment=environment, **network
                )
            )
        layout = tmp_path_factory.mktemp("bench") / "layout"
        digest = write_image(layout)
        first = containers[0]
        first.put_archive("/", tar_of(regctl=tool("regctl"), crane=tool("crane")))
        archive = layout.with_suffix(".tar")
        run(["tar", "-cf", archive, "-C", layout.parent, layout.name], check=True)
        with archive.open("rb") as stream:
            first.put_archive("/tmp", stream)
        host = ("--host", f"reg=localhost:{PORTS[0]},tls=disabled")
        done = first.exec_run(
            [
                "/regctl",
                "image",
                "copy",
                *host,
                "ocidir:///tmp/layout:app",
                f"localhost:{PORTS[0]}/bench/app:1",
            ]
        )
        assert done.exit_code == 0, done.output
        yield Registries(client, (containers[0], containers[1]), digest, plugin, crane)
    finally:
        for container in reversed(containers):
            container.remove(force=True, v=True)
        for image in (plugin, crane):
            client.images.remove(image, force=True)
        client.close()


@pytest.mark.parametrize(
    ("what", "limit"), [("the copying alone", 1.05), ("the whole container", 1.2)], ids=["copy", "container"]
)
def test_copying_300_mb(
    registries: Registries, capsys: pytest.CaptureFixture[str], what: str, limit: float
) -> None:
    if what == "the whole container":
        found = Comparison.of(registries.plugin_container, registries.crane_container, ROUNDS)
    else:
        found = Comparison.of(registries.regctl_alone, registries.crane_alone, ROUNDS)
    seconds = f"docker-push {found.ours:.2f} s, crane {found.theirs:.2f} s"
    with capsys.disabled():
        print(f"\n{what}: {seconds}: {found.ratio:.3f} (at most {limit})")
    assert found.ratio <= limit
