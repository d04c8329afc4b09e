"""A host that can pull, whole, for ``make test-pulling``; this one cannot.

One registry with TLS, whose authority is trusted in that world, answers for Docker Hub and for ghcr.io, and
holds a stand-in under the name and tag of every pinned image. There a checkout starts from nothing, beside an
engine that runs already and is not the testbed's. The pins name the official digests, so the project's own
tool writes those of the stand-ins into that checkout.

The world has a network, mounts and processes of its own (world.sh); the package indexes are in its reach.
Tools that have no image are brought along, so there is no Go.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gocdnext_sdk import Reference, RegistryClient
from gocdnext_sdk.host.harness.local_registry import free_port
from gocdnext_sdk.runtime.polling import poll
from testbed import bases, classic, engine, environment, images, rehearsal, tools
from testbed.cache import SetupError, run, step
from testbed.debian import install
from testbed.pins import ROOT, Pin, pins

NAMES = ("docker.io", "registry-1.docker.io", "index.docker.io", "ghcr.io")
"""What the world's registry answers for; Docker Hub has several names."""

PYTHON = "library/python:3.13-slim-trixie"
"""What docs/your-image.md builds on: whatever is the newest."""

ADDRESS = "198.51.100.1"
"""Where it does: for documentation only (RFC 5737), so nobody else's."""

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
USER, UID = "puller", 4242
STORES = {"containerd": engine.CONTAINERD_STORE, "classic": engine.CLASSIC_STORE}
SETTINGS = (
    "Driver",
    "RegistryConfig",
    "Runtimes",
    "DefaultRuntime",
    "LoggingDriver",
    "CgroupDriver",
    "SecurityOptions",
    "Labels",
    "LiveRestoreEnabled",
    "DefaultAddressPools",
    "DockerRootDir",
)
"""What of an engine's description is set, not counted."""

COMMAND = """
make demo
make test PYTEST_ARGS="$1"
! make check-pins 2> pins.log
cat pins.log >&2
grep -q "^ok      docker.io/library/python" pins.log
"""
"""What is run; without the public Sigstore, `make check-pins` cannot be satisfied."""


@dataclass(frozen=True)
class Case:
    """Who uses which kind of engine.

    Args:
        store: where the engine keeps images.
        user: root, or another, who is in the engine's group.
    """

    store: str
    user: str

    def __str__(self) -> str:
        return f"{self.store}/{self.user}"


CASES = {str(each): each for each in (Case("containerd", "root"), Case("classic", USER))}


def main(chosen: list[str], tests: str) -> None:
    """Run cases.

    Args:
        chosen: their names.
        tests: the arguments of the tests that run there.

    Raises:
        SetupError: one of them failed, or changed its engine, or left something in it.
    """
    install(slirp4netns="slirp4netns", dnsmasq="dnsmasq-base", curl="curl", openssl="openssl", ip="iproute2")
    environment.setup("test")
    with tempfile.TemporaryDirectory(
        prefix="gocdnext-world-", dir="/tmp"
    ) as scratch:  # a short path, for a socket
        folder = Path(scratch)
        folder.chmod(0o755)
        with step("making a registry that answers for the world"):
            certify(folder)
            digests = fill(folder)
            # A copy: names and certificates are written into it.
            run("cp", "-a", engine.tree() / "tree", folder / "tree")
        for name in chosen:
            with step(f"a host that can pull: {name}"):
                live(CASES[name], folder, digests, tests)


def fill(folder: Path) -> dict[str, str]:
    """Push a stand-in for every image that is pulled; return the digests of those with a pin, by its name."""
    digests = {}
    with serving(folder) as address:
        for pin in pins().values():
            if pin.image:
                ref = f"{address}/{pin.image.partition('@')[0].partition('/')[2]}"
                push(pin, ref, folder / "etc")
                digests[pin.name] = RegistryClient().resolve(Reference.parse(ref)).digest
        python = Reference.parse(f"{address}/{pins()['python'].image.partition('/')[2]}")
        copy(str(python.with_digest(digests["python"])), f"{address}/{PYTHON}", bases.PLATFORMS["python"])
        copy(classic.stand_in(), f"{address}/library/{classic.IMAGE}", (tools.NATIVE,))
    return digests


def push(pin: Pin, ref: str, etc: Path) -> None:
    """Push what this host has for a pinned image; where it has nothing, an image that says so.

    Args:
        pin: what is pinned.
        ref: where to.
        etc: has the certificates that this world trusts.
    """
    if pin.name == "python" and (prefix := shared_python()):
        push_python(prefix, ref)
    elif pin.name in bases.PLATFORMS:
        bases.push(pin.name, ref)
        if pin.name == "buildkit":  # which pulls by itself
            add_file(ref, etc / BUNDLE.name, BUNDLE)
    elif pin.path:
        rehearsal.push_tool(pin.name, ref, (tools.NATIVE,))
    else:
        with tempfile.TemporaryDirectory() as empty:
            Path(empty, "Dockerfile").write_text(f"FROM scratch\nLABEL missing={pin.name}\nCOPY . /\n")
            images.push(Path(empty), ref, (), (tools.NATIVE,))


