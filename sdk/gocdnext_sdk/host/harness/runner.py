"""A pipeline's run: from the file to the report.

Everything that can be wrong is looked at before anything starts: the file, references, secrets, images to
build. Then stages run one after the other, the jobs of a stage side by side.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from gocdnext_sdk.contract import uses
from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness.build import build_contexts, build_image
from gocdnext_sdk.host.harness.engine.interface import ContainerSpec, Pull, named_network
from gocdnext_sdk.host.harness.job import JobRunner, RunningContainers
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.harness.preflight import check, notices, runs
from gocdnext_sdk.host.harness.report.interface import JobReport, Listener, NullListener, RunReport, Status
from gocdnext_sdk.host.harness.schedule import Schedule
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.harness.writeback import WriteBack
from gocdnext_sdk.host.pipeline import Graph, Mark, Run, Sources, checkout, parse_file, resolve
from gocdnext_sdk.host.pipeline.errors import PipelineError
from gocdnext_sdk.host.pipeline.graph import JobInstance
from gocdnext_sdk.host.pipeline.identity import identity
from gocdnext_sdk.host.pipeline.model import Pipeline, Plugin, Script, Value

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore

_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL when a run is stopped."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run a pipeline.

    Args:
        workspace: the checkout; by default the folder that holds the file's ``.gocdnext``.
        jobs: names of jobs or matrix cells; with what they need. Empty is all.
        secrets: name to value; a job sees those its `secrets:` names.
        variables: replace the pipeline's own of the same name.
        local: plugin name (the last segment of its image's path) to the folder its image is built from.
        use_images: plugin name to the reference that runs instead.
        build_contexts: ``NAME=VALUE``, as for `docker buildx build --build-context`.
        registry: jobs run in its network and get `REGISTRY`, `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.
        sigstore: issues what `id_tokens:` declares; jobs get `SIGSTORE_ISSUER`, `SIGSTORE_SIGNING_CONFIG` and
            `SIGSTORE_TRUSTED_ROOT`. It must be on the jobs' network; they run in its if none is named.
        network: jobs run in this one, or in that of ``container:NAME``, instead of one of their own.
        run: what the `CI_*` variables tell; by default read from the checkout.
        pull: when images are fetched.
        parallel: how many jobs run at the same time, 0 for all that may.
        default_image: for scripts that name none.
        private: files of the checkout that jobs must not get.
    """

    workspace: Path | None = None
    jobs: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Path] = field(default_factory=dict)
    use_images: Mapping[str, str] = field(default_factory=dict)
    build_contexts: tuple[str, ...] = ()
    registry: LocalRegistry | None = None
    sigstore: LocalSigstore | None = None
    network: str | None = None
    run: Run | None = None
    pull: Pull = Pull.MISSING
    parallel: int = 0
    default_image: str = ""
    private: tuple[Path, ...] = ()


def workspace_of(file: Path) -> Path:
    """Return the checkout a pipeline file belongs to: the folder that holds its ``.gocdnext``."""
    folder = file.resolve().parent
    return folder.parent if folder.name == ".gocdnext" else Path.cwd()


