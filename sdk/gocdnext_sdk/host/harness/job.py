"""One job in a fresh container, from the copied checkout to the files that it leaves."""

from __future__ import annotations

import posixpath
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

from gocdnext_sdk.contract import ContractError, outputs
from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.artifacts import ArtifactError, ArtifactStore, declared
from gocdnext_sdk.host.harness.caches import CacheError, Caches
from gocdnext_sdk.host.harness.engine.interface import (
    HOST_GATEWAY,
    JOB_LABEL,
    SHARED_NETWORK,
    ContainerSpec,
    NoSuchPath,
    Pull,
)
from gocdnext_sdk.host.harness.job_caches import JobCaches
from gocdnext_sdk.host.harness.job_files import DIRECTORY, empty_files, read_file
from gocdnext_sdk.host.harness.log import Log
from gocdnext_sdk.host.harness.report.interface import JobReport, Listener, Status
from gocdnext_sdk.host.harness.report.outcome import result, steps
from gocdnext_sdk.host.harness.results import collect
from gocdnext_sdk.host.harness.results.unreadable import UnreadableReport
from gocdnext_sdk.host.harness.services import start_services, states
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.sidecar import Beside, start_daemon
from gocdnext_sdk.host.harness.stopping import RunningContainers
from gocdnext_sdk.host.harness.workspaces import Workspace, Workspaces
from gocdnext_sdk.host.harness.writeback import WriteBack
from gocdnext_sdk.host.pipeline import quantities
from gocdnext_sdk.host.pipeline.modes import DOCKER, Command, Mode
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob
from gocdnext_sdk.runtime.docker_client import SOCKET

_PLUGIN_ELSEWHERE = "a plugin may also come from --local NAME=DIRECTORY or --use-image NAME=REF"


