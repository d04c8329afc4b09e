"""What `Engine` promises, on every engine: one story, played on Docker and in memory.

What a test with the memory engine shows of the harness holds on Docker only as far as the two agree.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import pytest

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.engine.interface import (
    OWNER_LABEL,
    RUN_LABEL,
    ContainerSpec,
    Engine,
    NoSuchPath,
    Pull,
)
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine

WORK = """
import os, sys
sys.stdout.write("hello " + os.environ["NAME"] + "\\n"); sys.stdout.flush()
sys.stderr.write("a warning\\n")
open("/workspace/out/made.txt", "w").write(open("/workspace/given.txt").read() + " and back")
sys.exit(7)
"""
WAIT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("ready", flush=True)
signal.pause()
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def work(container: MemoryContainer) -> int:
    container.print(f"hello {container.env['NAME']}\n")
    container.print("a warning\n", "stderr")
    container.files["out/made.txt"] = container.files["given.txt"] + b" and back"
    return 7


def wait(container: MemoryContainer) -> int:
    container.print("ready\n")
    container.signalled.wait(60)
    return 143


def deaf(container: MemoryContainer) -> int:
    container.print("ready\n")
    container.ended.wait(60)
    return 0


BEHAVIOURS: dict[str, Callable[[MemoryContainer], int]] = {WORK: work, WAIT: wait, DEAF: deaf}


@dataclass(frozen=True)
class Play:
    """An engine, what makes containers on it, and the labels of this run."""

    engine: Engine
    run: str

    @property
    def labels(self) -> dict[str, str]:
        return {RUN_LABEL: self.run, OWNER_LABEL: "somebody 1 2"}

    def name(self, what: str) -> str:
        return f"gocdnext-{self.run}-{what}"

    def create(self, program: str, **options: object) -> str:
        """Create a container that does what `program` says."""
        if isinstance(self.engine, MemoryEngine):
            image, command = f"memory/{len(self.engine.behaviours)}", ()
            self.engine.behaviours[image] = BEHAVIOURS[program]
        else:
            image, command = os.environ["BASE"], ("python3", "-c", program)
        given = {"name": self.name(uuid4().hex[:6]), "working_dir": "/workspace", **options}
        return self.engine.create(
            ContainerSpec(image=image, command=command, labels=self.labels, **given)  # type: ignore[arg-type]
        )

    def put(self, container: str, name: str, content: bytes) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            directory = tarfile.TarInfo("out")
            directory.type, directory.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(directory)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        self.engine.put(container, "/workspace", [buffer.getvalue()])

    def files(self, container: str, path: str) -> dict[str, bytes]:
        found = {}
        with tarfile.open(fileobj=io.BytesIO(b"".join(self.engine.get(container, path)))) as archive:
            for member in archive:
                if content := archive.extractfile(member) if member.isreg() else None:
                    found[member.name] = content.read()
        return found


@pytest.fixture(params=["docker", "memory"])
def play(request: pytest.FixtureRequest) -> Iterator[Play]:
    engine: Engine = DockerEngine() if request.param == "docker" else MemoryEngine()
    found = Play(engine, uuid4().hex[:12])
    with closing(engine):
        if request.param == "docker":
            engine.ensure_image(os.environ["BASE"], Pull.MISSING, lambda: False)
        yield found
        engine.remove(RUN_LABEL, found.run)


def test_a_job_from_its_files_to_its_result(play: Play) -> None:
    engine = play.engine
    assert engine.describe()
    engine.create_volume(play.name("tree"), play.labels)
    container = play.create(WORK, env={"NAME": "world"}, volumes={play.name("tree"): "/workspace"})
    assert not engine.is_running(container)
    play.put(container, "given.txt", b"there")
    output = engine.attach(container)
    engine.start(container)
    chunks = list(output)
    streams = {
        name: b"".join(data for stream, data in chunks if stream == name) for name in ("stdout", "stderr")
    }
    assert streams == {"stdout": b"hello world\n", "stderr": b"a warning\n"}
    assert [engine.wait(container), engine.wait(container)] == [7, 7]
    assert not engine.is_running(container)
    assert play.files(container, "/workspace")["workspace/out/made.txt"] == b"there and back"
    made = play.files(container, "/workspace/out")
    assert [(name.rpartition("/")[2], content) for name, content in made.items()] == [
        ("made.txt", b"there and back")
    ]
    with pytest.raises(NoSuchPath):
        play.files(container, "/workspace/not-there")


@pytest.mark.parametrize(
    ("program", "signal", "code"), [(WAIT, "SIGTERM", 143), (WAIT, "SIGKILL", 137), (DEAF, "SIGKILL", 137)]
)
def test_a_signal_and_one_after_the_end(play: Play, program: str, signal: str, code: int) -> None:
    engine = play.engine
    container = play.create(program)
    engine.signal(container, signal)  # type: ignore[arg-type] # not started: nothing happens
    with closing(engine.attach(container)) as output:
        engine.start(container)
        assert next(output).data == b"ready\n"
        assert engine.is_running(container)
        engine.signal(container, signal)  # type: ignore[arg-type]
        assert engine.wait(container) == code
        assert list(output) == []
    engine.signal(container, signal)  # type: ignore[arg-type]
    assert engine.wait(container) == code


def test_a_service_keeps_its_log_and_is_found_on_its_network(play: Play) -> None:
    engine = play.engine
    engine.create_network(play.name("net"), play.labels)
    container = play.create(WAIT, network=play.name("net"), aliases=("db",), output="kept")
    with closing(engine.attach(container)) as output:
        engine.start(container)
        next(output)
    assert engine.logs(container) == "ready\n"
    assert engine.networks_of(container) == [play.name("net")]


def test_what_a_run_leaves_is_known_by_its_owner_and_goes_together(play: Play) -> None:
    engine = play.engine
    engine.create_network(play.name("net"), play.labels)
    engine.create_volume(play.name("tree"), play.labels)
    container = play.create(DEAF, network=play.name("net"))
    engine.start(container)
    assert engine.owners()[play.run] == "somebody 1 2"
    engine.remove(RUN_LABEL, "another run")
    assert engine.is_running(container)
    engine.remove(RUN_LABEL, play.run)
    engine.remove(RUN_LABEL, play.run)
    assert play.run not in engine.owners()
    for question in (engine.is_running, engine.wait, engine.logs, engine.start, engine.networks_of):
        with pytest.raises(DaemonError):
            question(container)
    with pytest.raises(DaemonError):
        next(engine.attach(container))
    with pytest.raises(DaemonError):
        list(engine.get(container, "/workspace"))
    with pytest.raises(DaemonError):
        play.put(container, "given.txt", b"there")
    engine.signal(container, "SIGTERM")


def test_a_name_is_given_once(play: Play) -> None:
    play.create(DEAF, name=play.name("one"))
    with pytest.raises(DaemonError):
        play.create(DEAF, name=play.name("one"))
    play.engine.create_network(play.name("net"), play.labels)
    play.engine.create_volume(play.name("tree"), play.labels)
    play.engine.create_volume(play.name("tree"), play.labels)  # a volume is made once and then found


@pytest.mark.parametrize("pull", Pull)
def test_an_image_that_cannot_be_had_may_come_from_elsewhere(pull: Pull) -> None:
    with (
        closing(DockerEngine()) as engine,
        pytest.raises(DaemonError, match=r"localhost:1/none:v1.*; or take my own$"),
    ):
        engine.ensure_image("localhost:1/none:v1", pull, lambda: False, "or take my own")


def test_an_image_that_is_there_is_not_pulled(play: Play) -> None:
    image = "memory/any" if isinstance(play.engine, MemoryEngine) else os.environ["BASE"]
    play.engine.ensure_image(image, Pull.NEVER, lambda: False)
    play.engine.ensure_image(image, Pull.MISSING, lambda: False)