def run_pipeline(
    file: Path,
    options: RunOptions | None = None,
    *,
    session: Session | None = None,
    listener: Listener | None = None,
) -> RunReport:
    """Run a pipeline and tell how it went.

    Args:
        file: the pipeline.
        options: how.
        session: owns what is created on the engine; by default a new one on the Docker engine.
        listener: hears what happens meanwhile.

    Raises:
        PipelineError: the pipeline cannot run; nothing was started.
        UsageError: the options do not fit it; nothing was started.
        ToolError: a plugin's image cannot be built.
        DaemonError: the engine cannot be used.
        Cancelled: the session was asked to stop before the first job.
    """
    if session is None:
        from gocdnext_sdk.host.harness.engine.docker import DockerEngine

        with Session(DockerEngine()) as own:
            return run_pipeline(file, options, session=own, listener=listener)
    prepared = prepare(file, options or RunOptions())
    return _Execution(prepared, session, listener or NullListener()).run()


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that passed every check.

    Args:
        graph: what runs.
        options: how.
        sources: what references stand for.
        workspace: the checkout.
        images: image reference to the one that runs instead.
        builds: image reference to the folder it is built from, first.
    """

    graph: Graph
    options: RunOptions
    sources: Sources
    workspace: Path
    images: Mapping[str, str]
    builds: Mapping[str, Path]


def prepare(file: Path, options: RunOptions) -> Prepared:
    """Check everything that can be checked without an engine.

    Raises:
        PipelineError: the pipeline cannot run.
        UsageError: the options do not fit it.
    """
    workspace = (options.workspace or workspace_of(file)).resolve()
    if options.registry and options.network:
        raise UsageError("--registry and --network exclude each other: jobs run in the registry's network")
    registry, sigstore = options.registry, options.sigstore
    given = [each.variables for each in (registry, sigstore) if each]
    variables = {name: value for each in (*given, options.variables) for name, value in each.items()}
    pipeline = with_variables(parse_file(file), variables)
    graph = Graph.of(pipeline, options.jobs)
    run = options.run or Run(checkout=checkout.read(workspace))
    sources = Sources(
        run=run if run.project_slug else replace(run, project_slug=_slug(workspace.name)),
        secrets={**options.secrets, **(registry.secrets if registry else {})},
    )
    check(graph, sources, default_image=options.default_image, issues_tokens=sigstore is not None)
    images, builds = _replacements(graph, options)
    return Prepared(
        graph=graph,
        options=options,
        sources=sources,
        workspace=workspace,
        images=images,
        builds=builds,
    )


def _slug(name: str) -> str:
    """Return a project's slug as the platform would make it from the name of its folder."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def with_variables(pipeline: Pipeline, variables: Mapping[str, str]) -> Pipeline:
    """Return `pipeline` with `variables` in place of its own of the same name."""
    given = {name: Value(text, Mark("--var", 1, 1)) for name, text in variables.items()}
    return replace(pipeline, variables={**pipeline.variables, **given})


def _replacements(graph: Graph, options: RunOptions) -> tuple[dict[str, str], dict[str, Path]]:
    """Return which images are replaced by what, and which of those are to be built from where."""
    used = {
        action.image: uses.catalog_name(action.image)
        for job in graph.jobs
        if isinstance(action := job.job.action, Plugin | Script) and action.image
    }
    for name in (*options.local, *options.use_images):
        if name not in used.values():
            raise UsageError(
                f"no job uses an image named {name}; the jobs use {', '.join(sorted(set(used.values())))}"
            )
    built = {name: f"localhost/{name}:dev" for name in options.local}
    wanted = {**options.use_images, **built}
    images = {image: wanted[name] for image, name in used.items() if name in wanted}
    return images, {built[name]: folder for name, folder in options.local.items()}


_Event: TypeAlias = "tuple[JobInstance, JobReport] | Exception | int"
"""A job ended, a thread failed, or a signal came."""


