"""Stand-ins for base images, of Debian's packages and what Go builds, for a host whose engine cannot pull."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from testbed import engine, images, tools
from testbed.cache import arriving, cache_dir, lock, run, step
from testbed.debian import bootstrap, suites
from testbed.pins import pins

HERE = Path(__file__).with_name("bases")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PLATFORMS = {"python": ("amd64", "arm64"), "registry": ("amd64",), "buildkit": ("amd64",)}
# Packages are unpacked, not configured, so that a foreign platform needs no emulation. What configuring would
# have made, dpkg's lists for one, and what makes Debian's Python behave like the official image's, is here.
FINISH = r"""
cd "$1"
for deb in var/cache/apt/archives/*.deb; do
  { dpkg-deb --field "$deb"; echo "Status: install ok installed"; echo; } >> var/lib/dpkg/status
  dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's,^\.,,; s,/$,,' > "var/lib/dpkg/info/$(dpkg-deb --field "$deb" Package).list"
done
echo 'root:x:0:0:root:/root:/bin/sh' > etc/passwd
echo 'root:x:0:' > etc/group
ln -sf python3 usr/bin/python
rm -rf usr/lib/python3*/EXTERNALLY-MANAGED usr/share/man usr/share/locale usr/share/info
find usr/share/doc -type f ! -name copyright -delete
"""  # noqa: E501 - the shell has no shorter way
HOOKS = ("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", f"--extract-hook={FINISH}")


def image(name: str) -> str:
    """Give the local image that stands in for *name*, one of ``PLATFORMS``; made if missing."""
    with lock(f"image-{name}"):
        if not images.exists(tag(name)):
            with step(f"making a stand-in for the {name} image"):
                _build(name, "--load", "--tag", tag(name))
    return tag(name)


def tag(name: str) -> str:
    """Give the name of the stand-in, which tells all that it is made of."""
    return f"localhost/gocdnext-{_folder(name).name.replace('-', ':', 1)}"


def push(name: str, ref: str) -> None:
    """Push *name* for ``PLATFORMS`` to *ref* in a local registry: the official image, or its stand-in."""
    if not engine.can_pull(engine.up()):
        _build(name, "--push", "--tag", ref)
        engine.forget(ref)
        return
    parts = {platform: f"{ref}-{platform}" for platform in PLATFORMS[name]}
    for platform, part in parts.items():
        _crane("push", pulled(name) / platform, part)
    _crane("index", "append", *(f"--manifest={part}" for part in parts.values()), "--tag", ref)


def pulled(name: str) -> Path:
    """Give the folder of the official image, an OCI layout a platform; asked of its registry once."""
    pin = pins()[name]
    key = hashlib.sha256(pin.image.encode()).hexdigest()[:8]
    target = cache_dir() / "bases" / f"{name}-{pin.version}-pulled-{key}"
    with lock(f"base-{name}"):
        if not target.exists():
            with step(f"pulling {name} for {', '.join(PLATFORMS[name])}"), arriving(target) as scratch:
                for platform in PLATFORMS[name]:
                    chosen = ("--platform", f"linux/{platform}", "--format", "oci")
                    _crane("pull", *chosen, pin.image, scratch / platform)
    return target


def _crane(*argv: str | Path) -> None:
    (folder,) = tools.get("crane")
    run(folder / "crane", *argv)


def _build(name: str, *output: str) -> None:
    (buildx,) = tools.get("buildx")
    platforms = ",".join(f"linux/{platform}" for platform in PLATFORMS[name])
    tool = ("--build-context", f"tool={tools.get(name)[0]}") if pins()[name].go else ()
    run(
        *(buildx / "buildx", "build", "--platform", platforms, "--provenance=false", "--progress=plain"),
        *(*tool, "--file", HERE / f"{name}.Dockerfile", *output, _trees(name)),
        env={**os.environ, "DOCKER_HOST": engine.up()},
    )


def _folder(name: str) -> Path:
    pin = pins()[name]
    recipe = [repr(pin), (HERE / f"{name}.Dockerfile").read_text(), CERTIFICATES.read_text()]
    recipe += (*HOOKS, *(suite for _, suite in suites())) if pin.debian else ()
    key = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:8]
    return cache_dir() / "bases" / f"{name}-{pin.version}-{key}"


def _trees(name: str) -> Path:
    """Give the folder of the build: a tar file a platform, where the image is made of Debian's packages."""
    target = _folder(name)
    with lock(f"base-{name}"):
        if not target.exists():
            with arriving(target) as scratch:
                shutil.copyfile(CERTIFICATES, scratch / CERTIFICATES.name)
                if pins()[name].debian:
                    _unpack(name, scratch)
    return target


def _unpack(name: str, folder: Path) -> None:
    with step(f"unpacking Debian's {name} for {', '.join(PLATFORMS[name])}"):
        for platform in PLATFORMS[name]:
            tar = folder / f"{platform}.tar"
            bootstrap(tar, pins()[name].debian, "--variant=extract", f"--arch={platform}", *HOOKS)
