"""Newer releases of what ``tools.toml`` pins: which there are, and one of them in every file that must agree.

``tools.lock`` remembers which digest a tag had when it was pinned. So a tag that is raised by hand without
its digest is an error (tests/unit/testbed/test_pins.py): Docker takes the digest, and users would get the old
tool under the new version.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gocdnext_sdk import Reference, RegistryClient, RegistryError
from testbed import debian, tools
from testbed.cache import SetupError, on_path, run
from testbed.pins import ROOT, Pin, pins
from testbed.tools import BUILD_ENV

LOCK = "tools.lock"
UNTOUCHED = (LOCK, "CHANGELOG.md")
_APART = ("debs.", "deb-version", "go-version")
"""Lines of a table with a version of their own, or a hash that goes with it."""

STABLE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Proposal:
    """A newer release of a pin.

    Args:
        pin: what is pinned.
        version: the newer one.
        image: its image with the digest, where the pin has one.
        lacking: what keeps it from being written, empty if nothing does.
    """

    pin: Pin
    version: str
    image: str = ""
    lacking: str = ""

    def __str__(self) -> str:
        how = self.lacking or self.image or "no image"
        moved = f"{self.pin.name:<18}{self.pin.version:>10} -> {self.version:<10}"
        return f"{moved} {how}  {self.pin.releases}".rstrip()


def main(name: str | None, version: str | None, digest: str | None, *, write: bool) -> None:
    """Propose, and write what has all that it takes.

    Args:
        name: only this pin.
        version: what it is raised to; the newest if not given.
        digest: of its image; asked of the registry if not given.
        write: whether anything is written.

    Raises:
        SetupError: one could not be written; the others are.
        RegistryError: the version is the pinned one, and nobody tells its digest.
    """
    digests = (lambda _: digest) if digest else resolve
    chosen = [pin for pin in pins().values() if name in (None, pin.name)]
    found = list(proposals(chosen, digests, (lambda _: version) if version else newest))
    found += [each for pin in chosen if pin.version == version and (each := rebuilt(pin, digests))]
    failed: list[str] = []
    for each in found:
        changed: list[Path] = []
        try:
            changed = apply(each) if write and not each.lacking else []
            print(each)
        except SetupError as error:
            failed.append(each.pin.name)
            print(replace(each, lacking=f"not written: {' '.join(str(error).split())}"))
        for file in changed:
            print(f"    {file.relative_to(ROOT)}")
    if not found:
        print("nothing newer is known")
    if failed:
        raise SetupError(f"not raised: {', '.join(failed)}; the reasons are above")


def apply(proposal: Proposal) -> list[Path]:
    """Write a proposal to all files, or to none; return those that changed.

    Raises:
        SetupError: nothing tells the hash of a wheel, Go fails, or Debian lacks that version.
    """
    pin, version = proposal.pin, proposal.version
    if not pin.version:
        raise SetupError(f"{pin.name} has no version in tools.toml")
    has_module = version != pin.version and (pin.advisories or (pin.go and not pin.go_version))
    modules = [_folder(pin) / "go.mod", _folder(pin) / "go.sum"] if has_module else []
    modules += [_lock_of(pin)] if pin.module else []
    with _all_or_none([*_files(ROOT), ROOT / LOCK, *modules]):
        if pin.wheel and version != pin.version:
            raise_wheel(pin, version)
        if pin.debs and version != pin.version and not pin.deb_version:
            raise_debs(pin, version)
        if pin.module and version != pin.version:
            raise_module(pin, version)
        if has_module:
            (raise_advisories if pin.advisories else raise_go)(pin, version)
        return [*raise_to(pin, version, proposal.image.partition("@")[2], ROOT), *modules]


@contextmanager
def _all_or_none(files: Iterable[Path]) -> Iterator[None]:
    """Put files back as they were if the block does not get through."""
    before = {file: file.read_bytes() for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if not file.exists() or file.read_bytes() != content:
                file.write_bytes(content)
        raise


def raise_wheel(pin: Pin, version: str) -> None:
    """Write the newest build of a release's wheel, and its hash."""
    name = pin.wheel.partition("==")[0]
    with tempfile.TemporaryDirectory() as folder:
        options = ("--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder)
        run(sys.executable, "-m", "pip", "download", *options, f"{name}=={version}.*")
        (wheel,) = Path(folder).iterdir()
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        build = wheel.name.split("-")[1]
    _replace(
        ROOT / "tools.toml",
        {f"{name}=={pin.wheel.partition('==')[2]}": f"{name}=={build}", pin.sha256: digest},
    )


def raise_debs(pin: Pin, version: str) -> None:
    """Write where Debian has a release's package for each architecture, and its hash."""
    words = {}
    for architecture, old in pin.debs.items():
        package = Path(old).name.partition("_")[0]
        there = debian.pooled(package, architecture)
        chosen = [each for each in there if debian.upstream(each) == version]
        if not chosen:
            raise SetupError(
                f"Debian's {pins()['engine'].suite} has {package} {', '.join(there) or 'not at all'} for "
                f"{architecture}, not {version}. To raise the image alone, write deb-version = "
                f'"{pin.version}": hosts that cannot pull keep that one'
            )
        words[old] = there[debian.latest(chosen)]
    _replace(ROOT / "tools.toml", words)


def raise_module(pin: Pin, version: str) -> None:
    """Let uv write a Python package, and all that it needs, with their hashes."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / f"{pin.name}.in"  # the lock names it
        wanted.write_text(f"{pin.requires}=={version}\n")
        options = ("--quiet", "--upgrade", "--universal", "--generate-hashes", "--no-strip-extras")
        written = ("--custom-compile-command", "make pins", "--output-file", _lock_of(pin))
        run(sys.executable, "-m", "uv", "pip", "compile", *options, *written, wanted.name, cwd=Path(folder))


def proposals(
    chosen: Iterable[Pin], resolve: Callable[[str], str], newest: Callable[[Pin], str | None]
) -> Iterator[Proposal]:
    """Yield what is newer, in the order given.

    Args:
        chosen: the pins.
        resolve: gives the digest of an image with a tag.
        newest: gives the newest stable version of a pin, None where nobody tells.
    """
    for pin in chosen:
        version = newest(pin)
        if version is None or _key(version) <= _key(pin.version):
            continue
        if not pin.image:
            yield Proposal(pin, version)
            continue
        tagged = pin.image.partition("@")[0].replace(pin.version, version)
        try:
            yield Proposal(pin, version, f"{tagged}@{resolve(tagged)}")
        except RegistryError as error:
            yield Proposal(pin, version, lacking=f"its digest cannot be had here: {error}")


def rebuilt(pin: Pin, resolve: Callable[[str], str]) -> Proposal | None:
    """Return the pinned release with the digest that its tag has by now, if that is another one.

    Only who names the version is told: a tag that moves is not followed by itself.
    """
    tagged, _, digest = pin.image.partition("@")
    there = resolve(tagged) if pin.image else digest
    return Proposal(pin, pin.version, f"{tagged}@{there}") if there != digest else None


def newest(pin: Pin) -> str | None:
    """Return the newest stable release: of the wheel if there is one, else of the Go module, else by tags.

    What only Debian has is as new as it is in the pinned suite. Advisories are never released: what there is
    of them on the day has a version all the same.
    """
    if pin.advisories:
        told = _ask(
            on_path("go") or "go", "list", "-m", "-json", f"{pin.advisories}@latest", cwd=_folder(pin)
        )
        return json.loads(told)["Version"].removeprefix("v") if told else None
    if pin.wheel:
        return _newest_on_pypi(pin.wheel.partition("==")[0])
    if pin.go.startswith("."):
        return None
    if not pin.go or pin.go_version:
        return newest_tag(pin) if pin.image else newest_package(pin)
    module = module_of(pin)
    told = _ask(on_path("go") or "go", "list", "-m", "-versions", "-json", module, cwd=_folder(pin))
    versions = [each for each in json.loads(told or "{}").get("Versions", []) if STABLE.fullmatch(each)]
    return max(versions, key=_key).removeprefix("v") if versions else None


def newest_tag(pin: Pin) -> str | None:
    """Return the newest version that an image has a tag for, spelled as the pinned one is."""
    image = Reference.parse(pin.image)
    (crane,) = tools.get("crane")
    told = _ask(str(crane / "crane"), "ls", image.name)
    spelled = re.escape(str(image.tag)).replace(re.escape(pin.version), r"(\d+\.\d+\.\d+)")
    found = [match[1] for match in (re.fullmatch(spelled, each) for each in told.split()) if match]
    wanted = [each for each in found if each.startswith(pin.within)]
    return max(wanted, key=_key, default=None)


def newest_package(pin: Pin) -> str | None:
    """Return the newest version of what only packages have: Debian's, or Python's."""
    if pin.module:
        return _newest_on_pypi(pin.requires.partition("[")[0])
    found = set()
    for architecture, each in pin.debs.items():
        try:
            there = debian.pooled(Path(each).name.partition("_")[0], architecture)
        except SetupError:
            return None
        found |= {debian.upstream(version) for version in there}
    return max((each for each in found if each.startswith(pin.within)), key=_key, default=None)


def _newest_on_pypi(name: str) -> str | None:
    told = _ask(sys.executable, "-m", "pip", "index", "versions", name)
    found = re.search(rf"^{re.escape(name)} \((\d+\.\d+\.\d+)", told, re.MULTILINE)
    return found[1] if found else None


def module_of(pin: Pin) -> str:
    """Return the Go module that has the tool's package."""
    required = re.findall(r"^(?:require )?\s*(\S+) v\S+", (_folder(pin) / "go.mod").read_text(), re.MULTILINE)
    package = pin.go.split()[0]
    return max((each for each in required if f"{package}/".startswith(f"{each}/")), key=len)


def resolve(tagged: str) -> str:
    """Return the digest of an image with a tag, from its registry."""
    return RegistryClient().resolve(Reference.parse(tagged)).digest


def raise_to(pin: Pin, version: str, digest: str, root: Path) -> list[Path]:
    """Write a newer release to every file that names the old one; return those that changed.

    Args:
        pin: the old one.
        version: the newer one.
        digest: of its image; empty where there is none.
        root: the checkout.
    """
    file = root / "tools.toml"
    before = file.read_text()
    table = re.search(rf"^\[{re.escape(pin.name)}\].*?(?=^\[|\Z)", before, re.MULTILINE | re.DOTALL)
    if table is None:
        raise SetupError(f"tools.toml has no table [{pin.name}]")
    place = re.compile(rf"(?<![\d.]){re.escape(pin.version)}(?![\d.]*\d)")
    lines = table[0].splitlines(keepends=True)
    written = "".join(line if line.startswith(_APART) else place.sub(version, line) for line in lines)
    file.write_text(before.replace(table[0], written))
    changed = {file} if written != table[0] else set()
    if pin.image:
        old, _, old_digest = pin.image.partition("@")
        new = old.replace(pin.version, version)
        words = {f"{_path(old)}": _path(new), old_digest: digest}
        changed |= {each for each in _files(root) if _replace(each, words)}
        _remember(root / LOCK, new, digest)
    return sorted(changed)


def raise_go(pin: Pin, version: str) -> None:
    """Let Go write the tool's go.mod and go.sum for a newer release."""
    for package in pin.go.split():
        _go(pin, "get", "-tool", f"{package}@v{version}")
    _go(pin, "mod", "tidy")


def raise_advisories(pin: Pin, version: str) -> None:
    """Let Go write go.mod and go.sum for newer advisories, of which nothing is imported."""
    (_folder(pin) / "go.sum").unlink()
    _go(pin, "get", f"{pin.advisories}@v{version}")
    _go(pin, "mod", "download", pin.advisories)


def _go(pin: Pin, *argv: str) -> None:
    go = on_path("go")
    if not go:
        raise SetupError("go.mod and go.sum are written by Go: install it (https://go.dev/dl/)")
    run(go, *argv, cwd=_folder(pin), env={**os.environ, **BUILD_ENV, "GOFLAGS": "-modcacherw"})


def _files(root: Path) -> Iterator[Path]:
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=root)
    for name in filter(None, listed.split("\0")):
        if name not in UNTOUCHED and not name.endswith((".gz", ".svg", ".sum", ".lock")):
            yield root / name


def _replace(file: Path, words: dict[str, str]) -> bool:
    text = file.read_text(errors="surrogateescape")
    written = text
    for old, new in words.items():
        written = re.sub(rf"{re.escape(old)}(?![\w.])", new, written)
    if written != text:
        file.write_text(written, errors="surrogateescape")
    return written != text


def _path(tagged: str) -> str:
    """Return an image's name without Docker Hub's host, which not every file writes."""
    return tagged.removeprefix("docker.io/").removeprefix("library/")


def _remember(lock: Path, tagged: str, digest: str) -> None:
    lines = {*lock.read_text().splitlines(), f"{tagged} {digest}"}
    lock.write_text("\n".join(sorted(lines)) + "\n")


def _folder(pin: Pin) -> Path:
    return ROOT / "testbed" / "tools" / pin.name


def _lock_of(pin: Pin) -> Path:
    return _folder(pin) / "requirements.lock"


def _key(version: str) -> tuple[int, ...]:
    """Return what versions are compared by; the fourth number of a Go pseudo-version is its time."""
    return tuple(int(each) for each in re.findall(r"\d+", version)[:4])


def _ask(*argv: str, cwd: Path | None = None) -> str:
    """Return what a program prints; nothing if it fails, as without the internet."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""
