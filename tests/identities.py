"""Who signs in tests: a job of a run on main."""

from __future__ import annotations

from gocdnext_sdk.contract.id_tokens import Identity

JOB = Identity(
    project_slug="shop",
    project_id="project-1",
    pipeline="release",
    pipeline_id="pipeline-1",
    job="sign",
    run_id="run-1",
    run_counter="1",
    cause="webhook",
    ref_type="branch",
    ref="main",
    sha="a" * 40,
)
