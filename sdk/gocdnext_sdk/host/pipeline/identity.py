"""What the platform knows of a job when it issues the tokens of its `id_tokens:`.

Source: upstream `server/internal/scheduler/oidctokens.go`, buildJobClaims.
"""

from __future__ import annotations

from gocdnext_sdk.contract.id_tokens import Identity
from gocdnext_sdk.host.pipeline.builtins import Run
from gocdnext_sdk.host.pipeline.graph import JobInstance
from gocdnext_sdk.host.pipeline.model import Pipeline


def identity(run: Run, pipeline: Pipeline, instance: JobInstance) -> Identity:
    """Return the identity of one job, or of one cell of its matrix, in a run."""
    if run.cause == "tag":
        ref_type, ref = "tag", run.tag.name if run.tag else ""
    else:
        ref_type, ref = "branch", run.revision.branch
    pull_request = run.pull_request if run.cause == "pull_request" else None
    return Identity(
        project_slug=run.project_slug,
        project_id=run.project_id,
        pipeline=pipeline.name,
        pipeline_id=run.pipeline_id,
        job=instance.job.name,
        run_id=run.id,
        run_counter=str(run.counter),
        cause=run.cause,
        matrix_key=instance.cell_key,
        ref_type=ref_type if ref else "",
        ref=ref,
        sha=run.revision.sha,
        pr_number=str(pull_request.number) if pull_request else "",
    )
