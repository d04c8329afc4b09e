"""Run one plugin with one `with:` map, as a process or in its image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from uuid import uuid4

from gocdnext_sdk.contract.outputs import VARIABLE, parse
from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob
from gocdnext_sdk.runtime.tool import INHERITED

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness import Session
    from gocdnext_sdk.host.harness.report.interface import Listener


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Args:
        exit_code: the plugin's own; 128+n after signal n.
        outputs: what it wrote for later jobs.
    """

    exit_code: int
    outputs: Mapping[str, str] = field(default_factory=dict)


def run_process(folder: Path, job: ResolvedJob, workspace: Path) -> Ended:
    """Run ``plugin.py`` of `folder` as a process in `workspace`; what it prints goes where this prints.

    Beside the job's variables it has what any tool needs of this machine: a path, a home, certificates and
    proxies. A signal is handed on.
    """
    usual = {name: os.environ[name] for name in (*INHERITED, "PATH") if name in os.environ}
    if job.docker:
        from gocdnext_sdk.host.harness.engine.docker import endpoint

        usual["DOCKER_HOST"] = endpoint()
    with tempfile.TemporaryDirectory(prefix="gocdnext-") as private:
        outputs = Path(private) / "outputs.env"
        outputs.touch()
        process = subprocess.Popen(
            [sys.executable, "-m", "gocdnext_sdk.host.harness.start", str(folder.resolve())],
            cwd=workspace,
            env={**usual, **job.env, VARIABLE: str(outputs)},
            stdin=subprocess.DEVNULL,
            process_group=0,  # or Ctrl-C would reach it twice
        )
        with _forwarding(process):
            code = process.wait()
        return Ended(128 - code if code < 0 else code, parse(outputs.read_bytes()))


def run_image(
    session: Session,
    image: str,
    job: ResolvedJob,
    workspace: Path,
    listener: Listener,
    private: Collection[Path] = (),
    network: str | None = None,
) -> Ended:
    """Run `image` in a fresh container on a copy of `workspace`, as a job; what it writes comes back.

    Args:
        session: owns the container.
        image: the plugin's.
        job: its environment, and whether it gets the engine.
        workspace: the checkout.
        listener: hears its lines.
        private: files of the checkout that it must not get.
        network: the container's: a name that the engine knows, or ``container:NAME``. Without one it is the
            engine's own, from which a registry on this machine's loopback is out of reach.

    Raises:
        DaemonError: the engine cannot run it.
    """
    from gocdnext_sdk.host.harness.engine.interface import Pull
    from gocdnext_sdk.host.harness.job import WORKSPACE, JobRunner, RunningContainers
    from gocdnext_sdk.host.harness.report.interface import Status
    from gocdnext_sdk.host.harness.snapshot import Snapshot
    from gocdnext_sdk.host.harness.writeback import WriteBack

    outputs = workspace / f".gocdnext-outputs-{uuid4().hex}.env"
    outputs.touch()
    env = {**job.env, VARIABLE: f"{WORKSPACE}/{outputs.name}"}
    try:
        with Snapshot(workspace, private) as snapshot:
            for text in snapshot.notices:
                listener.notice(text)
            report = JobRunner(
                session=session,
                snapshot=snapshot,
                write_back=WriteBack(snapshot),
                running=RunningContainers(session.engine),
                network=network or "bridge",
                pull=Pull.MISSING,
                listener=listener,
            ).run(replace(job, image=image, env=env), secrets={})
        if report.status is Status.ERROR or report.exit_code is None:
            raise DaemonError(report.reason)
        return Ended(report.exit_code, parse(outputs.read_bytes()))
    finally:
        outputs.unlink(missing_ok=True)


@contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    def forward(signum: int, frame: FrameType | None) -> None:
        process.send_signal(signum)

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, forward) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
