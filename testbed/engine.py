"""The Docker engine: the one that is reachable, else a private one on a bare Debian or Ubuntu host."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.cache import SetupError, arriving, cache_dir, lock, say, short_of_room, step
from testbed.debian import bootstrap, install, is_debian
from testbed.pins import pins

if TYPE_CHECKING:
    import docker

PING_SECONDS = 3
START_SECONDS = 60
LOG = "dockerd.log"
CONTAINERD_STORE = {"features": {"containerd-snapshotter": True}, "storage-driver": "overlayfs"}
CLASSIC_STORE = {"features": {"containerd-snapshotter": False}, "storage-driver": "overlay2"}
# Docker's own limit is a tenth of the disk, which the suites fill. The images count too: they take 4 GB.
BUILD_CACHE = {"builder": {"gc": {"enabled": True, "defaultKeepStorage": "10GB"}}}
PULL_VARIABLE = "GOCDNEXT_CAN_PULL"
PULL_ANSWER_SECONDS = 15
PULL_ANSWER_KEPT_SECONDS = 600
# What the engine says of a registry that is too slow or too busy for now.
PASSING = re.compile(r"time[d ]*out|deadline exceeded|too ?many ?requests|\b50[234]\b", re.IGNORECASE)
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
    """Talk to the engine at *host*; *timeout*, in seconds, is for each answer.

    Raises:
        SetupError: the engine refuses something, or does not answer; in one line.
    """
    import docker
    import docker.errors
    import docker.utils
    import requests

    connected = None
    try:
        tls = docker.utils.kwargs_from_env().get("tls", False) if host.startswith("tcp://") else False
        connected = docker.DockerClient(base_url=host, timeout=timeout, tls=tls)
        yield connected
    except (docker.errors.DockerException, requests.RequestException) as error:
        said = getattr(error, "explanation", None) or error
        raise SetupError(f"the engine at {host}: {' '.join(str(said).split())}") from error
    finally:
        if connected:
            connected.close()


def forget(ref: str) -> None:
    """Take a name off the engine's images, as after a push; what has other names stays."""
    import docker.errors

    with client(up()) as host, suppress(docker.errors.ImageNotFound):
        host.images.remove(ref)


def answers(host: str) -> bool:
    try:
        if host.startswith("unix://"):  # docker-py does not close a socket that cannot be connected
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(host.removeprefix("unix://"))
        with client(host, PING_SECONDS) as engine:
            return bool(engine.ping())
    except (SetupError, OSError):
        return False


def find() -> str | None:
    """Give the address of the engine to use, if one answers: DOCKER_HOST, the docker context, our own.

    Raises:
        SetupError: an engine was chosen that does not answer. No other one takes its place.
    """
    where, chosen = _chosen()
    if chosen and chosen != private_host():
        if answers(chosen):
            return chosen
        raise SetupError(f"{where} names {chosen}, which does not answer: start that one or choose another")
    hosts = (private_host(),) if chosen else (_default_host(), private_host())
    return next((host for host in hosts if answers(host)), None)


def _chosen() -> tuple[str, str]:
    """Give what chooses an engine, and its address, as the docker command does; empty where nothing does."""
    from docker.context import ContextAPI

    if host := os.environ.get("DOCKER_HOST"):
        return "DOCKER_HOST", host
    name = os.environ.get("DOCKER_CONTEXT")
    context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    if context is None:
        raise SetupError(f"there is no docker context {name or 'of the name in your docker configuration'}")
    return ("", "") if context.Name == "default" else (f"the docker context {context.Name}", context.Host)


def _default_host() -> str:
    from docker.context import ContextAPI

    return str(ContextAPI.get_context("default").Host)


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


def make_room(host: str) -> None:
    """See to it that there is room for the builds and the tests; a private engine forgets its builds for it.

    Raises:
        SetupError: there is none.
    """
    if not short_of_room():
        return
    if host == private_host():
        with step("making room: the private engine forgets its builds"), client(host, timeout=600) as engine:
            engine.api.prune_builds(all=True)
    if short := short_of_room():
        raise SetupError(
            f"{short}: free some, or name another directory with GOCDNEXT_CACHE or TMPDIR; "
            "`make engine-remove` deletes all that a private engine has"
        )


def down() -> None:
    """Stop the private engine and everything in it."""
    with lock("engine"):
        _kill()


def remove() -> None:
    """Stop the private engine and delete its images, its data and its tree."""
    down()
    with step("removing the private engine"):
        shutil.rmtree(home(), ignore_errors=True)
        shutil.rmtree(tree(), ignore_errors=True)


def status() -> str:
    host = find()
    if host is None:
        return "no engine answers"
    with client(host) as engine:
        version = engine.version()["Version"]
    return f"{'private engine' if host == private_host() else 'engine'} {version} at {host}"