def copy(image: str, ref: str, architectures: Iterable[str]) -> None:
    """Push an image under another name."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "Dockerfile").write_text(f"FROM {image}\n")
        images.push(Path(scratch), ref, (), architectures)


def add_file(ref: str, file: Path, path: Path) -> None:
    """Put a file into an image of this machine's platform."""
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(file, scratch)
        Path(scratch, "Dockerfile").write_text(f"FROM {ref}\nCOPY {file.name} {path}\n")
        images.push(Path(scratch), ref, (), (tools.NATIVE,))


def shared_python() -> Path | None:
    """Give the folder of a Python that is built as the official image's is, with a shared libpython."""
    minor = ".".join(pins()["python"].version.split(".")[:2])
    found = sorted(Path.home().glob(f".pyenv/versions/{minor}.*/lib/libpython{minor}.so.1.0"))
    return found[-1].parents[1] if found else None


def push_python(prefix: Path, ref: str) -> None:
    """Push Debian's Python with that one in /usr/local of linux/amd64, as the official image has it."""
    install(patchelf="patchelf", strip="binutils")
    debian = f"{ref}-debian"
    bases.push("python", debian)
    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch, "local")
        left_out = shutil.ignore_patterns(
            "*.a", "test", "idlelib", "__pycache__", "site-packages", "include", "share"
        )
        shutil.copytree(prefix, local, symlinks=True, ignore=left_out)
        (library,) = local.glob("lib/python3.*")
        for pip in (prefix / "lib" / library.name / "site-packages").glob("pip*"):
            shutil.copytree(pip, library / "site-packages" / pip.name)
        programs = [
            file
            for file in local.glob("bin/python3.*")
            if not file.is_symlink() and file.suffix[1:].isdigit()
        ]
        for file in (*programs, *local.rglob("*.so*")):
            if not file.is_symlink():
                run("strip", "--strip-all", file)
        for file in programs:
            run("patchelf", "--set-rpath", "$ORIGIN/../lib", file)
        Path(scratch, "Dockerfile").write_text(
            "FROM base AS of-amd64\nCOPY local /usr/local\nFROM base AS of-arm64\nFROM of-$TARGETARCH\n"
        )
        images.push(Path(scratch), ref, [f"base=docker-image://{debian}"], bases.PLATFORMS["python"])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the world's images on loopback, to fill their registry; leave settings with TLS behind."""
    port = free_port()
    settings: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    file = folder / "registry.yml"
    file.write_text(json.dumps(settings))  # JSON is YAML
    with (folder / "filling.log").open("wb") as log:
        registry = subprocess.Popen(
            [tools.binary("registry"), "serve", file], stdout=log, stderr=log, env=quiet(os.environ)
        )
    try:
        address = f"localhost:{port}"
        if poll(lambda: _answers(port), within=30, every=0.1) is None:
            raise SetupError(f"the registry did not start:\n{(folder / 'filling.log').read_text()}")
        yield address
    finally:
        registry.terminate()
        registry.wait()
    tls = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    file.write_text(json.dumps(settings | {"http": {"addr": f"{ADDRESS}:443", "tls": tls}}))


def _answers(port: int) -> bool | None:
    import urllib.error
    import urllib.request

    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2).close()
    except OSError:
        return None
    return True


def quiet(environ: Any) -> dict[str, str]:
    """Return the environment of a registry that sends no traces anywhere."""
    return {**environ, "OTEL_TRACES_EXPORTER": "none"}


