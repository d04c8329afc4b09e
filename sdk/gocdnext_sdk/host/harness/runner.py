"""A pipeline's run: from the file to the report.

After all checks (`prepare`), stages run one after the other, and the jobs of a stage in parallel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.host.harness import signing
from gocdnext_sdk.host.harness.artifacts import ArtifactStore
from gocdnext_sdk.host.harness.brought_back import BroughtBack
from gocdnext_sdk.host.harness.build import build_contexts, build_image
from gocdnext_sdk.host.harness.caches import Caches
from gocdnext_sdk.host.harness.engine.local import local_engine
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS
from gocdnext_sdk.host.harness.job import JobRunner
from gocdnext_sdk.host.harness.notify import notifications, outcome_of, told
from gocdnext_sdk.host.harness.options import RunOptions
from gocdnext_sdk.host.harness.preflight import notices, runs
from gocdnext_sdk.host.harness.prepare import Prepared, prepare
from gocdnext_sdk.host.harness.provision import provide
from gocdnext_sdk.host.harness.publishing import demand_word, use_of
from gocdnext_sdk.host.harness.report.interface import JobReport, Listener, NullListener, RunReport, Status
from gocdnext_sdk.host.harness.schedule import Schedule
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.harness.stopping import RunningContainers
from gocdnext_sdk.host.harness.workspaces import Workspaces
from gocdnext_sdk.host.harness.writeback import WriteBack
from gocdnext_sdk.host.pipeline import parse_file, resolve, revision
from gocdnext_sdk.host.pipeline.errors import PipelineError
from gocdnext_sdk.host.pipeline.graph import Graph, JobInstance
from gocdnext_sdk.host.pipeline.identity import identity
from gocdnext_sdk.host.pipeline.model import Approval
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob, inputs_in
from gocdnext_sdk.host.pipeline.resolve import notices as notices_of


def run_pipeline(
    file: Path,
    options: RunOptions | None = None,
    *,
    session: Session | None = None,
    listener: Listener | None = None,
) -> RunReport:
    """Run a pipeline and return its report.

    Args:
        file: the pipeline.
        options: how to run it.
        session: owns what is created on the engine; by default a new one on this machine's engine.
        listener: receives the events of the run.

    Raises:
        PipelineError: the pipeline cannot run; nothing was started.
        UsageError: the options do not fit it, or it would publish and may not; nothing was started.
        ToolError: a plugin's image cannot be built.
        DaemonError: the engine cannot be used.
        Cancelled: the session was asked to stop before the first job.
    """
    if session is None:
        with Session(local_engine()) as own:
            return run_pipeline(file, options, session=own, listener=listener)
    prepared = prepare(parse_file(file), options or RunOptions(), revision.workspace_of(file))
    demand_word(prepared.publications, said=prepared.options.publish)
    return run_prepared(prepared, session=session, listener=listener)


def run_prepared(prepared: Prepared, *, session: Session, listener: Listener | None = None) -> RunReport:
    """Run a pipeline that has passed every check; see `run_pipeline`.

    Raises:
        ToolError: a plugin's image cannot be built.
        DaemonError: the engine cannot be used.
        Cancelled: the session was asked to stop before the first job.
    """
    return _Execution(prepared, session, listener or NullListener()).run()


class _Execution:
    """One run in progress. The main thread decides; one thread per job waits for its container."""

    def __init__(self, prepared: Prepared, session: Session, listener: Listener) -> None:
        self._options = prepared.options
        self._graph = prepared.graph
        self._sources = prepared.sources
        self._prepared = prepared
        self._session = session
        self._listener = listener
        self._schedule = Schedule(prepared.graph, prepared.options.parallel)
        self._outputs: dict[str, JobOutputs] = dict(prepared.sources.needs)
        self._reports: dict[str, JobReport] = {}
        self._ended: SimpleQueue[tuple[JobInstance, JobReport] | Exception] = SimpleQueue()
        self._started = time.monotonic()
        self._began: dict[str, float] = {}
        self._plain = {value for handed in prepared.reused.values() for value in handed.plain}
        """The values of outputs that are no secret."""

    def run(self) -> RunReport:
        began, started = datetime.now(UTC), time.monotonic()
        self._started = started
        for text, job in self._notices():
            self._listener.notice(text, job)
        self._build()
        brought_back = self._brought_back()
        unchanged = brought_back.unchanged() if brought_back else frozenset()
        with Snapshot(self._prepared.workspace, self._options.private, unchanged) as snapshot:
            for text in snapshot.notices:
                self._listener.notice(text)
            provided = self._provided = provide(self._prepared, self._session, self._listener)
            self._graph, self._sources = provided.graph, provided.sources
            with RunningContainers(self._session, self._listener) as running, ArtifactStore() as artifacts:
                jobs = JobRunner(
                    session=self._session,
                    workspaces=Workspaces(
                        self._session, snapshot, self._options.layered_from, self._listener
                    ),
                    write_back=WriteBack(snapshot),
                    artifacts=artifacts,
                    caches=Caches(folder, snapshot.root) if (folder := self._options.caches) else None,
                    running=running,
                    network=provided.network,
                    services=provided.services,
                    pull=self._options.pull,
                    listener=self._listener,
                    mode=self._prepared.mode,
                )
                self._listener.run_started(
                    self._graph.pipeline.name, [(job.job.stage, job.name) for job in self._graph.jobs]
                )
                for name, handed in self._prepared.reused.items():
                    artifacts.take(name, handed.artifacts)
                try:
                    self._execute(jobs)
                finally:
                    if brought_back:
                        brought_back.note(jobs.write_back.written, snapshot.entries)
                self._hand_over(artifacts)
                report = RunReport(
                    pipeline=self._graph.pipeline.name,
                    jobs=tuple(self._reports[job.name] for job in self._graph.jobs),
                    seconds=time.monotonic() - started,
                    stopped_by=self._session.stop.signum,
                    began=began.isoformat(timespec="seconds"),
                    commit=self._sources.run.revision.sha,
                    branch=self._sources.run.revision.branch,
                    cause=self._sources.run.cause,
                )
                self._notify(jobs, report)
                self._listener.run_finished(report)
        return report

    def _notices(self) -> Iterator[tuple[str, str]]:
        options = self._options
        return notices(
            self._graph,
            self._sources.run,
            caches=options.caches is not None,
            asks=options.approve is not None,
            profiles=options.profiles,
            mode=options.mode,
        )

    def _brought_back(self) -> BroughtBack | None:
        folder = self._options.brought_back
        return BroughtBack(folder, self._prepared.workspace.resolve()) if folder else None

    def _build(self) -> None:
        contexts = build_contexts(self._options.build_contexts)
        for tag, folder in self._prepared.builds.items():
            begun = time.monotonic()
            self._listener.notice(f"building {tag} from {folder}")
            build_image(folder, tag, contexts)
            self._listener.notice(f"built {tag} in {time.monotonic() - begun:.1f} s")

    def _execute(self, jobs: JobRunner) -> None:
        with ThreadPoolExecutor(max_workers=len(self._graph.jobs) or 1) as threads:
            try:
                while self._advance(jobs, threads):
                    self._take(self._ended.get())
            except BaseException:
                jobs.running.kill()  # or the threads would wait for their containers
                raise
        for instance in self._graph.jobs:
            if instance.name not in self._reports:
                self._finish(_unstarted(instance, Status.CANCELED, "the run was stopped"))

    def _advance(self, jobs: JobRunner, threads: ThreadPoolExecutor) -> bool:
        """Start the jobs that may start, skip those that cannot; return whether anything runs."""
        if not self._session.stop.requested():
            for instance in self._schedule.start():
                self._start(instance, jobs, threads)
        for instance, reason in self._schedule.drop():
            self._finish(_unstarted(instance, Status.CANCELED, reason))
        return self._schedule.running

    def _take(self, ended: tuple[JobInstance, JobReport] | Exception) -> None:
        if isinstance(ended, Exception):
            raise ended
        instance, report = ended
        self._plain.update(
            set(report.outputs.values()) - {report.outputs[each] for each in report.masked_outputs}
        )
        self._schedule.finish(instance, passed=report.status is Status.PASSED)
        name = instance.job.name
        self._outputs[name] = instance.collect(self._outputs.get(name), report.outputs)
        self._finish(report)

    def _start(self, instance: JobInstance, jobs: JobRunner, threads: ThreadPoolExecutor) -> None:
        self._began[instance.name] = time.monotonic() - self._started
        self._listener.job_started(instance.name)
        if isinstance(gate := instance.job.action, Approval) and (approve := self._options.approve):
            threads.submit(self._ask, instance, gate, approve)
            return
        if not runs(instance.job):
            self._ended.put((instance, _unstarted(instance, Status.PASSED, "")))
            return
        try:
            resolved, hidden = self._resolved(instance)
        except PipelineError as error:
            self._ended.put((instance, _unstarted(instance, Status.FAILED, str(error))))
            return

        def work() -> None:
            try:
                self._ended.put((instance, jobs.run(resolved, hidden)))
            except Exception as error:  # noqa: BLE001 - the main thread raises it
                self._ended.put(error)

        threads.submit(work)

    def _ask(self, instance: JobInstance, gate: Approval, approve: Callable[[str, Approval], bool]) -> None:
        try:
            said = approve(instance.name, gate)
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self._ended.put(error)
            return
        status, reason = (Status.PASSED, "") if said else (Status.FAILED, "not approved")
        if self._session.stop.requested():
            status, reason = Status.CANCELED, "stopped"
        self._ended.put((instance, _unstarted(instance, status, reason)))

    def _resolved(self, instance: JobInstance) -> tuple[ResolvedJob, dict[str, str]]:
        """Return what a job's container gets, and the secrets in it.

        Raises:
            PipelineError: references stand for nothing.
        """
        id_tokens, mode = self._id_tokens(instance), self._options.mode
        sources = replace(self._sources, needs=dict(self._outputs), id_tokens=id_tokens)
        resolved = resolve(self._graph.pipeline, instance, sources)
        image = resolved.image or self._options.default_image
        own = () if self._provided.shares_services else resolved.services
        services = tuple(replace(each, image=self._prepared.image(each.image)) for each in own)
        resolved = replace(resolved, image=self._prepared.image(image), services=services)
        hidden = {name: sources.secrets[name] for name in instance.job.secrets} | id_tokens
        # What Kubernetes makes of a secret is as secret.
        hidden |= {f"{name}, rewritten": mode.text(text, resolved.env) for name, text in hidden.items()}
        for notice in notices_of(resolved):
            self._listener.notice(notice, instance.name)
        if self._options.show_outputs:
            resolved = replace(
                resolved, masks=tuple(each for each in resolved.masks if each not in self._plain)
            )
        sigstore, stand_in = self._provided.sigstore, self._provided.stand_in
        use = use_of(instance, resolved.env, self._prepared.catalog, mode) if sigstore or stand_in else None
        if use:
            # The one changes no image or login, and the other no Sigstore, so both go by the same inputs.
            env = resolved.env
            if sigstore:
                env = signing.with_own(env, use, sigstore.variables, mode)
            if stand_in:
                env = stand_in.applied(env, use, mode)
                hidden[REGISTRY_SECRETS[1]] = stand_in.password
            resolved = replace(resolved, env=env, inputs=inputs_in(env, instance.job, mode))
        return resolved, hidden

    def _notify(self, jobs: JobRunner, report: RunReport) -> None:
        """Send the notifications that fit the run's end, or show what they would have sent."""
        for on, instance in notifications(self._graph.pipeline, outcome_of(report)):
            if not self._options.notify or self._session.stop.requested():
                self._listener.notice(told(on, instance, self._graph.pipeline, self._sources), instance.name)
                continue
            self._listener.job_started(instance.name)
            try:
                found = jobs.run(*self._resolved(instance))
            except PipelineError as error:
                found = _unstarted(instance, Status.FAILED, str(error))
            self._listener.job_finished(found)

    def _hand_over(self, artifacts: ArtifactStore) -> None:
        """Keep what jobs left for one another; of a matrix that ran in part, the earlier run's is better."""
        handover = self._prepared.handover
        if handover is None:
            return
        cells: dict[str, list[JobReport]] = {}
        for instance in self._graph.jobs:
            cells.setdefault(instance.job.name, []).append(self._reports[instance.name])
        for name, reports in cells.items():
            if len(reports) < len(Graph.alone(self._graph.pipeline, [name]).jobs):
                continue
            handover.keep(
                name,
                passed=all(each.status is Status.PASSED for each in reports),
                outputs=self._outputs.get(name, JobOutputs()),
                masked={alias for each in reports for alias in each.masked_outputs},
                artifacts=artifacts.of(name),
            )

    def _id_tokens(self, instance: JobInstance) -> dict[str, str]:
        """Issue the job's tokens, but for those that are given."""
        given, sigstore = self._options.id_tokens, self._provided.sigstore
        tokens = {name: given[name] for name in instance.job.id_tokens if name in given}
        if sigstore is None:
            return tokens
        own = identity(self._sources.run, self._graph.pipeline, instance)
        declared = instance.job.id_tokens.items()
        return {name: sigstore.token(own, audiences) for name, audiences in declared} | tokens

    def _finish(self, report: JobReport) -> None:
        report = replace(report, began=self._began.get(report.name, time.monotonic() - self._started))
        self._reports[report.name] = report
        self._listener.job_finished(report)


def _unstarted(instance: JobInstance, status: Status, reason: str) -> JobReport:
    return JobReport(name=instance.name, stage=instance.job.stage, status=status, reason=reason)
