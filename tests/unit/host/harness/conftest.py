"""An engine without containers: what a job does is a Python function. For the runner's decisions only."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import pytest

from gocdnext_sdk.host.harness.engine.interface import OWNER_LABEL, RUN_LABEL, Chunk, ContainerSpec, Pull


@dataclass
class Box:
    """One container that is none.

    Args:
        files: path below the workspace to content.
    """

    spec: ContainerSpec
    files: dict[str, bytes] = field(default_factory=dict)
    output: SimpleQueue[Chunk | None] = field(default_factory=SimpleQueue)
    ended: threading.Event = field(default_factory=threading.Event)
    signals: list[str] = field(default_factory=list)
    signalled: threading.Event = field(default_factory=threading.Event)
    exit_code: int = 0

    @property
    def env(self) -> Mapping[str, str]:
        return self.spec.env

    def print(self, text: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        self.output.put(Chunk(stream, text.encode()))

    def set_outputs(self, text: str) -> None:
        path = self.env["GOCDNEXT_OUTPUT_FILE"].removeprefix("/workspace/")
        self.files[path] = text.encode()


class FakeEngine:
    """Implements the `Engine` protocol."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Callable[[Box], int | None]] = {}
        self.boxes: dict[str, Box] = {}
        self.labels: dict[str, Mapping[str, str]] = {}
        self.leftovers: dict[str, str] = {}
        self.order: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def describe(self) -> str:
        return "fake"

    def ensure_image(self, image: str, pull: Pull, stopping: Callable[[], bool]) -> None:
        pass

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        self.labels[name] = labels

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        self.labels[f"volume {name}"] = labels

    def networks_of(self, container: str) -> list[str]:
        return ["theirs"]

    def create(self, spec: ContainerSpec) -> str:
        with self._lock:
            self.boxes[spec.name] = Box(spec)
            self.labels[spec.name] = spec.labels
        return spec.name

    def put(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as archive:
            for member in archive:
                if member.isreg():
                    content = archive.extractfile(member)
                    assert content is not None
                    self.boxes[container].files[member.name] = content.read()

    def get(self, container: str, path: str) -> Iterator[bytes]:
        inside = path.removeprefix("/workspace").lstrip("/")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in self.boxes[container].files.items():
                if name.startswith(inside):
                    member = tarfile.TarInfo(f"workspace/{name}")
                    member.size, member.mode, member.mtime = len(content), 0o644, 4102444800
                    archive.addfile(member, io.BytesIO(content))
        yield buffer.getvalue()

    def attach(self, container: str) -> Iterator[Chunk]:
        return iter(self.boxes[container].output.get, None)  # type: ignore[arg-type]

    def start(self, container: str) -> None:
        box = self.boxes[container]

        def work() -> None:
            with self._lock:
                self.order.append(box.spec.image)
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            behaviour = self.behaviours.get(box.spec.image, lambda box: 0)
            box.exit_code = behaviour(box) or 0
            with self._lock:
                self.at_once -= 1
            box.output.put(None)
            box.ended.set()

        threading.Thread(target=work, daemon=True).start()

    def wait(self, container: str) -> int:
        self.boxes[container].ended.wait()
        return self.boxes[container].exit_code

    def is_running(self, container: str) -> bool:
        return not self.boxes[container].ended.is_set()

    def logs(self, container: str) -> str:
        return ""

    def signal(self, container: str, signal: Literal["SIGTERM", "SIGKILL"]) -> None:
        self.boxes[container].signals.append(signal)
        self.boxes[container].signalled.set()

    def remove(self, label: str, value: str) -> None:
        with self._lock:
            self.labels = {name: each for name, each in self.labels.items() if each.get(label) != value}
            if label == RUN_LABEL:
                self.leftovers.pop(value, None)

    def close(self) -> None:
        pass

    def owners(self) -> dict[str, str]:
        mine = {each[RUN_LABEL]: each[OWNER_LABEL] for each in self.labels.values()}
        return {**self.leftovers, **mine}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout that is no git repository, with one source file."""
    (tmp_path / "project" / ".gocdnext").mkdir(parents=True)
    (tmp_path / "project" / "source.txt").write_text("source\n")
    return tmp_path / "project"
