"""Build the base image and the plugins' images on the engine, and say what they weigh."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

from gocdnext_sdk.host.harness.base_image import build_base
from gocdnext_sdk.host.harness.build import build_contexts, build_image, find_buildx
from testbed import engine
from testbed.cache import lock, run, step
from testbed.pins import ROOT

# Checkouts that run their tests on one engine at once need names of their own.
TAG = os.environ.get("GOCDNEXT_TESTBED_TAG", "dev")
BASE = f"localhost/gocdnext-plugin-base:{TAG}"
SIGSTORE = f"localhost/gocdnext-sigstore:{TAG}"
RUNTIME = "gocdnext/"
CHUNK = 1 << 20


def base() -> str:
    """Build the base image; quick when nothing changed, since the engine keeps what it built."""
    with lock("base-image"), step("building the base image"):
        build_base(build_contexts(), BASE)
    return BASE


def sigstore() -> str:
    """Build the image of the local Sigstore."""
    folder = ROOT / "sdk"
    with lock("sigstore-image"), step("building the local Sigstore's image"):
        build_image(folder, SIGSTORE, build_contexts(), dockerfile=folder / "sigstore" / "Dockerfile")
    return SIGSTORE


def exists(tag: str) -> bool:
    import docker.errors

    with engine.client(engine.up()) as host:
        try:
            host.images.get(tag)
        except docker.errors.ImageNotFound:
            return False
    return True


def plugin_tag(name: str) -> str:
    """Give the name on the engine of a plugin's image."""
    return f"localhost/gocdnext-plugin-{name}:{TAG}"


def plugins(*names: str) -> list[str]:
    """Build the images of the plugins in these folders of ``plugins/``, all of them if none is named."""
    contexts = build_contexts()
    folders = [ROOT / "plugins" / name for name in names] or [
        file.parent for file in sorted(ROOT.glob("plugins/*/Dockerfile"))
    ]

    def build(folder: Path) -> str:
        tag = plugin_tag(folder.name)
        with step(f"building {tag}"):
            build_image(folder, tag, contexts)
        return tag

    with ThreadPoolExecutor(max_workers=2) as workers:
        return list(workers.map(build, folders))


@contextmanager
def built(folder: Path, dockerfile: str = "Dockerfile") -> Iterator[str]:
    """Have the image of a folder on the engine while the block runs; gives its name there."""
    tag = f"localhost/gocdnext-{folder.name}-{uuid4().hex[:8]}:test"
    build_image(folder, tag, build_contexts(), dockerfile=folder / dockerfile)
    try:
        yield tag
    finally:
        with engine.client(engine.up()) as host:
            host.images.remove(tag, force=True)


def push(folder: Path, ref: str, contexts: Iterable[str], architectures: Iterable[str]) -> None:
    """Build *folder* for several platforms with the engine's own builder, and push it to a local registry."""
    command = [*find_buildx(), "build", "--progress=plain", "--provenance=false", "--push", "--tag", ref]
    command += ["--platform", ",".join(f"linux/{each}" for each in architectures)]
    for context in contexts:
        command += ["--build-context", context]
    run(*command, folder)
    engine.forget(ref)


@dataclass(frozen=True)
class Layer:
    """One layer as it travels: its compressed bytes, and whether it holds the runtime or the plugin."""

    digest: str
    size: int
    ours: bool


def listing(tags: list[str]) -> str:
    """Give a table of compressed sizes: the tools', what we add, and all together, each layer once."""
    images = {tag: layers(tag) for tag in (BASE, *tags)}
    ground = {layer.digest for layer in images[BASE]}
    images["all together, each layer once"] = list(
        {layer.digest: layer for own in images.values() for layer in own}.values()
    )
    lines = [f"{'compressed MB':<40}{'image':>8}{'tool':>8}{'ours':>8}"]
    for name, own in images.items():
        total = sum(layer.size for layer in own) / 1e6
        ours = sum(layer.size for layer in own if layer.ours or layer.digest in ground) / 1e6
        lines.append(f"{name:<40}{total:8.1f}{total - ours:8.1f}{ours:8.1f}")
    return "\n".join(lines)


def layers(tag: str) -> list[Layer]:
    """Give the layers of an image on the engine."""
    with tempfile.TemporaryFile() as saved:
        with engine.client(engine.up(), timeout=600) as host:
            saved.writelines(host.images.get(tag).save())
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            manifest = json.load(_member(archive, "manifest.json"))[0]
            return [_layer(Path(path).name, _member(archive, path)) for path in manifest["Layers"]]


def _layer(digest: str, blob: IO[bytes]) -> Layer:
    with tarfile.open(fileobj=blob, mode="r|*") as content:
        ours = any(RUNTIME in entry.name for entry in content if entry.isfile())
    blob.seek(0)
    packed = blob.read(2) == b"\x1f\x8b"
    blob.seek(0)
    # An engine without the containerd image store saves its layers unpacked.
    squeeze = None if packed else zlib.compressobj()
    size = sum(
        len(squeeze.compress(chunk) if squeeze else chunk) for chunk in iter(lambda: blob.read(CHUNK), b"")
    )
    return Layer(digest, size + len(squeeze.flush() if squeeze else b""), ours)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    if found is None:
        raise FileNotFoundError(name)
    return found