class _Execution:
    """One run under way. The main thread decides, one thread a job waits on its container."""

    def __init__(self, prepared: Prepared, session: Session, listener: Listener) -> None:
        self._prepared = prepared
        self._options = prepared.options
        self._graph = prepared.graph
        self._session = session
        self._listener = listener
        self._running = RunningContainers(session.engine)
        self._schedule = Schedule(prepared.graph, prepared.options.parallel)
        self._outputs: dict[str, JobOutputs] = {}
        self._reports: dict[str, JobReport] = {}
        self._events: SimpleQueue[_Event] = SimpleQueue()
        self._kill_at = float("inf")

    def run(self) -> RunReport:
        started = time.monotonic()
        for text, job in notices(self._graph):
            self._listener.notice(text, job)
        contexts = build_contexts(self._options.build_contexts)
        for tag, folder in self._prepared.builds.items():
            begun = time.monotonic()
            self._listener.notice(f"building {tag} from {folder}")
            build_image(folder, tag, contexts)
            self._listener.notice(f"built {tag} in {time.monotonic() - begun:.1f} s")
        with Snapshot(self._prepared.workspace, self._options.private) as snapshot:
            for text in snapshot.notices:
                self._listener.notice(text)
            with self._network() as network:
                jobs = JobRunner(
                    session=self._session,
                    snapshot=snapshot,
                    write_back=WriteBack(snapshot),
                    running=self._running,
                    network=network,
                    pull=self._options.pull,
                    listener=self._listener,
                )
                self._listener.run_started(
                    self._graph.pipeline.name, [(job.job.stage, job.name) for job in self._graph.jobs]
                )
                self._execute(jobs)
        report = RunReport(
            pipeline=self._graph.pipeline.name,
            jobs=tuple(self._reports[job.name] for job in self._graph.jobs),
            seconds=time.monotonic() - started,
            stopped_by=self._session.stop.signum,
        )
        self._listener.run_finished(report)
        return report

    def _execute(self, jobs: JobRunner) -> None:
        stop = self._session.stop
        with (
            ThreadPoolExecutor(max_workers=len(self._graph.jobs) or 1) as threads,
            stop.heard_by(self._events.put),
        ):
            try:
                while self._advance(jobs, threads):
                    self._handle(self._next())
            except BaseException:
                self._running.tell("SIGKILL")  # or the threads would wait for their containers
                raise
        for instance in self._graph.jobs:
            if instance.name not in self._reports:
                self._finish(_unstarted(instance, Status.SKIPPED, "the run was stopped"))

    def _advance(self, jobs: JobRunner, threads: ThreadPoolExecutor) -> bool:
        """Start what may start, give up what cannot; return whether anything runs."""
        if not self._session.stop.requested():
            for instance in self._schedule.start():
                self._start(instance, jobs, threads)
        for instance, reason in self._schedule.drop():
            self._finish(_unstarted(instance, Status.SKIPPED, reason))
        return self._schedule.running

    def _next(self) -> _Event | None:
        """Return the next event; None when jobs that were asked to end have to be killed."""
        left = self._kill_at - time.monotonic()
        try:
            return self._events.get(timeout=None if left == float("inf") else max(left, 0.0))
        except Empty:
            return None

    def _handle(self, event: _Event | None) -> None:
        match event:
            case None:
                self._kill_at = float("inf")
                self._running.tell("SIGKILL")
            case int():
                if len(self._session.stop.requests) > 1:
                    self._running.tell("SIGKILL")
                else:
                    self._kill_at = time.monotonic() + _GRACE
                    self._running.tell("SIGTERM")
            case Exception():
                raise event
            case instance, report:
                self._schedule.finish(instance, passed=report.status is Status.PASSED)
                name = instance.job.name
                self._outputs[name] = instance.collect(self._outputs.get(name), report.outputs)
                self._finish(report)

    def _start(self, instance: JobInstance, jobs: JobRunner, threads: ThreadPoolExecutor) -> None:
        self._listener.job_started(instance.name)
        if not runs(instance.job):
            self._events.put((instance, _unstarted(instance, Status.PASSED, "")))
            return
        id_tokens = self._id_tokens(instance)
        sources = replace(self._prepared.sources, needs=dict(self._outputs), id_tokens=id_tokens)
        try:
            resolved = resolve(self._graph.pipeline, instance, sources)
        except PipelineError as error:
            self._events.put((instance, _unstarted(instance, Status.FAILED, str(error))))
            return
        image = resolved.image or self._options.default_image
        resolved = replace(resolved, image=self._prepared.images.get(image, image))
        hidden = {name: sources.secrets[name] for name in instance.job.secrets} | id_tokens

        def work() -> None:
            try:
                self._events.put((instance, jobs.run(resolved, hidden)))
            except Exception as error:  # noqa: BLE001 - the main thread raises it
                self._events.put(error)

        threads.submit(work)

    def _id_tokens(self, instance: JobInstance) -> dict[str, str]:
        """Issue the job's tokens."""
        sigstore = self._options.sigstore
        if sigstore is None:
            return {}
        own = identity(self._prepared.sources.run, self._graph.pipeline, instance)
        return {name: sigstore.token(own, audiences) for name, audiences in instance.job.id_tokens.items()}

    def _finish(self, report: JobReport) -> None:
        self._reports[report.name] = report
        self._listener.job_finished(report)

    @contextmanager
    def _network(self) -> Iterator[str]:
        """Have the jobs' network and the pipeline's services on it."""
        engine, session = self._session.engine, self._session
        registry = self._options.registry
        network = registry.network if registry else self._options.network
        if network is None and self._options.sigstore:
            network = self._options.sigstore.network
        if network is None:
            network = session.name("jobs")
            engine.create_network(network, session.labels)
        services_on = named_network(engine, network) if self._graph.pipeline.services else network
        for service in self._graph.pipeline.services:
            self._listener.notice(f"starting service {service.name} ({service.image})")
            engine.ensure_image(service.image, self._options.pull, session.stop.requested)
            container = engine.create(
                ContainerSpec(
                    name=session.name(f"service-{service.name}"),
                    image=service.image,
                    labels=session.labels,
                    command=service.command,
                    env=service.env,
                    network=services_on,
                    aliases=(service.name,),
                    output="kept",
                )
            )
            engine.start(container)
        yield network


def _unstarted(instance: JobInstance, status: Status, reason: str) -> JobReport:
    return JobReport(name=instance.name, stage=instance.job.stage, status=status, reason=reason)
