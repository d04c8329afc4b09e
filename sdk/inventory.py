"""What the base image holds, as scanners read it: Debian's packages, and CycloneDX for the rest.

Without it no scanner sees OpenSSL or glibc in the image, and "no findings" says nothing. Debian's packages
are described as in Google's distroless images: one dpkg stanza each in ``var/lib/dpkg/status.d``. Trivy,
Grype and Syft read it, and Docker's SBOM generator is Syft. CPython, which dpkg did not install in the
official image, and the Expat inside it stand in ``gocdnext/python.cdx.json``.

The kaniko plugin's image keeps nothing outside of ``/gocdnext``, since it would leak into the images that it
builds: ``usr/share/sbom/base.json`` is for its Dockerfile, which moves it to where scanners look.
"""

from __future__ import annotations

import json
import platform
import pyexpat
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from system import System

RELEASE = ("/etc/os-release", "/etc/debian_version")
CERTIFICATES = "ca-certificates"
"""Its file is made when it is installed, so that no list has it."""


def write(target: Path, system: System, files: Iterable[str], *, bundled_expat: bool) -> None:
    """Write the inventory into the image's file system.

    Args:
        target: that file system.
        system: where its files are from.
        files: their paths there.
        bundled_expat: whether CPython has its own Expat.

    Raises:
        SystemExit: a file belongs to no package, and is not CPython's own.
    """
    packages = sorted({CERTIFICATES, *owners(system, files)})
    status = target / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for name in packages:
        (status / name).write_text(system.stanzas[name])
        notice = system.file(f"/usr/share/doc/{name}/copyright")
        if notice.is_file():
            (folder := target / "usr/share/doc" / name).mkdir(parents=True)
            shutil.copy(notice, folder / "copyright")
    (target / "etc").mkdir()
    for path in RELEASE:
        shutil.copy(system.file(path), target / path.lstrip("/"))
    interpreter = list(python(bundled_expat=bundled_expat))
    _write(target / "gocdnext/python.cdx.json", interpreter)
    (target / "usr/share/sbom").mkdir(parents=True)
    debian = release(system)
    everything = [
        debian,
        *(component(system.stanzas[name], debian["version"]) for name in packages),
        *interpreter,
    ]
    _write(target / "usr/share/sbom/base.json", everything)


def owners(system: System, files: Iterable[str]) -> Iterator[str]:
    """Yield the packages of files; CPython's own, in /usr/local, have none in the official image."""
    for path in files:
        owner = system.owner(path)
        if owner is not None:
            yield owner
        elif not path.startswith("/usr/local/"):
            raise SystemExit(f"{path} belongs to no package: no scanner would see it")


def python(*, bundled_expat: bool) -> Iterator[dict[str, Any]]:
    """Yield CPython, and the Expat in it; this very interpreter has the version of the one in the image."""
    yield _known("python", platform.python_version(), "python:python")
    if bundled_expat:
        yield _known("expat", pyexpat.EXPAT_VERSION.removeprefix("expat_"), "libexpat_project:libexpat")


def release(system: System) -> dict[str, Any]:
    """Return the distribution, without which a scanner cannot place its packages."""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)', system.file(RELEASE[0]).read_text(), re.MULTILINE))
    version = system.file(RELEASE[1]).read_text().strip()
    return {
        "type": "operating-system",
        "bom-ref": "distribution",
        "name": fields["ID"],
        "version": version if version[0].isdigit() else fields["VERSION_ID"],
    }


def component(stanza: str, debian: str) -> dict[str, Any]:
    """Return a Debian package (https://github.com/package-url/purl-spec, type deb)."""
    fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
    name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    distribution = f"arch={architecture}&distro=debian-{debian}"
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?{distribution}"
    source, _, source_version = fields.get("Source", name).partition(" ")
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "properties": list(_trivy(name, version, source, source_version.strip("()") or version)),
    }


def _trivy(name: str, version: str, source: str, source_version: str) -> Iterator[Mapping[str, str]]:
    """Yield what Trivy matches advisories with, which Debian writes for source packages."""
    yield {"name": "aquasecurity:trivy:PkgID", "value": f"{name}@{version}"}
    yield {"name": "aquasecurity:trivy:PkgType", "value": "debian"}
    yield {"name": "aquasecurity:trivy:SrcName", "value": source}
    epoch, colon, rest = source_version.rpartition(":")
    upstream, dash, revision = rest.rpartition("-")
    yield {"name": "aquasecurity:trivy:SrcVersion", "value": upstream if dash else rest}
    if dash:
        yield {"name": "aquasecurity:trivy:SrcRelease", "value": revision}
    if colon:
        yield {"name": "aquasecurity:trivy:SrcEpoch", "value": epoch}


def _known(name: str, version: str, cpe: str) -> dict[str, Any]:
    """Return a component that advisories name by its CPE."""
    purl = f"pkg:generic/{name}@{version}"
    full = f"cpe:2.3:a:{cpe}:{version}:*:*:*:*:*:*:*"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "cpe": full}


def _write(path: Path, components: list[dict[str, Any]]) -> None:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    path.write_text(json.dumps(document, indent=1) + "\n")
