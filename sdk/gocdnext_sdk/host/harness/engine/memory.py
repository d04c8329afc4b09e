r"""An engine without containers, to test pipelines without Docker.

The behaviour of an image is a Python function of the container:

```python
def scan(container: MemoryContainer) -> int:
    container.print(f"scanning {container.env['PLUGIN_TARGET']}\n")
    container.set_outputs("DIGEST=sha256:1234\n")
    return 0  # the exit code; None is 0 too

engine = MemoryEngine({"ghcr.io/org/scan:v1": scan})
with Session(engine) as session:
    report = run_pipeline(file, RunOptions(secrets={"TOKEN": "…"}), session=session)
```

Everything else is the real harness: order, needs, matrix, references, outputs, masks, files that come back.
An image without a function does nothing and exits with 0.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
import threading
from collections import ChainMap
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Literal, TypeAlias

from gocdnext_sdk.contract import outputs
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

_WORKSPACE = "/workspace"
_LATER = 4102444800
"""Modification time of all files that come out, so that they count as written by the job."""


@dataclass
class MemoryContainer:
    """One container, as the function of its image sees it.

    Args:
        spec: what the harness asked for.
        files: path below the workspace to content; what is added or changed comes back into the tree.
        folders: the directories that were put there.
        signals: the signals that were sent, in order.
        signalled: set by each signal; a function can wait for it.
    """

    spec: ContainerSpec
    files: MutableMapping[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    signals: list[str] = field(default_factory=list)
    signalled: threading.Event = field(default_factory=threading.Event)
    exit_code: int = 0
    started: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    _output: SimpleQueue[Chunk | None] = field(default_factory=SimpleQueue)
    _kept: bytearray = field(default_factory=bytearray)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.started.is_set() and not self.ended.is_set()

    @property
    def log(self) -> str:
        """What it has printed, on both streams."""
        return self._kept.decode(errors="replace")

    @property
    def env(self) -> Mapping[str, str]:
        """Its variables."""
        return self.spec.env

    def print(self, text: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Print `text`; a line needs its newline."""
        self.print_bytes(text.encode(), stream)

    def print_bytes(self, data: bytes, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Print bytes, which need not be text."""
        self._kept += data
        self._output.put(Chunk(stream, data))

    def set_outputs(self, text: str) -> None:
        """Write the job's output file, ``KEY=value`` lines; the job must declare outputs."""
        root = next(iter(self.spec.volumes.values()), _WORKSPACE)
        self.files[self.env[outputs.VARIABLE].removeprefix(f"{root}/")] = text.encode()

    def output(self) -> Iterator[Chunk]:
        """Yield what it prints, until it has ended."""
        while (chunk := self._output.get()) is not None:
            yield chunk

    def end(self, exit_code: int) -> None:
        """End it, once."""
        if not self.ended.is_set():
            self.exit_code = exit_code
            self.ended.set()
            self._output.put(None)


class _Folder(MutableMapping[str, bytes]):
    """The files of a volume that are below one of its directories."""

    def __init__(self, volume: MutableMapping[str, bytes], folder: str) -> None:
        self._volume = volume
        self._above = f"{folder}/"

    def __getitem__(self, path: str) -> bytes:
        return self._volume[self._above + path]

    def __setitem__(self, path: str, content: bytes) -> None:
        self._volume[self._above + path] = content

    def __delitem__(self, path: str) -> None:
        del self._volume[self._above + path]

    def __iter__(self) -> Iterator[str]:
        return (
            name.removeprefix(self._above) for name in tuple(self._volume) if name.startswith(self._above)
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


Behaviour: TypeAlias = Callable[[MemoryContainer], "int | None"]
"""What an image does: prints, writes files, returns the exit code. SIGKILL ends a container without it."""


def _nothing(container: MemoryContainer) -> None:
    """Do nothing, successfully."""


class MemoryEngine:
    """Implements `Engine` without containers.

    Args:
        behaviours: image reference to what it does.
        fail_at: the number of the call that fails with a `DaemonError`, counted from 1. Each piece of a
            stream is a call too, as in a real engine, which may go away at any time.
    """

    def __init__(
        self, behaviours: Mapping[str, Behaviour] | None = None, *, fail_at: int | None = None
    ) -> None:
        self.behaviours: dict[str, Behaviour] = dict(behaviours or {})
        self.fail_at = fail_at
        self.calls: list[str] = []
        self.containers: dict[str, MemoryContainer] = {}
        self.labels: dict[str, Mapping[str, str]] = {}
        """What is on the engine: the labels of containers, volumes and networks, by name."""
        self.networks: dict[str, list[str]] = {}
        """The networks of containers that somebody else made, by name."""
        self.contents: dict[str, Mapping[str, bytes]] = {}
        """What is in images, as far as it matters: image reference to path, below the root, to content."""
        self.volumes: dict[str, MutableMapping[str, bytes]] = {}
        """What is in the volumes: path to content."""
        self.order: list[str] = []
        """The images of containers in the order in which they were started."""
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def _called(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)
            number = len(self.calls)
        if number == self.fail_at:
            raise DaemonError(f"the engine failed at call {number} ({name})")

    def _found(self, container: str) -> MemoryContainer:
        if container not in self.labels:
            raise DaemonError(f"there is no container {container}")
        return self.containers[container]

    def describe(self) -> str:
        """Return its name."""
        self._called("describe")
        return "memory"

    def ensure_image(self, image: str, pull: Pull, stopping: Callable[[], bool], advice: str = "") -> None:
        """Do nothing: every image is there."""
        self._called("ensure_image")

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Note a network."""
        self._called("create_network")
        self._add(f"network {name}", labels)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Note a volume."""
        self._called("create_volume")
        self._add(f"volume {name}", labels)
        self.volumes[name] = {}

    def create_overlay(
        self, name: str, labels: Mapping[str, str], *, lower: str, upper: str, work: str
    ) -> None:
        """Make a volume of two: what is written goes into the upper one."""
        self._called("create_overlay")
        self._add(f"volume {name}", labels)
        volume, _, folder = upper.partition("/")
        self.volumes[name] = ChainMap(_Folder(self.volumes[volume], folder), self.volumes[lower])

    def _add(self, name: str, labels: Mapping[str, str]) -> None:
        with self._lock:
            self.labels[name] = labels

    def networks_of(self, container: str) -> list[str]:
        """Return the network that it was created on."""
        self._called("networks_of")
        if container in self.networks:
            return self.networks[container]
        network = self._found(container).spec.network
        return [network] if network and not network.startswith(SHARED_NETWORK) else []

    def create(self, spec: ContainerSpec) -> str:
        """Create a container."""
        self._called("create")
        with self._lock:
            if spec.name in self.labels:
                raise DaemonError(f"there is a container {spec.name} already")
            mounted = [self.volumes[name] for name in spec.volumes if name in self.volumes]
            own = dict(self.contents.get(spec.image, {}))
            self.containers[spec.name] = MemoryContainer(spec, mounted[0] if mounted else own)
            self.labels[spec.name] = spec.labels
        return spec.name

    def put(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        """Take the regular files of a tar."""
        self._called("put")
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    self._found(container).files[member.name] = content.read()
                elif member.isdir():
                    self._found(container).folders.add(member.name)

    def get(self, container: str, path: str) -> Iterator[bytes]:
        """Yield the files below `path` as a tar, in pieces, each named from the path's last name on."""
        self._called("get")
        found = self._found(container)
        root = next(iter(found.spec.volumes.values()), _WORKSPACE)
        inside = path.removeprefix(root).lstrip("/")
        files = {
            name: content
            for name, content in found.files.items()
            if not inside or name == inside or name.startswith(f"{inside}/")
        }
        if inside and not files and inside not in found.folders:
            raise NoSuchPath(f"the container has no {path}")
        above = len(posixpath.dirname(path.rstrip("/")).rstrip("/")) + 1
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"{root}/{name}"[above:])
                member.size, member.mode, member.mtime = len(content), 0o644, _LATER
                archive.addfile(member, io.BytesIO(content))
        whole = buffer.getvalue()
        for at in range(0, len(whole), tarfile.RECORDSIZE):
            self._called("get …")
            yield whole[at : at + tarfile.RECORDSIZE]

    def attach(self, container: str) -> Generator[Chunk, None, None]:
        """Connect to the output."""
        self._called("attach")
        return self._output(self._found(container))

    def _output(self, container: MemoryContainer) -> Generator[Chunk, None, None]:
        for chunk in container.output():
            self._called("attach …")
            yield chunk

    def start(self, container: str) -> None:
        """Run the image's function in a thread of its own."""
        self._called("start")
        found = self._found(container)
        found.started.set()
        threading.Thread(target=self._run, args=(found,), daemon=True).start()

    def _run(self, container: MemoryContainer) -> None:
        with self._lock:
            self.order.append(container.spec.image)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        code = 125
        try:
            code = self.behaviours.get(container.spec.image, _nothing)(container) or 0
        finally:
            with self._lock:
                self._at_once -= 1
            container.end(code)

    def wait(self, container: str) -> int:
        """Wait for the function's end."""
        self._called("wait")
        found = self._found(container)
        found.ended.wait()
        return found.exit_code

    def is_running(self, container: str) -> bool:
        """Return whether the function still runs."""
        self._called("is_running")
        return self._found(container).is_running

    def logs(self, container: str) -> str:
        """Return what it printed."""
        self._called("logs")
        return self._found(container).log

    def signal(self, container: str, signal: Literal["SIGTERM", "SIGKILL"]) -> None:
        """Deliver a signal; SIGKILL ends the container even if its function goes on."""
        self._called("signal")
        found = self.containers.get(container)
        if found is None or not found.is_running:
            return
        found.signals.append(signal)
        found.signalled.set()
        if signal == "SIGKILL":
            found.end(137)

    def remove(self, label: str, value: str) -> None:
        """Remove what has the label; containers end."""
        self._called("remove")
        with self._lock:
            gone = [name for name, labels in self.labels.items() if labels.get(label) == value]
            for name in gone:
                del self.labels[name]
        for name in gone:
            if name in self.containers:
                self.containers[name].end(137)

    def close(self) -> None:
        """Do nothing."""
        self._called("close")

    def owners(self) -> dict[str, str]:
        """Return the owners of all runs that left something."""
        self._called("owners")
        with self._lock:
            return {each[RUN_LABEL]: each[OWNER_LABEL] for each in self.labels.values()}