@cache
def can_pull(host: str) -> bool:
    """Whether the engine reaches every registry that the pins name.

    GOCDNEXT_CAN_PULL, "yes" or "no", overrules what is found. What is found is kept for a while, unless
    another try may find otherwise.
    """
    if told := os.environ.get(PULL_VARIABLE):
        if told not in {"yes", "no"}:
            raise SetupError(f"{PULL_VARIABLE} is {told!r}: write yes or no")
        return told == "yes"
    asked = registries()
    answer = cache_dir() / f"can-pull-{hashlib.sha256(repr((host, asked)).encode()).hexdigest()[:12]}"
    if answer.exists() and time.time() - answer.stat().st_mtime < PULL_ANSWER_KEPT_SECONDS:
        return answer.read_text() == "yes"
    with ThreadPoolExecutor(max_workers=len(asked)) as workers:
        problems = workers.map(lambda image: _unreachable(host, image), asked.values())
        missing = {registry: problem for registry, problem in zip(asked, problems, strict=True) if problem}
    for registry, problem in missing.items():
        say(f"    note: {registry} is out of reach: {problem}")
    if missing:
        say(f"    note: so nothing is pulled; {PULL_VARIABLE}=yes pulls all the same")
    if not any(PASSING.search(problem) for problem in missing.values()):
        answer.write_text("no" if missing else "yes")
    return not missing


def registries() -> dict[str, str]:
    """Give the registries that the pins name, each with an image that it is asked for."""
    images = sorted(pin.image for pin in pins().values() if pin.image)
    return {image.partition("/")[0]: image for image in images}


def _unreachable(host: str, image: str) -> str:
    """Return why the engine cannot have *image*; nothing where it can."""
    try:
        with client(host, PULL_ANSWER_SECONDS) as engine:
            engine.images.get_registry_data(image)
    except (SetupError, OSError) as problem:
        return str(problem)
    return ""


def _name() -> str:
    """Tell this cache folder's engine from any other on the host, in folder and cgroup names."""
    return f"gocdnext-{hashlib.sha256(str(home()).encode()).hexdigest()[:8]}"


def tree() -> Path:
    """Give the folder of the private engine's Debian, which is in its ``tree``."""
    pin = pins()["engine"]
    key = hashlib.sha256(repr(pin).encode()).hexdigest()[:8]
    return cache_dir() / f"engine-tree-{key}"


def _start() -> None:
    path = private_host().removeprefix("unix://")
    if len(path) > 100:  # sun_path holds 107 bytes
        raise SetupError(f"{path} is too long a path for a socket: set GOCDNEXT_CACHE to a shorter directory")
    _kill()
    install(iptables="iptables")
    if not tree().exists():
        with step("unpacking the private Docker engine (Debian's docker.io)"), arriving(tree()) as scratch:
            bootstrap(scratch / "tree", pins()["engine"].debian, "--variant=minbase")
    emulate()
    with step("starting the private Docker engine"):
        _launch()
        _clear()


def _launch() -> None:
    own = {
        "bip": "10.207.0.1/24",
        "default-address-pools": [{"base": "10.208.0.0/14", "size": 24}],
        **BUILD_CACHE,
        **CONTAINERD_STORE,
    }
    process = launch(home(), settings(home() / "data", private_host(), _name()) | own)
    try:
        wait_for(process, private_host(), home())
    except SetupError:
        _kill()
        raise


def settings(data: Path, host: str, name: str) -> dict[str, object]:
    """Return what an engine beside others needs: its data, its socket, and a name for the rest."""
    return {
        "data-root": str(data),
        "exec-root": f"/run/{name}",
        "pidfile": f"/run/{name}.pid",
        "hosts": [host],
        "group": "root",
        "cgroup-parent": f"/{name}",
        "shutdown-timeout": 5,
    }


def launch(folder: Path, daemon: dict[str, object]) -> subprocess.Popen[bytes]:
    """Start the dockerd of the private engine's Debian.

    Args:
        folder: gets its settings, its log, and ``run`` for its socket.
        daemon: its settings.
    """
    (folder / "run").mkdir(parents=True, exist_ok=True)
    config = folder / "daemon.json"
    config.write_text(json.dumps(daemon, indent=2))
    script = Path(__file__).with_name("private-engine.sh")
    with (folder / LOG).open("wb") as out:
        return subprocess.Popen(
            ["unshare", "--mount", "--", script, tree() / "tree", folder, config],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )


def wait_for(process: subprocess.Popen[bytes], host: str, folder: Path) -> None:
    """Wait until an engine that :func:`launch` has started answers.

    Raises:
        SetupError: it does not, with the end of its log.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers(host):
        if process.poll() is not None or time.monotonic() > deadline:
            log = folder / LOG
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise SetupError(f"the private Docker engine did not start; the end of {log}:\n{tail}")
        time.sleep(0.1)


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
