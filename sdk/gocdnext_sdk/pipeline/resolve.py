"""From a planned job to what its container gets.

The order is the platform's (upstream `server/internal/scheduler/assignment.go`): all variables
are layered, then references in them are resolved, then those in `with:`, which may see the
resolved variables; the variables win over the inputs of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from gocdnext_sdk.contract import ContractError, keys, masks, refs
from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.pipeline import builtins
from gocdnext_sdk.pipeline.builtins import Run
from gocdnext_sdk.pipeline.errors import Mark, PipelineError, Problem
from gocdnext_sdk.pipeline.model import Output, Pipeline, Plugin, Script, Service, Value
from gocdnext_sdk.pipeline.plan import PlannedJob

EngineMapping: TypeAlias = Literal["docker", "k8s-shared", "k8s-isolated"]
"""The platform's engines, as far as they give a job a different environment."""

_TRANSFORM: Final[Mapping[EngineMapping, keys.Transform]] = {
    "docker": "shared",
    "k8s-shared": "shared",
    "k8s-isolated": "isolated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What references may stand for."""

    run: Run = field(default_factory=Run)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All that are known; a job sees those its `secrets:` names."""
    needs: Mapping[str, JobOutputs] = field(default_factory=dict, repr=False)
    """What finished jobs gave, by name; a job sees those its `needs:` names."""
    profile: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the runner profile, the lowest layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedJob:
    """What an engine has to run."""

    name: str
    stage: str
    image: str
    """Empty for a script whose image only the platform knows (a runner profile's default)."""
    script: str | None
    """Shell text; none: the image's own entrypoint runs."""
    env: Mapping[str, str] = field(repr=False)
    """Complete, but for what the engine adds (Docker wiring, the outputs file)."""
    masks: tuple[str, ...] = field(repr=False)
    """What the platform hides in this job's log, in its order."""
    docker: bool
    outputs: Mapping[str, Output]
    services: tuple[Service, ...]


def resolve(
    pipeline: Pipeline, planned: PlannedJob, sources: Sources, engine: EngineMapping = "docker"
) -> ResolvedJob:
    """Resolve one job.

    Arguments:
        pipeline: the job's pipeline, for its variables and services.
        planned: the job; an approval gate has nothing to resolve and must not be passed.
        sources: what its references may stand for.
        engine: whose rules name the `PLUGIN_*` variables.

    Raises:
        PipelineError: a missing secret, or references that stand for nothing; all at once.
    """
    raise NotImplementedError
