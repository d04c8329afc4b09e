"""One job in one fresh container, from the copied checkout to the files it leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import uuid4

from gocdnext_sdk.contract import ContractError, outputs
from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import JOB_LABEL, SHARED_NETWORK, ContainerSpec, Engine, Pull
from gocdnext_sdk.host.harness.log import Log
from gocdnext_sdk.host.harness.report.interface import JobReport, Listener, Status
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.snapshot import Snapshot, outputs_tar, read_single_file
from gocdnext_sdk.host.harness.writeback import WriteBack
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob

WORKSPACE: Final = "/workspace"
_SOCKET: Final = "/var/run/docker.sock"

# As upstream's docker engine starts a script: the checkout's owner is not the job's user, which git refuses.
_SCRIPT: Final = ("sh", "-c", "--")
_SAFE_DIRECTORY: Final = "git config --global --add safe.directory '*' 2>/dev/null || true; "

_DOCKER: Final = {
    "DOCKER_HOST": f"unix://{_SOCKET}",
    "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": _SOCKET,
    "TESTCONTAINERS_HOST_OVERRIDE": "host.docker.internal",
}


class RunningContainers:
    """The containers that run right now, so that they can be told to stop; each is told once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._containers: set[str] = set()
        self._signal: Literal["SIGTERM", "SIGKILL"] | None = None

    def add(self, container: str) -> None:
        """Note a container that was started; what the others were told, it is told too."""
        with self._lock:
            self._containers.add(container)
            if self._signal:
                self._engine.signal(container, self._signal)

    def discard(self, container: str) -> None:
        """Forget a container that ended."""
        with self._lock:
            self._containers.discard(container)

    def tell(self, signal: Literal["SIGTERM", "SIGKILL"]) -> None:
        """Send `signal` to all that run, and to any that starts from now on."""
        with self._lock:
            self._signal = signal
            for container in self._containers:
                self._engine.signal(container, signal)


@dataclass(frozen=True, kw_only=True)
class JobRunner:
    """Runs resolved jobs of one run; used from several threads.

    Args:
        session: owns what is created.
        snapshot: fills every workspace.
        write_back: takes what jobs wrote.
        running: learns which containers run.
        network: the jobs', or ``container:NAME``.
        pull: when images are fetched.
        listener: hears lines and notices.
    """

    session: Session
    snapshot: Snapshot
    write_back: WriteBack
    running: RunningContainers
    network: str
    pull: Pull
    listener: Listener

    def run(self, job: ResolvedJob, secrets: Mapping[str, str]) -> JobReport:
        """Run one job to its end.

        Args:
            job: complete with image and environment.
            secrets: those the job may see, to be hidden in every form.
        """
        started = time.monotonic()
        log = Log(job.masks, secrets.values(), lambda line: self.listener.line(job.name, line))
        report = JobReport(name=job.name, stage=job.stage, status=Status.CANCELLED)
        label = uuid4().hex[:12]
        try:
            report = self._run(job, log, label, report)
        except DaemonError as error:
            report = replace(report, status=Status.ERROR, reason=log.masked(str(error)))
        finally:
            self.session.engine.remove(JOB_LABEL, label)
        if self.session.stop.requested() and report.status is not Status.PASSED:
            report = replace(report, status=Status.CANCELLED, reason="stopped")
        return replace(report, log=tuple(log.lines), seconds=time.monotonic() - started)

    def _run(self, job: ResolvedJob, log: Log, label: str, report: JobReport) -> JobReport:
        engine, stopping = self.session.engine, self.session.stop.requested
        engine.ensure_image(job.image, self.pull, stopping)
        if stopping():
            return report
        outputs_file = f"{label}.env" if job.outputs else ""
        container = self._create(job, label, outputs_file)
        log.say(f"$ plugin {job.image}" if job.script is None else f"$ {job.script}")
        output = engine.attach(container)
        engine.start(container)
        self.running.add(container)
        try:
            log.follow(output)
            exit_code = engine.wait(container)
        finally:
            self.running.discard(container)
        if stopping():
            return replace(report, exit_code=exit_code)
        changes = self.write_back.absorb(job.name, engine.get(container, WORKSPACE))
        for notice in changes.notices:
            self.listener.notice(log.masked(notice), job.name)
        report = replace(report, exit_code=exit_code, written=tuple(changes.written))
        if exit_code:
            return replace(report, status=Status.FAILED, reason=f"exited with {exit_code}")
        if not job.outputs:
            return replace(report, status=Status.PASSED)
        content = self._read_outputs(container, outputs_file)
        try:
            values = outputs.collect(content, {alias: each.key for alias, each in job.outputs.items()})
        except ContractError as error:
            return replace(report, status=Status.FAILED, reason=log.masked(str(error)))
        hidden = frozenset(
            alias
            for alias, value in values.items()
            if job.outputs[alias].masked or log.masked(value) != value
        )
        return replace(report, status=Status.PASSED, outputs=values, masked_outputs=hidden)

    def _create(self, job: ResolvedJob, label: str, outputs_file: str) -> str:
        engine = self.session.engine
        labels = {**self.session.labels, JOB_LABEL: label}
        name = self.session.name(label)
        env = dict(job.env)
        extra_hosts: dict[str, str] = {}
        if job.docker:
            env |= _DOCKER
            if not self.network.startswith(SHARED_NETWORK):
                extra_hosts["host.docker.internal"] = "host-gateway"
        if outputs_file:
            env[outputs.VARIABLE] = f"{WORKSPACE}/{outputs.DIRECTORY}/{outputs_file}"
        engine.create_volume(name, labels)
        container = engine.create(
            ContainerSpec(
                name=name,
                image=job.image,
                labels=labels,
                command=() if job.script is None else (*_SCRIPT, _SAFE_DIRECTORY + job.script),
                env=env,
                working_dir=WORKSPACE,
                volumes={name: WORKSPACE},
                engine_socket=_SOCKET if job.docker else None,
                network=self.network,
                extra_hosts=extra_hosts,
            )
        )
        engine.put(container, WORKSPACE, self.snapshot.stream())
        if outputs_file:
            engine.put(container, WORKSPACE, outputs_tar(outputs_file))
        return container

    def _read_outputs(self, container: str, outputs_file: str) -> bytes:
        path = f"{WORKSPACE}/{outputs.DIRECTORY}/{outputs_file}"
        try:
            tar = self.session.engine.get(container, path)
            return read_single_file(tar, outputs.MAX_BYTES + 1) or b""
        except DaemonError:  # the job removed it: nothing is written, which `collect` words
            return b""
