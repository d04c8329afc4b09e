"""One job in a fresh container, from the copied checkout to the files that it leaves."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final
from uuid import uuid4

from gocdnext_sdk.contract import ContractError, outputs
from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.artifacts import ArtifactError, ArtifactStore, declared
from gocdnext_sdk.host.harness.caches import CacheError, Caches, expanded
from gocdnext_sdk.host.harness.engine.interface import (
    HOST_GATEWAY,
    JOB_LABEL,
    SHARED_NETWORK,
    ContainerSpec,
    NoSuchPath,
    Pull,
)
from gocdnext_sdk.host.harness.job_files import DIRECTORY, empty_files, read_file
from gocdnext_sdk.host.harness.log import Log
from gocdnext_sdk.host.harness.report.interface import JobReport, Listener, Status
from gocdnext_sdk.host.harness.report.outcome import result, steps
from gocdnext_sdk.host.harness.results import collect
from gocdnext_sdk.host.harness.results.coverage import UnreadableReport
from gocdnext_sdk.host.harness.services import start_services, states
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.stopping import RunningContainers
from gocdnext_sdk.host.harness.workspaces import MOUNTED_AT, Workspace, Workspaces
from gocdnext_sdk.host.harness.writeback import WriteBack
from gocdnext_sdk.host.pipeline import quantities, syntax
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob
from gocdnext_sdk.runtime.docker_client import SOCKET

WORKSPACE: Final = MOUNTED_AT

# As upstream's docker engine starts a script: the checkout's owner is not the job's user, which git refuses.
_SCRIPT: Final = ("sh", "-c", "--")
_SAFE_DIRECTORY: Final = "git config --global --add safe.directory '*' 2>/dev/null || true; "

_DOCKER: Final = {
    "DOCKER_HOST": f"unix://{SOCKET}",
    "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": SOCKET,
    "TESTCONTAINERS_HOST_OVERRIDE": "host.docker.internal",
}


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

    def _run(
        self, job: ResolvedJob, log: Log, files: Mapping[str, str], label: str, report: JobReport
    ) -> JobReport:
        engine, stopping = self.session.engine, self.session.stop.requested
        engine.ensure_image(job.image, self.pull, stopping)
        if stopping():
            return report
        caches = self._keyed(job)
        workspace = self.workspaces.create(
            self.session.name(label), {**self.session.labels, JOB_LABEL: label}, job.image
        )
        services = self._start_services(job, label)
        container = self._create(job, label, files, workspace)
        self._restore(caches, container, log)
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
        report = replace(report, written=tuple(changes.written), files=self._read(container, files))
        failed = (own or f"exited with {exit_code}") if exit_code else ""
        report, lacking = self._read_results(job, container, log, report)
        failed = failed or lacking
        if not failed:
            self._store(caches, container, log)
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

    def _keyed(self, job: ResolvedJob) -> dict[str, tuple[str, ...]]:
        """Return the paths of the job's caches by their keys, made for this checkout."""
        if self.caches is None:
            return {}
        return {expanded(each.key, self.workspaces.snapshot): each.paths for each in job.cache}

    def _restore(self, keys: Iterable[str], container: str, log: Log) -> None:
        if self.caches is None:
            return
        for key in keys:
            tar = self.caches.restore(key)
            log.say(f"cache {key}: {'restored' if tar else 'there is none yet'}")
            if tar:
                self.session.engine.put(container, WORKSPACE, tar)

    def _store(self, caches: Mapping[str, tuple[str, ...]], container: str, log: Log) -> None:
        if self.caches is None:
            return
        for key, paths in caches.items():
            try:
                size = self.caches.store(key, self._packed(paths, container))
            except (CacheError, OSError) as error:
                log.say(f"cache {key}: not stored: {error}")
            else:
                log.say(f"cache {key}: stored ({size} bytes)")

    def _packed(self, paths: Iterable[str], container: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield those of the paths that the job has left, as the engine packs them."""
        for path in paths:
            if wrong := syntax.relative_path(path):
                raise CacheError(f"{path} {wrong}")
            chunks = self.session.engine.get(container, posixpath.normpath(f"{WORKSPACE}/{path}"))
            with suppress(NoSuchPath):
                yield path, chain([next(chunks, b"")], chunks)

    def _keep(self, job: ResolvedJob, container: str, log: Log, *, passed: bool) -> str:
        """Keep the artifacts of a job that has ended; return why it fails, if one is missing."""
        for path, required in declared(job.artifacts, passed=passed):
            where = posixpath.normpath(f"{WORKSPACE}/{path}")
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
            return self.session.engine.get(container, posixpath.normpath(f"{WORKSPACE}/{path}"))

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
        env = dict(job.env)
        extra_hosts: dict[str, str] = {}
        if job.docker:
            env |= _DOCKER
            if not self.network.startswith(SHARED_NETWORK):
                extra_hosts["host.docker.internal"] = HOST_GATEWAY
        env |= {variable: f"{WORKSPACE}/{DIRECTORY}/{name}" for variable, name in files.items()}
        container = engine.create(
            ContainerSpec(
                name=name,
                image=job.image,
                labels=labels,
                command=() if job.script is None else (*_SCRIPT, _SAFE_DIRECTORY + job.script),
                env=env,
                working_dir=WORKSPACE,
                volumes={workspace.volume: WORKSPACE},
                engine_socket=SOCKET if job.docker else None,
                network=self.network,
                further_networks=(name,) if job.services else (),
                extra_hosts=extra_hosts,
                cpus=quantities.cpus(job.limits.cpu),
                memory=quantities.memory(job.limits.memory),
            )
        )
        workspace.fill(container)
        for needs in job.needs_artifacts:
            for tar in self.artifacts.needed(needs):
                engine.put(container, WORKSPACE, tar)
        if files:
            engine.put(container, WORKSPACE, empty_files(files.values()))
        return container

    def _read(self, container: str, files: Mapping[str, str]) -> dict[str, bytes]:
        """Return what the job wrote into its files; files that it removed are left out."""
        found: dict[str, bytes] = {}
        for variable, name in files.items():
            with suppress(NoSuchPath):
                found[variable] = read_file(
                    self.session.engine.get(container, f"{WORKSPACE}/{DIRECTORY}/{name}")
                )
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
