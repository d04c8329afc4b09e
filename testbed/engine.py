"""The Docker engine: the one that is reachable, else a private one on a bare Debian or Ubuntu host."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.cache import SetupError, arriving, cache_dir, lock, say, step
from testbed.debian import bootstrap, install, is_debian
from testbed.pins import pins

if TYPE_CHECKING:
    import docker

PING_SECONDS = 3
START_SECONDS = 60
PULL_ANSWER_SECONDS = 15
PULL_ANSWER_KEPT_SECONDS = 600
NO_ENGINE = (
    "no Docker engine is reachable: start one and set DOCKER_HOST or the docker context "
    "(https://docs.docker.com/engine/install/); on Debian or Ubuntu, as root, a private one is made for you"
)


def home() -> Path:
    return cache_dir() / "engine"


def private_host() -> str:
    return f"unix://{home()}/run/docker.sock"


@contextmanager
def client(host: str, timeout: int = 60) -> Iterator[docker.DockerClient]:
    """Talk to the engine at *host*; *timeout*, in seconds, is for each answer."""
    import docker

    connected = docker.DockerClient(base_url=host, timeout=timeout)
    try:
        yield connected
    finally:
        connected.close()


def answers(host: str) -> bool:
    import docker.errors

    try:
        if host.startswith("unix://"):  # docker-py does not close a socket that cannot be connected
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(host.removeprefix("unix://"))
        with client(host, PING_SECONDS) as engine:
            return bool(engine.ping())
    except (docker.errors.DockerException, OSError):
        return False


def find() -> str | None:
    """Give the address of the engine to use, if one answers: DOCKER_HOST, the docker context, our own."""
    from docker.context import ContextAPI

    named = os.environ.get("DOCKER_HOST")
    context = ContextAPI.get_current_context()
    hosts = [named] if named else [context.Host]
    return next((host for host in (*hosts, private_host()) if host and answers(host)), None)


def up() -> str:
    """Give the address of a running engine; start the private one where there is none."""
    if host := find():
        return host
    if not is_debian():
        raise SetupError(NO_ENGINE)
    with lock("engine"):
        if not (host := find()):
            _start()
            host = private_host()
    return host


def down() -> None:
    """Stop the private engine and everything in it."""
    with lock("engine"):
        _kill()


def remove() -> None:
    """Stop the private engine and delete its images, its data and its tree."""
    down()
    with step("removing the private engine"):
        shutil.rmtree(home(), ignore_errors=True)
        shutil.rmtree(_tree(), ignore_errors=True)


def status() -> str:
    host = find()
    if host is None:
        return "no engine answers"
    with client(host) as engine:
        version = engine.version()["Version"]
    return f"{'private engine' if host == private_host() else 'engine'} {version} at {host}"


@cache
def can_pull(host: str) -> bool:
    """Whether the engine reaches the registry of a pinned image; the answer is kept for a while."""
    import docker.errors

    answer = cache_dir() / f"can-pull-{hashlib.sha256(host.encode()).hexdigest()[:12]}"
    if answer.exists() and time.time() - answer.stat().st_mtime < PULL_ANSWER_KEPT_SECONDS:
        return answer.read_text() == "yes"
    try:
        with client(host, PULL_ANSWER_SECONDS) as engine:
            engine.images.get_registry_data(pins()["registry"].image)
        found = True
    except (docker.errors.DockerException, OSError):
        found = False
    answer.write_text("yes" if found else "no")
    return found


def _name() -> str:
    """Tell this cache folder's engine from any other on the host, in folder and cgroup names."""
    return f"gocdnext-{hashlib.sha256(str(home()).encode()).hexdigest()[:8]}"


def _tree() -> Path:
    pin = pins()["engine"]
    key = hashlib.sha256(repr(pin).encode()).hexdigest()[:8]
    return cache_dir() / f"engine-tree-{key}"


def _start() -> None:
    path = private_host().removeprefix("unix://")
    if len(path) > 100:  # sun_path holds 107 bytes
        raise SetupError(f"{path} is too long a path for a socket: set GOCDNEXT_CACHE to a shorter folder")
    _kill()
    install(iptables="iptables")
    if not _tree().exists():
        with step("unpacking the private Docker engine (Debian's docker.io)"), arriving(_tree()) as scratch:
            bootstrap(scratch / "tree", pins()["engine"].debian, "--variant=minbase")
    emulate()
    with step("starting the private Docker engine"):
        _launch()
        _clear()


def _launch() -> None:
    run_dir = home() / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    config = home() / "daemon.json"
    config.write_text(json.dumps(_settings(), indent=2))
    log = home() / "dockerd.log"
    script = Path(__file__).with_name("private-engine.sh")
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["unshare", "--mount", "--", script, _tree() / "tree", home(), config],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not answers(private_host()):
        if process.poll() is not None or time.monotonic() > deadline:
            _kill()
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise SetupError(f"the private Docker engine did not start; the end of {log}:\n{tail}")
        time.sleep(0.1)


def _settings() -> dict[str, object]:
    return {
        "data-root": str(home() / "data"),
        "exec-root": f"/run/{_name()}",
        "pidfile": f"/run/{_name()}.pid",
        "hosts": [private_host()],
        "group": "root",
        "cgroup-parent": f"/{_name()}",
        "bip": "10.207.0.1/24",
        "default-address-pools": [{"base": "10.208.0.0/14", "size": 24}],
        "features": {"containerd-snapshotter": True},
        "storage-driver": "overlayfs",
        "shutdown-timeout": 5,
    }


def _processes() -> list[int]:
    """Everything of the private engine: the daemons by their command line, the containers by their cgroup."""
    marks = (_name().encode(), f"{home()}/daemon.json".encode())
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                (folder / "exe").readlink()  # fails for a zombie, which nothing can end
                said = (folder / "cmdline").read_bytes() + (folder / "cgroup").read_bytes()
            except OSError:
                continue
            if any(mark in said for mark in marks):
                found.append(int(folder.name))
    return found


def _kill() -> None:
    """End the engine's processes: first asked, then by force, also what an earlier, dead engine left."""
    for sent, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        for pid in _processes():
            try:
                os.kill(pid, sent)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while _processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        if not _processes():
            return


def _clear() -> None:
    """Drop what jobs left when the engine was last killed without notice."""
    with client(private_host()) as engine:
        for container in engine.containers.list(all=True, ignore_removed=True):
            container.remove(force=True, v=True)
        engine.networks.prune()
        engine.volumes.prune({"all": True})


def emulate() -> None:
    """Let this host's kernel run linux/arm64 binaries, by QEMU; nothing to do where it can."""
    binfmt = Path("/proc/sys/fs/binfmt_misc")
    if os.uname().machine == "aarch64" or (binfmt / "qemu-aarch64").exists():
        return
    install(qemu_aarch64_static="qemu-user-static", update_binfmts="binfmt-support")
    if not (binfmt / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", binfmt], check=False)
    subprocess.run(["update-binfmts", "--enable"], check=False, capture_output=True)
    if not (binfmt / "qemu-aarch64").exists():
        say("    note: linux/arm64 cannot be emulated on this host; builds that RUN steps for it will fail")
