"""The notifications of a pipeline, which the platform runs as jobs of their own after the run.

Source: docs/contract.md §10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gocdnext_sdk.contract.uses import catalog_name
from gocdnext_sdk.host.harness.report.interface import RunReport
from gocdnext_sdk.host.pipeline import Pipeline, PipelineError, Sources, resolve
from gocdnext_sdk.host.pipeline.graph import JobInstance
from gocdnext_sdk.host.pipeline.model import NOTIFICATION_STAGE, Job
from gocdnext_sdk.runtime.masking import Masker


def notifications(pipeline: Pipeline, outcome: str = "") -> Iterator[tuple[str, JobInstance]]:
    """Yield the notifications of a run: when each is sent, and the job that sends it.

    Args:
        pipeline: the pipeline.
        outcome: success, failure or canceled; empty yields all.
    """
    for number, each in enumerate(pipeline.notifications or ()):
        if not outcome or each.on in {outcome, "always"}:
            job = Job(
                name=f"_notify_{number}",
                stage=NOTIFICATION_STAGE,
                mark=each.mark,
                action=each.plugin,
                secrets=each.secrets,
            )
            yield each.on, JobInstance(job)


def outcome_of(report: RunReport) -> str:
    """Return what `on:` calls the end of a run."""
    if report.passed:
        return "success"
    return "canceled" if report.stopped_by else "failure"


def told(on: str, instance: JobInstance, pipeline: Pipeline, sources: Sources) -> str:
    """Return what a notification would have sent, in one line, without secrets.

    Args:
        on: when it is sent.
        instance: the job that sends it.
        pipeline: its pipeline.
        sources: what its references stand for; secrets may be missing.
    """
    secrets: Mapping[str, str] = {name: f"<secret {name}>" for name in instance.job.secrets}
    masker = Masker(sources.secrets[name] for name in instance.job.secrets if name in sources.secrets)
    try:
        job = resolve(pipeline, instance, replace(sources, secrets={**secrets, **sources.secrets}))
    except PipelineError as error:
        return masker.mask(str(error))
    inputs = ", ".join(f"{key}: {' '.join(value.split())}" for key, value in job.inputs.items())
    return masker.mask(
        f"on {on}, {catalog_name(job.image)} was not started; it would have got {inputs or 'nothing'}"
    )