def certify(folder: Path) -> None:
    """Make an authority and the registry's certificate, and the files of /etc that make it the world's."""
    etc = folder / "etc"
    etc.mkdir()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-x509", "-days", "2", "-subj", "/CN=the authority of a world", "-keyout", folder / "ca.key")
    run("openssl", "req", *key, *authority, "-out", folder / "ca.pem")
    request = ("-subj", "/CN=registry", "-keyout", folder / "key.pem", "-out", folder / "request.pem")
    run("openssl", "req", *key, *request)
    (folder / "names").write_text(f"subjectAltName={','.join(f'DNS:{name}' for name in NAMES)}\n")
    signed = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "2")
    names = ("-extfile", folder / "names", "-in", folder / "request.pem", "-out", folder / "cert.pem")
    run("openssl", "x509", "-req", *signed, *names)
    (etc / BUNDLE.name).write_text(BUNDLE.read_text() + (folder / "ca.pem").read_text())
    (folder / "address").write_text(ADDRESS)
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {' '.join(NAMES)}\n")
    (etc / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")  # which reads /etc/hosts; see world.sh
    passwd = f"{Path('/etc/passwd').read_text()}{USER}:x:{UID}:{UID}::{folder}/home:/bin/bash\n"
    (etc / "passwd").write_text(passwd)
    (etc / "group").write_text(f"{Path('/etc/group').read_text()}{USER}:x:{UID}:\n")


def live(case: Case, folder: Path, digests: dict[str, str], tests: str) -> None:
    """Run one case, and see that its engine is as it was."""
    settle(case, folder, digests)
    before = (folder / "engine" / "daemon.json").read_bytes()
    home = folder / "home"
    variables = {
        "HOME": home,
        "PATH": f"{home}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DOCKER_HOST": f"unix://{folder}/engine/docker.sock",
        "PYTHON": Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"),
        "LANG": "C.UTF-8",
        "SSL_CERT_FILE": BUNDLE,  # uv trusts its own list otherwise
    }
    command = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
    command += ["bash", "-euo", "pipefail", "-c", COMMAND, "-", tests]
    code = inside(folder, case.user, command)
    log = (folder / "dockerd.log").read_text(errors="replace")
    if code:
        tail = "\n".join(log.splitlines()[-5:])
        raise SetupError(f"{case}: exit code {code}; the engine's last words:\n{tail}")
    if (folder / "engine" / "daemon.json").read_bytes() != before:
        raise SetupError(f"{case}: the engine's settings were changed")
    was, found = (described(folder / name) for name in ("before", "after"))
    if was != found:
        raise SetupError(f"{case}: the engine was\n{was}\nand is\n{found}")
    for name in ("engine", "checkout", "home"):
        shutil.rmtree(folder / name)


def settle(case: Case, folder: Path, digests: dict[str, str]) -> None:
    """Make the engine's settings, the checkout with the digests of this world, and an empty home."""
    home, checkout, daemon = folder / "home", folder / "checkout", folder / "engine"
    daemon.mkdir()
    settings = engine.settings(daemon / "data", f"unix://{daemon}/docker.sock", folder.name)
    (daemon / "daemon.json").write_text(json.dumps(settings | STORES[case.store]))
    run("git", "clone", "--quiet", "--no-hardlinks", ROOT, checkout)
    changed = run("git", "ls-files", "-z", "--modified", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, changed.split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    for name, digest in digests.items():
        write = (
            sys.executable,
            "-m",
            "testbed",
            "pins",
            name,
            pins()[name].version,
            "--digest",
            digest,
            "--write",
        )
        run(*write, cwd=checkout)
    kept = home / ".cache" / "gocdnext-plugin-sdk" / "tools"
    kept.mkdir(parents=True)
    for name in environment.TOOLS["test"]:
        if not pins()[name].image:
            shutil.copytree(tools.folder(name), kept / tools.folder(name).name)
    for owned in (home, checkout):
        run("chown", "-R", f"{UID}:{UID}" if case.user == USER else "0:0", owned)


def inside(folder: Path, user: str, command: list[str]) -> int:
    """Run a command in the world; return its exit code. Everything that it started is gone then."""
    script = Path(__file__).with_name("world.sh")
    spaces = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
    given = (script, folder, folder / "tree", tools.binary("registry"), sys.base_prefix, user)
    world = subprocess.Popen([*spaces, *given, *command], env=quiet(os.environ), stdin=subprocess.DEVNULL)
    link = None
    try:
        own = Path("/proc/self/ns/net").readlink()
        there = Path(f"/proc/{world.pid}/ns/net")
        if poll(lambda: there.readlink() != own or None, within=10, every=0.02) is None:
            raise SetupError("the world got no network of its own")
        network = (
            "slirp4netns",
            "--configure",
            "--mtu=1500",
            "--disable-host-loopback",
            str(world.pid),
            "tap0",
        )
        with (folder / "network.log").open("wb") as log:
            link = subprocess.Popen(network, stdout=log, stderr=log)
        return world.wait()
    finally:
        for each in filter(None, (world, link)):
            each.kill()
            each.wait()


def described(file: Path) -> dict[str, object]:
    """Return what an engine said of itself, without what it only counts."""
    info, containers, networks, volumes = (json.loads(line) for line in file.read_text().splitlines() if line)
    return {
        **{name: info.get(name) for name in SETTINGS},
        "containers": [each["Names"] for each in containers],
        "networks": sorted(each["Name"] for each in networks),
        "volumes": [each["Name"] for each in volumes["Volumes"] or ()],
    }
