"""What a local run needs of this machine, and whether it has it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from docker.errors import DockerException
from requests.exceptions import RequestException

from gocdnext_sdk.errors import Error, ToolError
from gocdnext_sdk.host.harness import user_folders
from gocdnext_sdk.host.harness.build import find_buildx
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.runtime.docker_client import address, connect, reason

_ROOM = 5 << 30
"""Bytes that builds and scans should find free."""

_LATE = 60.0
"""Seconds by which clocks may differ before tokens and signatures are refused."""

_PODMAN = (
    "jobs run; images of --local and `exec --image` are built in a BuildKit container, which buildx fetches "
    "first: without a network, build them with `podman build`, and pass --use-image"
)
_ROOTLESS = (
    "jobs run; the limits of `resources` need cgroup v2, delegated to you, --as k8s-… a privileged container"
)

_EMULATORS = Path("/proc/sys/fs/binfmt_misc")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        what: it.
        state: good, a thing to know, or bad: a run will fail.
        found: what was found.
        advice: what to do.
    """

    what: str
    state: Literal["good", "note", "bad"]
    found: str
    advice: str = ""


def examine(environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Yield what is found; registries are not contacted.

    Args:
        environ: says where the engine and its configuration are.
    """
    info, engines = _engine(environ)
    yield from engines
    if info:
        yield _store(info)
        yield _clock(info)
        yield _emulation(info)
    yield _buildx()
    yield _git()
    yield _disk()
    yield _logins(environ)


def _engine(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Check]]:
    try:
        with closing(connect(environ, timeout=10)) as client:
            info: dict[str, Any] = client.api.info()
            version: dict[str, Any] = client.api.version()
    except (Error, DockerException, RequestException) as error:
        advice = "start Docker, or point DOCKER_HOST or `docker context use` at a running one"
        return {}, [Check("engine", "bad", f"none answers at {address(environ)}: {reason(error)}", advice)]
    is_podman = any("podman" in str(each.get("Name")).lower() for each in version.get("Components") or ())
    name = "Podman" if is_podman else "Docker"
    found = f"{info.get('ServerVersion')}, {info.get('NCPU')} CPUs, {info.get('MemTotal', 0) / 2**30:.1f} GiB"
    checks = [Check("engine", "note" if is_podman else "good", f"{name} {found}", _PODMAN * is_podman)]
    if any("rootless" in str(each) for each in info.get("SecurityOptions") or ()):
        checks.append(Check("rootless", "note", "the engine runs without root", _ROOTLESS))
    return info, checks


def _store(info: Mapping[str, Any]) -> Check:
    contained = any("containerd" in str(pair) for pair in info.get("DriverStatus") or ())
    if contained:
        return Check("image store", "good", "containerd's: it holds images of several platforms")
    advice = "push them, or switch on the containerd image store"
    return Check("image store", "note", "the classic one, which holds one platform of an image", advice)


def _clock(info: Mapping[str, Any]) -> Check:
    with suppress(KeyError, ValueError):
        there = datetime.fromisoformat(str(info["SystemTime"])[:19]).replace(tzinfo=UTC)
        apart = abs((datetime.now(UTC) - there).total_seconds())
        if apart > _LATE:
            advice = "set both by NTP: tokens and signatures are refused"
            return Check("clock", "bad", f"the engine's is {apart:.0f} s off", advice)
        return Check("clock", "good", "this machine and the engine agree")
    return Check("clock", "note", "the engine does not tell its time")


def _emulation(info: Mapping[str, Any]) -> Check:
    with suppress(OSError):
        found = sorted(each.name.removeprefix("qemu-") for each in _EMULATORS.glob("qemu-*"))
        if found:
            return Check("emulation", "good", f"QEMU for {', '.join(found)}")
    advice = "only for RUN steps of other platforms: docker run --privileged tonistiigi/binfmt --install all"
    return Check("emulation", "note", f"none seen; the engine runs {info.get('Architecture')}", advice)


def _buildx() -> Check:
    with suppress(ToolError):
        if said := _output(*find_buildx(), "version"):
            return Check("buildx", "good", said)
    advice = "only for --local, `exec --image` and `base build`: install the docker command's buildx plugin"
    return Check("buildx", "note", "not installed", advice)


def _git() -> Check:
    said = _output("git", "--version")
    return (
        Check("git", "good", said)
        if said
        else Check("git", "note", "not installed", "jobs then know no commit and no branch")
    )


def _disk() -> Check:
    folder = user_folders.caches()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free at {folder}"
    if free >= _ROOM:
        return Check("disk", "good", found)
    return Check("disk", "bad", found, "`gocdnext-plugin cache clear`, `docker system prune`")


def _logins(environ: Mapping[str, str]) -> Check:
    if mistakes := Credentials.ambient_mistakes(environ):
        found = f"in the Docker configuration: {'; '.join(mistakes)}"
        return Check("logins", "note", found, "`docker login HOST` writes it as it is read")
    hosts = sorted({str(each.registry) for each in Credentials.ambient(environ)})
    if hosts:
        return Check("logins", "good", f"{', '.join(hosts)}: for pulling images, jobs do not get them")
    return Check("logins", "note", "none", "`docker login HOST`, if images of plugins are private")


def _output(*command: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip().partition("\n")[0]
    return ""
