"""What a Debian or Ubuntu host gives: packages on the host, and Debian trees beside it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from testbed.cache import SetupError, lock, on_path, run, step
from testbed.pins import pins

DEBIAN_MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def is_debian() -> bool:
    """Whether the host is Debian or Ubuntu and the user may install packages."""
    release = Path("/etc/os-release")
    like = (
        re.search(r"^ID(_LIKE)?=.*(debian|ubuntu)", release.read_text(), re.MULTILINE)
        if release.exists()
        else None
    )
    return like is not None and os.geteuid() == 0


def install(**programs: str) -> None:
    """Install the packages whose program is missing, given as ``program="package"``.

    An underscore in a program's name stands for a hyphen.
    """
    wanted = {program.replace("_", "-"): package for program, package in programs.items()}
    missing = sorted({package for program, package in wanted.items() if not on_path(program)})
    if not missing:
        return
    if not is_debian():
        raise SetupError(
            f"this host lacks {', '.join(missing)}: install it, or Docker with access to Docker Hub"
        )
    with lock("apt"), step(f"installing {', '.join(missing)}"):
        apt = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "-q", "update", env=apt)
        run("apt-get", "-qy", "install", "--no-install-recommends", *missing, env=apt)


def mirror() -> str:
    """Give the archive that the host itself uses, where that is Debian's."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        if source.is_file():
            found = re.search(
                r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", source.read_text(), re.MULTILINE
            )
            if found:
                return found[1]
    return DEBIAN_MIRROR


def bootstrap(target: Path, packages: tuple[str, ...], *options: str) -> None:
    """Unpack Debian's *packages* and what they need into *target*, a new folder or a ``.tar`` file."""
    install(mmdebstrap="mmdebstrap")
    if not Path(KEYRING).exists():
        install(debian_archive_keyring="debian-archive-keyring")
    recommends = '--aptopt=Apt::Install-Recommends "false"'
    include = f"--include={','.join(packages)}"
    run("mmdebstrap", "--quiet", recommends, include, *options, pins()["engine"].suite, target, mirror())