@dataclass(frozen=True, kw_only=True)
class JobRunner:
    """Runs the resolved jobs of one run. Thread-safe.

    Args:
        session: owns what is created.
        workspaces: the checkout of each job.
        write_back: brings back what jobs wrote.
        artifacts: what jobs hand on to others.
        caches: what they keep for later runs, if they keep anything.
        running: starts containers, and stops them when the session is asked to stop.
        network: of the jobs: a network's name, or ``container:NAME``.
        pull: when images are fetched.
        services: the containers of those that all jobs share, by name.
        listener: receives lines and notices.
        mode: how the platform's agent would run the jobs.
        turn: of jobs with a daemon beside them, where all share one network, and so its ports.
    """

    session: Session
    workspaces: Workspaces
    write_back: WriteBack
    artifacts: ArtifactStore
    running: RunningContainers
    network: str
    pull: Pull
    listener: Listener
    caches: Caches | None = None
    services: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = DOCKER
    turn: threading.Lock = field(default_factory=threading.Lock)

    def run(self, job: ResolvedJob, secrets: Mapping[str, str], files: Collection[str] = ()) -> JobReport:
        """Run one job to its end.

        Args:
            job: complete with image and environment.
            secrets: those that the job may see; they are masked in every form.
            files: variables that name a file for the job to write; the report has its content.
        """
        started = time.monotonic()
        log = Log(job.masks, secrets.values(), lambda line: self.listener.line(job.name, line))
        inputs = {key: log.masked(value) for key, value in job.inputs.items()}
        report = JobReport(
            name=job.name, stage=job.stage, status=Status.CANCELED, image=job.image, inputs=inputs
        )
        label = uuid4().hex[:12]
        try:
            with self._in_turn(job):
                report = self._run(job, log, _named(job, label, files), label, report)
        except (ArtifactError, CacheError) as error:
            report = replace(report, status=Status.FAILED, reason=log.masked(str(error)))
        except DaemonError as error:
            report = replace(report, status=Status.ERROR, reason=log.masked(str(error)))
        finally:
            self._remove(job.name, label)
        if self.session.stop.requested() and report.status is not Status.PASSED:
            report = replace(report, status=Status.CANCELED, reason="stopped")
        lines = tuple(log.lines)
        return replace(report, log=lines, steps=steps(lines), seconds=time.monotonic() - started)

    def _in_turn(self, job: ResolvedJob) -> AbstractContextManager[object]:
        collide = job.docker and self.mode.sidecar and self.network.startswith(SHARED_NETWORK)
        return self.turn if collide else nullcontext()

    def _run(
        self, job: ResolvedJob, log: Log, files: Mapping[str, str], label: str, report: JobReport
    ) -> JobReport:
        engine, stopping = self.session.engine, self.session.stop.requested
        engine.ensure_image(job.image, self.pull, stopping, "" if job.script else _PLUGIN_ELSEWHERE)
        if stopping():
            return report
        caches = JobCaches(engine, self.caches, job, self.workspaces.snapshot)
        keys = caches.keys()
        name, labels = self.session.name(label), {**self.session.labels, JOB_LABEL: label}
        workspace = self.workspaces.create(name, labels, job.image, job.checkout)
        services = self._start_services(job, label)
        container = self._create(job, label, files, workspace)
        caches.restore(keys, container, log)
        with closing(engine.attach(container)) as output:
            if not self.running.start(container):
                return report
            try:
                log.say(f"$ plugin {job.image}" if job.script is None else f"$ {job.script}")
                said = log.follow(output)
                exit_code = engine.wait(container)
            finally:
                self.running.discard(container)
        for loss in log.losses():
            self.listener.notice(loss, job.name)
        for state in (
            states(engine, {**self.services, **services}, log.masked) if exit_code and not stopping() else ()
        ):
            self.listener.notice(state, job.name)
        own = result(said, passed=not exit_code)
        report = replace(report, exit_code=exit_code, result=own)
        if stopping() and exit_code:
            return report
        changes = self.write_back.absorb(job.name, workspace.changed(container))
        for notice in changes.notices:
            self.listener.notice(log.masked(notice), job.name)
        report = replace(report, written=tuple(changes.written), files=self._read(job, container, files))
        failed = (own or f"exited with {exit_code}") if exit_code else ""
        report, lacking = self._read_results(job, container, log, report)
        failed = failed or lacking
        if not failed:
            caches.store(keys, container, log)
        failed = self._keep(job, container, log, passed=not failed) or failed
        if failed:
            return replace(report, status=Status.FAILED, reason=failed)
        return self._with_outputs(job, log, report)

    def _start_services(self, job: ResolvedJob, label: str) -> dict[str, str]:
        """Start the job's services in a network of its own, if it has any."""
        if not job.services:
            return {}
        name, labels = self.session.name(label), {**self.session.labels, JOB_LABEL: label}
        self.session.engine.create_network(name, labels)
        return start_services(
            self.session.engine,
            job.services,
            name=name,
            labels=labels,
            network=name,
            pull=self.pull,
            stopping=self.session.stop.requested,
        )

    def _keep(self, job: ResolvedJob, container: str, log: Log, *, passed: bool) -> str:
        """Keep the artifacts of a job that has ended; return why it fails, if one is missing."""
        for path, required in declared(job.artifacts, passed=passed):
            where = posixpath.normpath(f"{job.checkout}/{path}")
            try:
                size = self.artifacts.keep(job.job, path, self.session.engine.get(container, where))
            except (NoSuchPath, ArtifactError) as error:
                found = str(error) if isinstance(error, ArtifactError) else f"artifact {path} is missing"
                if required:
                    return log.masked(found)
                log.say(f"not kept: {found}")
            else:
                log.say(f"kept artifact {path} ({size} bytes)")
        return ""

    def _read_results(
        self, job: ResolvedJob, container: str, log: Log, report: JobReport
    ) -> tuple[JobReport, str]:
        """Return the report with tests and coverage, and why the job fails by the latter."""

        def get(path: str) -> Iterator[bytes]:
            return self.session.engine.get(container, posixpath.normpath(f"{job.checkout}/{path}"))

        tests, wrong = collect.tests(job.test_reports, get)
        for each in wrong:
            log.say(f"test_reports: {each}")
        if tests:
            log.say(f"test_reports: {tests}")
            report = replace(report, tests=tests)
        declared = job.coverage_report
        if declared is None or report.exit_code:
            return report, ""
        try:
            found = collect.measured(declared, get)
        except UnreadableReport as error:
            log.say(f"coverage_report: {error}")
            return report, log.masked(f"coverage_report: {error}") if declared.fail_under > 0 else ""
        log.say(f"coverage_report: {found}")
        return replace(report, coverage=found), found.lacks(declared.fail_under)

    def _with_outputs(self, job: ResolvedJob, log: Log, report: JobReport) -> JobReport:
        """Return the report of a job that exited with 0, with the outputs that it declares."""
        content = report.files.get(outputs.VARIABLE, b"")
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

    def _create(self, job: ResolvedJob, label: str, files: Mapping[str, str], workspace: Workspace) -> str:
        engine = self.session.engine
        labels = {**self.session.labels, JOB_LABEL: label}
        name = self.session.name(label)
        own_network = (name,) if job.services else ()
        beside = self._start_daemon(job, name, labels)
        env = {**job.env, **(self.mode.daemon if job.docker else {})}
        env |= {variable: f"{job.checkout}/{DIRECTORY}/{name}" for variable, name in files.items()}
        command = Command((), ()) if job.script is None else self.mode.script(job.script, env)
        has_socket = job.docker and self.mode.sidecar is None
        has_alias = has_socket and not self.network.startswith(SHARED_NETWORK)
        container = engine.create(
            ContainerSpec(
                name=name,
                image=job.image,
                labels=labels,
                entrypoint=command.entrypoint,
                command=command.arguments,
                env=env,
                working_dir=job.checkout,
                volumes={workspace.volume: job.checkout, **(beside.volumes if beside else {})},
                engine_socket=SOCKET if has_socket else None,
                network=beside.network if beside else self.network,
                further_networks=own_network,
                extra_hosts={"host.docker.internal": HOST_GATEWAY} if has_alias else {},
                cpus=quantities.cpus(job.limits.cpu),
                memory=quantities.memory(job.limits.memory),
            )
        )
        workspace.fill(container)
        for needs in job.needs_artifacts:
            for tar in self.artifacts.needed(needs):
                engine.put(container, job.checkout, tar)
        if files:
            modes = self.mode.output_directory, self.mode.output_file
            engine.put(container, job.checkout, empty_files(files.values(), *modes))
        return container

    def _start_daemon(self, job: ResolvedJob, name: str, labels: Mapping[str, str]) -> Beside | None:
        """Start the daemon beside a job, if it has one; services are shared then, and in its network."""
        if not (job.docker and self.mode.sidecar):
            return None
        return start_daemon(
            self.session.engine,
            self.mode.sidecar,
            name=name,
            labels=labels,
            network=self.network,
            pull=self.pull,
            stopping=self.session.stop.requested,
        )

    def _read(self, job: ResolvedJob, container: str, files: Mapping[str, str]) -> dict[str, bytes]:
        """Return what the job wrote into its files; files that it removed are left out."""
        found: dict[str, bytes] = {}
        for variable, name in files.items():
            with suppress(NoSuchPath):
                path = f"{job.checkout}/{DIRECTORY}/{name}"
                found[variable] = read_file(self.session.engine.get(container, path))
        return found

    def _remove(self, job: str, label: str) -> None:
        try:
            self.session.engine.remove(JOB_LABEL, label)
        except DaemonError as error:  # the job's result counts; the end of the session tries again
            self.listener.notice(f"is not cleaned up yet: {error}", job)


def _named(job: ResolvedJob, label: str, files: Collection[str]) -> dict[str, str]:
    """Return the names of the files that a job may write, by the variable that holds the path."""
    declared = {outputs.VARIABLE: f"{label}.env"} if job.outputs else {}
    return {variable: f"{label}-{variable}" for variable in files} | declared
