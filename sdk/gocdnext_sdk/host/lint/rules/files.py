"""GP6xx: the files that jobs hand on and keep."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from gocdnext_sdk.contract import refs
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.view import View
from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.errors import Diagnostic, suggest
from gocdnext_sdk.host.pipeline.model import Job, NeededArtifacts


@rule("GP601", Severity.ERROR)
def nothing_kept(view: View) -> Iterator[Diagnostic]:
    """Artifacts that the other job does not keep, or not in time.

    `needs_artifacts` wants a job that has ended before: one of an earlier stage, or one in `needs:`. Its
    paths are written as that job declares them under `artifacts:`; a path inside a declared directory is
    none of them, and the platform fails the job.
    """
    jobs = {job.name: job for job in view.pipeline.jobs}
    for job in jobs.values():
        for needed in job.needs_artifacts:
            if needed.from_pipeline or not needed.from_job:
                continue
            if wrong := _wrong(job, needed, jobs, view.pipeline.stages):
                yield Diagnostic(job.at("needs_artifacts"), f"job `{job.name}`: {wrong[0]}", wrong[1])


def _wrong(
    job: Job, needed: NeededArtifacts, jobs: Mapping[str, Job], stages: Sequence[str]
) -> tuple[str, str] | None:
    other = jobs.get(needed.from_job)
    if other is None:
        return f"there is no job `{needed.from_job}`", suggest(needed.from_job, jobs, "jobs")
    order = {stage: number for number, stage in enumerate(stages)}
    earlier = order.get(other.stage, 0) < order.get(job.stage, 0)
    if not earlier and other.name not in _before(job, jobs):
        return f"`{other.name}` need not have ended when it starts", f"add `needs: [{other.name}]`"
    kept = (*other.artifacts.paths, *other.artifacts.optional) if other.artifacts else ()
    if not kept:
        return f"`{other.name}` keeps nothing", "declare `artifacts: {paths: […]}` there"
    known = {posixpath.normpath(path) for path in kept}
    missing = [path for path in needed.paths if posixpath.normpath(path) not in known]
    if missing:
        return f"`{other.name}` does not keep {', '.join(missing)}", f"it keeps {', '.join(kept)}"
    return None


def _before(job: Job, jobs: Mapping[str, Job]) -> set[str]:
    """Return the names of all jobs that have ended when `job` starts, by its `needs:` and theirs."""
    found: set[str] = set()
    following = list(job.needs)
    while following:
        name = following.pop()
        if name in jobs and name not in found:
            found.add(name)
            following.extend(jobs[name].needs)
    return found


@rule("GP602", Severity.ERROR)
def not_a_path(view: View) -> Iterator[Diagnostic]:
    """A path outside the workspace, or with a reference in it.

    The platform replaces nothing in `artifacts`, `needs_artifacts` and `cache`: `dist-${CI_BRANCH}/` is
    looked up under that very name, and a key with `${…}` is one key for all branches. Paths are relative to
    the checkout and stay in it.
    """
    for job in view.pipeline.jobs:
        for key, path in _paths(job):
            what = f"job `{job.name}`: {key} {path!r}"
            if refs.soft_references(path) or refs.references(path):
                yield Diagnostic(job.at(key), f"{what}: no reference is resolved there", "write it out")
            elif wrong := syntax.relative_path(path):
                yield Diagnostic(job.at(key), f"{what} {wrong}")
        for cache in job.cache:
            if refs.soft_references(cache.key) or refs.references(cache.key):
                what = f"job `{job.name}`: cache key {cache.key!r}: no reference is resolved there"
                yield Diagnostic(job.at("cache"), what, 'only {{ hash "FILE" }} is')


def _paths(job: Job) -> Iterator[tuple[str, str]]:
    if job.artifacts:
        yield from (("artifacts", path) for path in (*job.artifacts.paths, *job.artifacts.optional))
    for needed in job.needs_artifacts:
        yield from (("needs_artifacts", path) for path in (*needed.paths, needed.dest) if path)
    for cache in job.cache:
        yield from (("cache", path) for path in cache.paths)


@rule("GP604", Severity.NOTE)
def downloaded_again(view: View) -> Iterator[Diagnostic]:
    """A database that one run downloads several times from a public registry.

    Public registries ration anonymous downloads, and answer 429 when many pipelines ask: a red pipeline that
    no change explains. Keep the database between jobs and runs with `cache:`, or take it from a registry of
    your own, which `gocdnext-plugin trivy-db mirror` fills.
    """
    asked: set[str] = set()
    for use in view.known_uses:
        fact, job = use.facts.downloads, use.job
        if fact is None or job is None or (fact.unless and use.holds(fact.unless)):
            continue
        is_kept = any(_is_within(fact.folder, path) for cache in job.cache for path in cache.paths)
        if is_kept or fact.repository in use.given or fact.variable in view.variables(job):
            continue
        if use.name in asked:
            what = f"{use.where} downloads a database again that an earlier job has downloaded"
            advice = f"keep {fact.folder} with `cache:`, or give `{fact.repository}`"
            yield Diagnostic(use.mark, what, advice)
        asked.add(use.name)


def _is_within(path: str, folder: str) -> bool:
    whole = posixpath.normpath(folder)
    return f"{posixpath.normpath(path)}/".startswith(f"{whole}/") or whole == "."


@rule("GP603", Severity.WARNING)
def report_of_a_failure(view: View) -> Iterator[Diagnostic]:
    """A gate whose report is lost when it is red.

    The job fails on what it finds, and of a job that failed nothing is kept: the report would be missing
    exactly when somebody wants to read it.
    """
    for use in view.uses:
        job = use.job
        if job is None or job.artifacts is None or not use.gates:
            continue
        if job.artifacts.when == "on_success" and (job.artifacts.paths or job.artifacts.optional):
            what = f"job `{job.name}`: of its failure nothing is kept"
            yield Diagnostic(job.at("artifacts"), what, "add `when: always` to `artifacts:`")
