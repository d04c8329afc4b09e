"""A pipeline file as the platform reads it: `parse_file` → `plan` → `resolve`.

pipeline = parse_file(Path(".gocdnext/release.yaml"))
for planned in plan(pipeline).jobs:
    job = resolve(pipeline, planned, Sources(secrets=secrets, run=run))
"""

from gocdnext_sdk.pipeline.builtins import Checkout, PullRequest, Run, Tag, Upstream
from gocdnext_sdk.pipeline.errors import Mark, PipelineError, Problem
from gocdnext_sdk.pipeline.model import Approval, Job, Pipeline, Plugin, Script, Service, Value
from gocdnext_sdk.pipeline.parse import parse_file, parse_text
from gocdnext_sdk.pipeline.plan import Plan, PlannedJob, PlannedStage, plan
from gocdnext_sdk.pipeline.resolve import EngineMapping, ResolvedJob, Sources, resolve

__all__ = [
    "Approval",
    "Checkout",
    "EngineMapping",
    "Job",
    "Mark",
    "Pipeline",
    "PipelineError",
    "Plan",
    "PlannedJob",
    "PlannedStage",
    "Plugin",
    "Problem",
    "PullRequest",
    "ResolvedJob",
    "Run",
    "Script",
    "Service",
    "Sources",
    "Tag",
    "Upstream",
    "Value",
    "parse_file",
    "parse_text",
    "plan",
    "resolve",
]
