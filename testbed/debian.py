"""What a Debian or Ubuntu host gives: packages on the host, and Debian trees beside it."""

from __future__ import annotations

import lzma
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from testbed.cache import SetupError, lock, on_path, run, step
from testbed.pins import pins

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


def mirror(archive: str = "debian") -> str:
    """Give the mirror that the host itself uses of an archive of Debian's, else the one that all may use."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        if source.is_file():
            found = re.search(
                rf"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(\S+/{archive}/?)(?:\s|$)",
                source.read_text(),
                re.MULTILINE,
            )
            if found:
                return found[1]
    return f"http://deb.debian.org/{archive}"


def suites() -> Iterator[tuple[str, str]]:
    """Yield the mirrors and suites in which Debian has the pinned release: as it was, updated, and fixed."""
    name = pins()["engine"].suite
    yield mirror(), name
    yield mirror(), f"{name}-updates"
    yield mirror("debian-security"), f"{name}-security"


def outdated(installed: Mapping[str, str], architecture: str = "amd64") -> dict[str, str]:
    """Return the newest version of each package that is installed in an older one.

    Args:
        installed: packages and their versions.
        architecture: as Debian calls it.

    Raises:
        SetupError: Debian cannot be asked, or there is no dpkg to compare versions.
    """
    newest: dict[str, str] = {}
    for address, suite in suites():
        for name, version in _offered(f"{address.rstrip('/')}/dists/{suite}/main/binary-{architecture}"):
            if name in installed and is_newer(version, newest.get(name, installed[name])):
                newest[name] = version
    return newest


def pooled(package: str, architecture: str) -> dict[str, str]:
    """Return where Debian has each version of a package, with its hash: `pool/….deb#sha256=…`.

    Only what the pinned release has, since the files of other suites do not stay.

    Args:
        package: its name.
        architecture: as Debian calls it.

    Raises:
        SetupError: Debian cannot be asked.
    """
    found: dict[str, str] = {}
    for address, suite in suites():
        if address != mirror():
            continue  # another archive, with a pool of its own
        index = _index(f"{address.rstrip('/')}/dists/{suite}/main/binary-{architecture}")
        for stanza in re.findall(rf"^Package: {re.escape(package)}\n((?:.+\n)*)", index, re.MULTILINE):
            fields = dict(re.findall(r"^(Version|Filename|SHA256): (\S+)$", stanza, re.MULTILINE))
            found[fields["Version"]] = f"{fields['Filename']}#sha256={fields['SHA256']}"
    return found


def upstream(version: str) -> str:
    """Return the numbers that the authors gave a version of a package: 1.37.0 of 1:1.37.0-6+b9."""
    return re.sub(r"^\d+:", "", version).partition("-")[0].partition("+")[0]


def latest(versions: Iterable[str]) -> str:
    """Return the newest of some versions of a package."""
    first, *others = versions
    for each in others:
        first = each if is_newer(each, first) else first
    return first


def _offered(folder: str) -> Iterable[tuple[str, str]]:
    return re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$", _index(folder), re.MULTILINE)


@cache
def _index(folder: str) -> str:
    """Return an index of packages (https://wiki.debian.org/DebianRepository/Format)."""
    try:
        with urllib.request.urlopen(f"{folder}/Packages.xz", timeout=120) as answer:
            return lzma.decompress(answer.read()).decode()
    except OSError as error:
        raise SetupError(f"{folder}: {error}") from None


def is_newer(version: str, than: str) -> bool:
    """Whether a version of a package comes after another one, as dpkg compares them."""
    dpkg = on_path("dpkg")
    if not dpkg:
        raise SetupError("dpkg compares versions: install it")
    return subprocess.run([dpkg, "--compare-versions", version, "gt", than], check=False).returncode == 0


def bootstrap(target: Path, packages: tuple[str, ...], *options: str) -> None:
    """Unpack Debian's *packages* and what they need into *target*, a new folder or a ``.tar`` file."""
    install(mmdebstrap="mmdebstrap")
    if not Path(KEYRING).exists():
        install(debian_archive_keyring="debian-archive-keyring")
    recommends = '--aptopt=Apt::Install-Recommends "false"'
    include = f"--include={','.join(packages)}"
    sources = (f"deb {address} {suite} main" for address, suite in suites())
    run("mmdebstrap", "--quiet", recommends, include, *options, pins()["engine"].suite, target, *sources)
