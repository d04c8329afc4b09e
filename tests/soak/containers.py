"""Run a plugin's real image, and look at all it leaves."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import docker
from docker.models.containers import Container
from requests.exceptions import RequestException
from testbed.images import plugin_tag

from gocdnext_sdk.contract.keys import variable

USER = 1000
OUTPUTS = "/workspace/.gocdnext/outputs/job.env"


def image(plugin: str) -> str:
    """Return the image of a plugin of this repository, as `make setup-test` builds it."""
    return plugin_tag(plugin)


@dataclass(frozen=True)
class Job:
    """One job.

    Args:
        plugin: its plugin's directory.
        inputs: the `with:` map.
        environ: further variables.
        files: of the checkout, path to content.
        docker: whether it gets the engine's socket.
    """

    plugin: str
    inputs: Mapping[str, str]
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    docker: bool = False


_OF_OTHERS = re.compile(r"gocdnext-(?:[0-9a-f]{12}|test)-")

NOTHING: Mapping[str, Any] = MappingProxyType({})


@contextlib.contextmanager
def created(client: docker.DockerClient, job: Job, place: Mapping[str, Any] = NOTHING) -> Iterator[Container]:
    """Give a job's container, created and not started; it is gone at the end.

    Args:
        client: the engine.
        job: what it does.
        place: what the container has or lacks, as arguments of `containers.create`. Then its workspace is a
            volume, as on the platform, and belongs to the user 1000.
    """
    environ = {variable(key): text for key, text in job.inputs.items()} | dict(job.environ)
    environ["GOCDNEXT_OUTPUT_FILE"] = OUTPUTS
    binds = []
    if job.docker:
        environ["DOCKER_HOST"] = "unix:///var/run/docker.sock"
        binds = [f"{_socket()}:/var/run/docker.sock"]
    content = archive({OUTPUTS.strip("/"): b""} | prefixed(job.files))
    with contextlib.ExitStack() as stack:
        if place:
            binds.append(f"{stack.enter_context(_volume(client, content))}:/workspace")
        container = client.containers.create(
            image(job.plugin),
            environment=environ,
            network_mode="host",
            volumes=binds,
            working_dir="/workspace",
            **place,
        )
        stack.callback(container.remove, force=True, v=True)
        if not place:
            container.put_archive("/", content)
        yield container


@contextlib.contextmanager
def _volume(client: docker.DockerClient, content: bytes) -> Iterator[str]:
    """Give the name of a volume with `content`; a container on a read-only root cannot be given files."""
    volume = client.volumes.create()
    try:
        helper = client.containers.create(image("trivy"), volumes=[f"{volume.name}:/workspace"])
        helper.put_archive("/", content)
        helper.remove()
        yield volume.name
    finally:
        volume.remove(force=True)


def _socket() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


def prefixed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"workspace/{path}": content for path, content in files.items()}


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of `files` and their directories, all of the user 1000."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in sorted(
            {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
        ):
            member = tarfile.TarInfo(folder)
            member.type, member.mode, member.uid = tarfile.DIRTYPE, 0o755, USER
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = len(content), 0o644, USER
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def exit_code(container: Container, seconds: float) -> int | None:
    """Wait for a container to end; None: it did not within `seconds`."""
    try:
        return int(container.wait(timeout=seconds)["StatusCode"])
    except RequestException:
        return None


def log(container: Container) -> str:
    """Return all it printed."""
    return container.logs().decode(errors="replace")


def written(container: Container) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of every file that the container added or changed."""
    changed = [each["Path"] for each in container.diff() or () if each["Kind"] in (0, 1)]
    # A directory that changed is listed beside what changed in it.
    leaves = [path for path in changed if not any(other.startswith(f"{path}/") for other in changed)]
    for path in leaves:
        with contextlib.suppress(docker.errors.NotFound):
            stream, _ = container.get_archive(path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isfile() else None
                    yield f"{path}:{member.name}", content.read() if content else member.linkname.encode()


def leftovers(client: docker.DockerClient) -> set[str]:
    """Return the names of what plugins may have made: containers, volumes and networks of no harness."""
    names = {
        *(each.name for each in client.containers.list(all=True, ignore_removed=True)),
        *(each.name for each in client.volumes.list()),
        *(each.name for each in client.networks.list()),
    }
    # A session of the harness removes its own, and so does a test beside these.
    return {name for name in names if not _OF_OTHERS.match(name)}


def events(client: docker.DockerClient, since: float, container: Container) -> str:
    """Return what the engine told of a container since then, as JSON lines."""
    found: Any = client.events(
        since=int(since), until=int(time.time()) + 1, filters={"container": container.id}, decode=True
    )
    return "\n".join(json.dumps(each) for each in found)
