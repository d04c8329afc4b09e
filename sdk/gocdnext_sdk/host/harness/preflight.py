"""Mistakes that can be found before anything starts, and what the harness does differently."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.errors import closest
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS
from gocdnext_sdk.host.pipeline import Diagnostic, PipelineError, Sources, quantities, resolve
from gocdnext_sdk.host.pipeline.builtins import Run
from gocdnext_sdk.host.pipeline.graph import Graph, JobInstance
from gocdnext_sdk.host.pipeline.model import Approval, Job, Profile, Script
from gocdnext_sdk.host.pipeline.modes import DOCKER, Mode
from gocdnext_sdk.host.pipeline.surprises import surprises

_HAD = "variables, paths, permissions, services and a daemon of its own"
_NOT_HAD = "requests, a node's choice and KUBERNETES_… variables"


def check(
    graph: Graph,
    sources: Sources,
    *,
    default_image: str,
    issues_tokens: bool,
    tokens: Collection[str] = (),
    notified: Sequence[JobInstance] = (),
) -> None:
    """Find every mistake that running would find later.

    Args:
        graph: what will run.
        sources: what references may stand for; outputs of needed jobs are made up here.
        default_image: for scripts that name no image.
        issues_tokens: whether there is an issuer for `id_tokens:`.
        tokens: names of those that are given, and need no issuer.
        notified: the jobs that send notifications.

    Raises:
        PipelineError: with all mistakes at once.
    """
    problems = list(dict.fromkeys(_unsupported(graph, sources, default_image, issues_tokens, tokens)))
    problems += [
        Diagnostic(
            each.job.mark,
            f"the notification needs the secret {name}, which is not given",
            "pass --secrets-file, or leave out --notify",
        )
        for each in notified
        for name in each.job.secrets
        if name not in sources.secrets
    ]
    if not problems:
        needs = {**sources.needs, **expected_outputs(graph)}
        for instance in (*graph.jobs, *notified):
            if not runs(instance.job):
                continue
            try:
                resolve(
                    graph.pipeline,
                    instance,
                    replace(
                        sources, needs=needs, id_tokens={name: f"({name})" for name in instance.job.id_tokens}
                    ),
                )
            except PipelineError as error:
                problems += [each for each in error.problems if each not in problems]
    if problems:
        raise PipelineError(problems)


def runs(job: Job) -> bool:
    """Return whether the job has anything to run; an approval gate has not."""
    return job.action is not None and not isinstance(job.action, Approval)


def _secrets_not_given(graph: Graph, sources: Sources) -> Iterator[Diagnostic]:
    """Yield one mistake a secret, however many jobs need it."""
    needing: dict[str, list[Job]] = {}
    for job in {instance.job.name: instance.job for instance in graph.jobs}.values():
        for name in job.secrets:
            needing.setdefault(name, []).append(job)
    for name in sorted(needing.keys() - sources.secrets.keys()):
        jobs = needing[name]
        who = " and ".join(f"`{job.name}`" for job in jobs)
        what = f"job {who} needs" if len(jobs) == 1 else f"jobs {who} need"
        near = closest(name, sources.secrets, similarity=0.8)
        yield Diagnostic(
            jobs[0].at("secrets"),
            f"{what} the secret {name}, which is not given",
            f"there is {near}: did you mean that?"
            if near
            else f"put it into a file and pass --secrets-file, or export it and pass --secret {name}"
            + (", or pass --registry" if name in REGISTRY_SECRETS else ""),
        )


def _unsupported(
    graph: Graph,
    sources: Sources,
    default_image: str,
    issues_tokens: bool,
    tokens: Collection[str],
) -> Iterator[Diagnostic]:
    yield from _secrets_not_given(graph, sources)
    for job in dict.fromkeys(instance.job.name for instance in graph.jobs):
        found = graph.pipeline.job(job)
        lacking = [] if issues_tokens else [name for name in found.id_tokens if name not in tokens]
        if lacking:
            names = ", ".join(lacking)
            yield Diagnostic(
                found.at("id_tokens"),
                f"job `{job}` needs an identity token ({names}), but no issuer is configured",
                "pass --sigstore for an issuer and a private Sigstore of this run's own, or --id-token for a "
                "token of an issuer of yours",
            )
        if found.cluster:
            yield Diagnostic(
                found.at("cluster"),
                f"job `{job}` needs the credentials of cluster {found.cluster}, which only a server has",
                "run the other jobs with --job",
            )
        for text in filter(None, (found.limits.cpu, found.limits.memory)):
            try:
                quantities.parse(text)
            except ValueError as error:
                yield Diagnostic(found.at("resources"), f"job `{job}`, resources.limits: {error}")
        profile = sources.profiles.get(found.profile, Profile())
        if isinstance(found.action, Script) and not (found.action.image or profile.image or default_image):
            yield Diagnostic(
                found.at("script"),
                f"job `{job}` names no image; the platform would use that of its runner profile",
                "add image:, pass --default-image, or write the profile into gocdnext-plugin.toml",
            )


def expected_outputs(graph: Graph) -> dict[str, JobOutputs]:
    """Return made-up outputs of every job, to check references with."""
    made: dict[str, JobOutputs] = {}
    for instance in graph.jobs:
        job = instance.job
        values = {alias: f"({job.name}.{alias})" for alias in job.outputs}
        made[job.name] = instance.collect(made.get(job.name), values)
    return made


def notices(
    graph: Graph, run: Run, *, caches: bool, asks: bool, profiles: Collection[str], mode: Mode = DOCKER
) -> Iterator[tuple[str, str]]:
    """Yield (text, job) for everything in the pipeline that a local run or the platform does not do.

    Args:
        graph: what runs.
        run: what starts it.
        caches: whether `cache:` has a place to be stored.
        asks: whether somebody is asked at approval gates.
        profiles: the names of the runner profiles that are known.
        mode: how the platform's agent would run the jobs.
    """
    if mode.is_kubernetes:
        yield f"as {mode.name}: of a pod, jobs get {_HAD}, and not {_NOT_HAD}", ""
    for problem in (*graph.pipeline.notices, *surprises(graph, run)):
        yield str(problem), ""
    for job in (graph.pipeline.job(name) for name in dict.fromkeys(p.job.name for p in graph.jobs)):
        if isinstance(job.action, Approval) and not asks:
            yield "approval gate: passed without asking anybody; --ask asks you", job.name
        elif job.action is None:
            yield "declares nothing to run", job.name
        if job.profile and job.profile not in profiles:
            yield (
                f"agent.profile {job.profile}: not known here, so its variables and image are missing",
                job.name,
            )
        if job.cache and not caches:
            yield "cache: neither restored nor stored", job.name
        if job.deploy:
            yield "deploy: not recorded", job.name
