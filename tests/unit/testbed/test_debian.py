"""Which packages Debian has newer versions of, by its own indices."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from testbed import debian
from testbed.cache import SetupError

INDICES = {
    "debian/dists/trixie": "Package: libz\nSource: z\nVersion: 1:1.3-1\n\nPackage: libc\nVersion: 2-1\n",
    "debian/dists/trixie-updates": "",
    "debian-security/dists/trixie-security": "Package: libz\nVersion: 1:1.3-1+deb13u1\n",
}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for suite, index in INDICES.items():
        folder = tmp_path / suite / "main" / "binary-amd64"
        folder.mkdir(parents=True)
        (folder / "Packages.xz").write_bytes(lzma.compress(index.encode()))
    monkeypatch.setattr(debian, "mirror", lambda name="debian": f"file://{tmp_path}/{name}")
    return tmp_path


def test_a_fix_in_the_security_suite_makes_a_package_outdated(archive: Path) -> None:
    assert debian.outdated({"libz": "1:1.3-1", "libc": "2-1"}) == {"libz": "1:1.3-1+deb13u1"}


def test_what_is_newest_or_newer_or_unknown_to_debian_is_not(archive: Path) -> None:
    assert debian.outdated({"libz": "1:1.3-1+deb13u1", "libc": "3-1", "ours": "1"}) == {}


def test_an_archive_that_does_not_answer_is_no_proof(archive: Path) -> None:
    (archive / "debian-security/dists/trixie-security/main/binary-amd64/Packages.xz").unlink()
    with pytest.raises(SetupError, match="trixie-security"):
        debian.outdated({"libz": "1"})
