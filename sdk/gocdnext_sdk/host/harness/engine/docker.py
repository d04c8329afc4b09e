"""The Docker engine, through its API.

``DOCKER_HOST`` or the docker CLI's current context selects it, as for the docker command.
"""

from __future__ import annotations

import os
import posixpath
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import CancellableStream, LogConfig, Mount
from requests.exceptions import RequestException

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import (
    OWNER_LABEL,
    RUN_LABEL,
    SHARED_NETWORK,
    Chunk,
    ContainerSpec,
    NoSuchPath,
    Pull,
)
from gocdnext_sdk.runtime.docker_client import SOCKET, address, connect, translated

if TYPE_CHECKING:
    from docker.api.client import APIClient

_CONNECTIONS = 64
"""Limit of open connections: every running job holds one."""


def endpoint() -> str:
    """Return the URL of the engine that the docker command would talk to."""
    return address(os.environ)


def _translated(doing: str, advice: str = "") -> AbstractContextManager[None]:
    return translated(doing, advice, who=f"the Docker engine at {endpoint()}")


class DockerEngine:
    """Docker as an `Engine`."""

    @cached_property
    def _api(self) -> APIClient:
        try:
            client: APIClient = connect(os.environ, timeout=120, max_pool_size=_CONNECTIONS).api
            client.ping()
        except (DaemonError, DockerException, RequestException) as error:
            raise DaemonError(
                f"no Docker engine at {endpoint()}",
                "start Docker, or point DOCKER_HOST or `docker context use` at a running one",
            ) from error
        return client

    def close(self) -> None:
        """Close the connections to the engine."""
        self._api.close()

    def describe(self) -> str:
        """Return the engine's name and version."""
        with _translated("report its version"):
            version = self._api.version()
        return f"Docker {version['Version']} at {endpoint()}"

    def _socket(self) -> str:
        """Return the path of the API socket on the engine's own host.

        In a virtual machine (Docker Desktop, Colima) it is at the usual place, even if the path outside is
        another one.
        """
        url = endpoint()
        if not url.startswith("unix://") or sys.platform != "linux":
            return SOCKET
        if self._api.info().get("OperatingSystem") == "Docker Desktop":
            return SOCKET
        return url.removeprefix("unix://")

    def ensure_image(self, image: str, pull: Pull, stopping: Callable[[], bool], advice: str = "") -> None:
        """Make sure that `image` is there; it is pulled with the credentials of ``docker login``.

        Raises:
            DaemonError: it is not there, and may not or cannot be pulled.
        """
        api = self._api
        if pull is not Pull.ALWAYS:
            try:
                api.inspect_image(image)  # type: ignore[no-untyped-call]
            except ImageNotFound:
                if pull is Pull.NEVER:
                    allow = f"allow a download (--pull {Pull.MISSING})"
                    raise DaemonError(
                        f"the engine has no image {image}", f"{allow}; {advice}" if advice else allow
                    ) from None
            else:
                return
        with _translated(f"pull {image}", advice):
            for event in api.pull(image, stream=True, decode=True):
                if stopping():
                    return
                if "error" in event:
                    raise APIError(event["error"])  # some failures come as an event

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a bridge network."""
        with _translated(f"create network {name}"):
            self._api.create_network(name, driver="bridge", labels=dict(labels))

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create an empty volume."""
        with _translated(f"create volume {name}"):
            self._api.create_volume(name, labels=dict(labels))

    def create_overlay(
        self, name: str, labels: Mapping[str, str], *, lower: str, upper: str, work: str
    ) -> None:
        """Create a volume that the engine mounts as overlayfs."""
        with _translated(f"create volume {name}"):
            layers = {
                option: self._path(where)
                for option, where in (("lowerdir", lower), ("upperdir", upper), ("workdir", work))
            }
            # Without redirects and metadata-only copies, each changed file is whole in the upper directory.
            options = [
                *(f"{option}={path}" for option, path in layers.items()),
                "redirect_dir=off",
                "metacopy=off",
            ]
            self._api.create_volume(
                name,
                driver="local",
                driver_opts={"type": "overlay", "device": "overlay", "o": ",".join(options)},
                labels=dict(labels),
            )

    def _path(self, where: str) -> str:
        """Return the path of ``VOLUME/DIRECTORY`` on the engine's host."""
        volume, _, inside = where.partition("/")
        mountpoint: str = self._api.inspect_volume(volume)["Mountpoint"]
        path = posixpath.join(mountpoint, inside)
        if set(path) & set(",:\\"):  # they part the options of a mount
            raise DaemonError(f"{path} cannot be an option of a mount")
        return path

    def networks_of(self, container: str) -> list[str]:
        """Return the user-defined networks of `container`; only those have aliases."""
        with _translated(f"inspect container {container}"):
            found: dict[str, Any] = self._api.inspect_container(container)
        return [
            name for name in found["NetworkSettings"]["Networks"] if name not in {"bridge", "host", "none"}
        ]

    def create(self, spec: ContainerSpec) -> str:
        """Create a container without starting it."""
        api = self._api
        with _translated(f"create container {spec.name} from {spec.image}"):
            binds = [f"{self._socket()}:{spec.engine_socket}"] if spec.engine_socket else []
            networking = None
            if spec.network and not spec.network.startswith(SHARED_NETWORK):
                attachment = api.create_endpoint_config(aliases=list(spec.aliases))
                networking = api.create_networking_config({spec.network: attachment})  # type: ignore[arg-type]
            host = api.create_host_config(
                binds=binds,
                # no_copy: an image's own files at that path stay out, as under the platform's bind mount.
                mounts=[
                    Mount(target=path, source=name, type="volume", no_copy=True)
                    for name, path in spec.volumes.items()
                ],
                network_mode=spec.network,
                extra_hosts=dict(spec.extra_hosts) or None,
                nano_cpus=self._nano_cpus(spec.cpus),
                mem_limit=spec.memory or None,
                privileged=spec.privileged,
                port_bindings={port: ("127.0.0.1", port) for port in spec.ports},
                log_config=LogConfig(type="none") if spec.output == "followed" else None,
            )
            created = api.create_container(
                image=spec.image,
                name=spec.name,
                entrypoint=list(spec.entrypoint) or None,
                command=list(spec.command) or None,
                environment=dict(spec.env),
                working_dir=spec.working_dir,
                labels=dict(spec.labels),
                ports=list(spec.ports) or None,
                host_config=host,
                networking_config=networking,
            )
            for network in spec.further_networks:
                api.connect_container_to_network(created["Id"], network)
        return str(created["Id"])

    def _nano_cpus(self, cpus: float) -> int | None:
        # The engine refuses more than it has; the platform's node would have them.
        return int(min(cpus, float(self._api.info()["NCPU"])) * 1e9) if cpus else None

    def put(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar stream at `path`."""
        with _translated(f"copy files into {path}"):
            self._api.put_archive(container, path, iter(tar))

    def get(self, container: str, path: str) -> Iterator[bytes]:
        """Stream `path` as a tar."""
        with _translated(f"copy {path} out of a container"):
            try:
                stream, _ = self._api.get_archive(container, path)
            except NotFound as error:
                raise NoSuchPath(f"the container has no {path}") from error
            yield from stream

    def attach(self, container: str) -> Generator[Chunk, None, None]:
        """Connect to the output of a container that is not started yet."""
        output = self._output(container)
        next(output)  # connects; from here on, closing it ends the connection
        return output

    def _output(self, container: str) -> Generator[Chunk, None, None]:
        with _translated("follow a container's output"):
            frames: CancellableStream[Any] = self._api.attach(
                container, stdout=True, stderr=True, stream=True, demux=True
            )
            # The stream's own close() leaves the connection half open.
            with closing(frames._response):  # type: ignore[attr-defined]  # noqa: SLF001
                yield Chunk("stdout", b"")
                for stdout, stderr in frames:
                    if stdout:
                        yield Chunk("stdout", stdout)
                    if stderr:
                        yield Chunk("stderr", stderr)

    def start(self, container: str) -> None:
        """Start a created container."""
        with _translated("start a container"):
            self._api.start(container)

    def wait(self, container: str) -> int:
        """Return the exit code, once the container has ended."""
        with _translated("wait for a container"):
            return int(self._api.wait(container)["StatusCode"])

    def is_running(self, container: str) -> bool:
        """Return whether the container runs."""
        with _translated("inspect a container"):
            return bool(self._api.inspect_container(container)["State"]["Running"])

    def logs(self, container: str) -> str:
        """Return what a service printed."""
        with _translated("read a service's log"):
            output: bytes = self._api.logs(container, tail=50)
        return output.decode(errors="replace")

    def signal(self, container: str, signal: Literal["SIGTERM", "SIGKILL"]) -> None:
        """Send `signal` to a container, if it runs."""
        with _translated(f"send {signal}"):
            try:
                self._api.kill(container, signal)
            except APIError as error:
                if error.status_code not in {404, 409}:  # gone, or not running
                    raise

    def remove(self, label: str, value: str) -> None:
        """Remove containers, then the volumes and networks they held."""
        api, filters = self._api, {"label": f"{label}={value}"}
        with _translated("clean up"):
            for container in api.containers(all=True, filters=filters):
                _patiently(lambda: api.remove_container(container["Id"], v=True, force=True))  # noqa: B023
            for volume in api.volumes(filters=filters)["Volumes"] or ():
                _patiently(lambda: api.remove_volume(volume["Name"], force=True))  # noqa: B023
            for network in api.networks(filters=filters):
                _patiently(lambda: api.remove_network(network["Id"]))  # noqa: B023

    def owners(self) -> dict[str, str]:
        """Return the owners of all runs that left something on the engine."""
        api, filters = self._api, {"label": RUN_LABEL}
        with _translated("list what runs left"):
            found = [
                *api.containers(all=True, filters=filters),
                *(api.volumes(filters=filters)["Volumes"] or ()),
                *api.networks(filters=filters),
            ]
        return {each["Labels"][RUN_LABEL]: each["Labels"].get(OWNER_LABEL, "") for each in found}


def _patiently(remove: Callable[[], Any]) -> None:
    """Remove something that the engine may still be using for a moment."""
    for attempt in range(20):
        try:
            remove()
        except NotFound:
            return
        except APIError as error:
            if error.status_code not in {409, 403, 500} or attempt == 19:
                raise
            time.sleep(0.25)
        else:
            return
