"""Trivy's database, as the OCI artifact that trivy downloads: a small one, and one of public advisories.

``trivy-db/db.tar.gz`` is committed (a few kilobytes), so that no test needs Go for it; it is built from
``trivy-db/advisories.toml`` by the pinned trivy-db.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

from testbed import advisories, tools
from testbed.advisories import Document, Source
from testbed.cache import SetupError, on_path, run, step

HERE = Path(__file__).with_name("trivy-db")
ARCHIVE = HERE / "db.tar.gz"
# https://trivy.dev/docs/latest/guide/advanced/self-hosting/
CONFIG_TYPE = "application/vnd.aquasec.trivy.config.v1+json"
LAYER_TYPE = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"


def build() -> Path:
    """Make the small database from the advisories beside it."""
    listed = tomllib.loads((HERE / "advisories.toml").read_text())
    github = [_osv(name, advisory) for name, advisory in listed.items()]
    return _make(ARCHIVE, github, [_nvd(advisory) for advisory in listed.values()])


def build_public(archive: Path, sources: Iterable[Source]) -> Path:
    """Make a database of public advisories."""
    found = [advisories.reviewed(each) for source in sources for each in source.documents]
    with step(f"making a database of {len(found)} advisories"):
        return _make(archive, found)


def _make(archive: Path, github: Iterable[Document], nvd: Iterable[Document] = ()) -> Path:
    """Make a database of documents, laid out as the repositories are that trivy-db reads."""
    (tool,) = tools.get("trivy-db")
    if not on_path("go"):
        raise SetupError("trivy-db runs the go command: install Go (https://go.dev/dl/)")
    with tempfile.TemporaryDirectory() as scratch:
        cache, out = Path(scratch, "cache"), Path(scratch, "out")
        (cache / "cocoapods-specs" / "Specs").mkdir(parents=True)
        for folder, documents in (("ghsa/advisories/github-reviewed", github), ("vuln-list-nvd/api", nvd)):
            (cache / folder).mkdir(parents=True)
            for number, each in enumerate(documents):
                (cache / folder / f"{number}.json").write_text(advisories.text(each))
        sources = ("--only-update", "ghsa", "--only-update", "nvd")
        run(tool / "trivy-db", "build", *sources, "--cache-dir", cache, "--output-dir", out)
        _pack(out, archive)
    return archive


def push(ref: str, username: str = "", password: str = "", archive: Path = ARCHIVE) -> str:
    """Push a database to *ref*, such as ``localhost:5000/trivy/db:2``; give its digest."""
    from oras.client import OrasClient

    client = OrasClient(insecure=True, auth_backend="basic")
    if username:
        client.auth.set_basic_auth(username, password)
    with tempfile.NamedTemporaryFile(suffix=".json") as config:
        config.write(b"{}")
        config.flush()
        answer = client.push(
            target=ref,
            files=[f"{archive}:{LAYER_TYPE}"],
            manifest_config=f"{config.name}:{CONFIG_TYPE}",
            disable_path_validation=True,
        )
    return str(answer.headers["Docker-Content-Digest"])


def _osv(name: str, advisory: dict[str, object]) -> dict[str, object]:
    """Give the advisory as the GitHub database has it (https://ossf.github.io/osv-schema/)."""
    day = f"{advisory['published']}T00:00:00Z"
    package = {"ecosystem": "PyPI", "name": advisory["package"]}
    return {
        "schema_version": "1.4.0",
        "id": name,
        "aliases": [advisory["cve"]],
        "published": day,
        "modified": day,
        "summary": advisory["summary"],
        "details": advisory["summary"],
        "severity": [{"type": "CVSS_V3", "score": advisory["cvss"]}],
        "affected": [
            {
                "package": package,
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": low}, {"fixed": high}]}],
            }
            for low, high in advisory["affected"]  # type: ignore[attr-defined]
        ],
        "references": [{"type": "ADVISORY", "url": f"https://github.com/advisories/{name}"}],
        "database_specific": {"severity": advisory["severity"], "github_reviewed": True},
    }


def _nvd(advisory: dict[str, object]) -> dict[str, object]:
    """Give what the NVD has of the advisory; Trivy takes the date of a CVE from there only.

    https://csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema
    """
    day = f"{advisory['published']}T00:00:00.000"
    return {
        "id": advisory["cve"],
        "published": day,
        "lastModified": day,
        "descriptions": [{"lang": "en", "value": advisory["summary"]}],
        "references": [],
        "vulnStatus": "Analyzed",
    }


def _pack(folder: Path, archive: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in ("trivy.db", "metadata.json"):
            data = (folder / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    archive.write_bytes(gzip.compress(content.getvalue(), mtime=0))
