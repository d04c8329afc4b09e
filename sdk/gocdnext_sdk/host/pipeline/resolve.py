"""From a job instance to what its container gets.

The order is the platform's (upstream `server/internal/scheduler/assignment.go`): all variables
are layered, then references in them are resolved, then those in `with:`, which may see the
resolved variables; the variables win over the inputs of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from gocdnext_sdk.contract import ContractError, keys, masks, refs
from gocdnext_sdk.contract.errors import UnknownReference
from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.host.pipeline import builtins
from gocdnext_sdk.host.pipeline.builtins import Run, why_unset
from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark, PipelineError
from gocdnext_sdk.host.pipeline.graph import JobInstance
from gocdnext_sdk.host.pipeline.model import (
    Artifacts,
    Cache,
    CoverageReport,
    Job,
    NeededArtifacts,
    Output,
    Pipeline,
    Plugin,
    Profile,
    Quantities,
    Script,
    Service,
)

EngineMapping: TypeAlias = Literal["docker", "k8s-shared", "k8s-isolated"]
"""The platform's engines, as far as they give a job a different environment."""

_TRANSFORM: Final[Mapping[EngineMapping, keys.Transform]] = {
    "docker": "shared",
    "k8s-shared": "shared",
    "k8s-isolated": "isolated",
}

# Upstream agent/internal/engine/docker.go, dockerServiceNameRE.
_SERVICE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What references may stand for."""

    run: Run = field(default_factory=Run)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All that are known; a job sees those its `secrets:` names."""
    needs: Mapping[str, JobOutputs] = field(default_factory=dict, repr=False)
    """What finished jobs gave, by name; a job sees those its `needs:` names."""
    id_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The job's own tokens, by the name its `id_tokens:` gives them."""
    profiles: Mapping[str, Profile] = field(default_factory=dict, repr=False)
    """The runner profiles that `agent.profile` may name."""


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
    job: str = ""
    """Its name in the pipeline, which the cells of a matrix share."""
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`with:` as its container gets it."""
    artifacts: Artifacts | None = None
    needs_artifacts: tuple[NeededArtifacts, ...] = ()
    cache: tuple[Cache, ...] = ()
    test_reports: tuple[str, ...] = ()
    coverage_report: CoverageReport | None = None
    limits: Quantities = field(default_factory=Quantities)


def resolve(
    pipeline: Pipeline, instance: JobInstance, sources: Sources, engine: EngineMapping = "docker"
) -> ResolvedJob:
    """Resolve one job.

    Args:
        pipeline: the job's pipeline, for its variables and services.
        instance: the job; an approval gate has nothing to resolve and must not be passed.
        sources: what its references may stand for.
        engine: whose rules name the `PLUGIN_*` variables.

    Raises:
        PipelineError: a missing secret, or references that stand for nothing; all at once.
    """
    return _Resolver(pipeline, instance, sources, engine).job()


def inputs_in(environ: Mapping[str, str], job: Job, engine: EngineMapping = "docker") -> dict[str, str]:
    """Return the inputs that a job writes, with the values that its variables give them."""
    written = job.action.inputs if isinstance(job.action, Plugin) else {}
    found = {key: environ.get(keys.variable(key, _TRANSFORM[engine])) for key in written}
    return {key: value for key, value in found.items() if value is not None}


class _Resolver:
    def __init__(
        self, pipeline: Pipeline, instance: JobInstance, sources: Sources, engine: EngineMapping
    ) -> None:
        self._pipeline = pipeline
        self._instance = instance
        self._job = instance.job
        self._sources = sources
        self._engine = engine
        self._problems: list[Diagnostic] = []
        self._ci = builtins.variables(sources.run, self._job.name)
        self._profile = sources.profiles.get(self._job.profile, Profile())
        self._needs = {name: sources.needs[name] for name in self._job.needs if name in sources.needs}

    def job(self) -> ResolvedJob:
        secrets = self._secrets()
        variables = self._variables(secrets)
        match self._job.action:
            case Plugin() as plugin:
                image, script = plugin.image, None
                # The variables win: `variables: {PLUGIN_TAGS: …}` beats `with: {tags: …}`.
                env = self._inputs(plugin, secrets, variables) | variables
            case Script() as lines:
                image, script, env = lines.image or self._profile.image, lines.text, variables
            case _:
                raise ValueError(f"job {self._job.name} has nothing to run")
        self._check_services()
        if self._problems:
            raise PipelineError(self._problems)
        return ResolvedJob(
            name=self._instance.name,
            stage=self._job.stage,
            image=image,
            script=script,
            env=env,
            masks=tuple(self._masks(secrets)),
            docker=self._job.docker,
            outputs=self._job.outputs,
            services=self._pipeline.services,
            job=self._job.name,
            inputs=inputs_in(env, self._job, self._engine),
            artifacts=self._job.artifacts,
            needs_artifacts=self._job.needs_artifacts,
            cache=self._job.cache,
            test_reports=self._job.test_reports,
            coverage_report=self._job.coverage_report,
            limits=self._job.limits,
        )

    def _check_services(self) -> None:
        for service in self._pipeline.services:
            if self._engine == "docker" and not _SERVICE_NAME.fullmatch(service.name):
                self._problems.append(
                    Diagnostic(
                        service.mark,
                        f"the Docker engine refuses the service name `{service.name}`",
                        "use lower-case letters, digits and `-`, a letter first",
                    )
                )

    def _secrets(self) -> dict[str, str]:
        known = self._sources.secrets
        for name in self._job.secrets:
            if name not in known:
                self._problems.append(
                    Diagnostic(
                        self._job.at("secrets"),
                        f"job `{self._job.name}` needs the secret {name}, which is not known",
                        "provide it",
                    )
                )
        return {name: known[name] for name in self._job.secrets if name in known}

    def _variables(self, secrets: Mapping[str, str]) -> dict[str, str]:
        written = {**self._pipeline.variables, **self._job.variables}
        layers: dict[str, str] = dict(self._profile.variables)
        layers |= {name: value.text for name, value in written.items()}
        if self._instance.cell is not None:
            layers |= {"GOCDNEXT_MATRIX": self._instance.cell_key, **self._instance.cell}
        layers |= secrets
        layers |= self._sources.id_tokens
        layers |= self._ci

        def resolved(text: str) -> str:
            # The platform resolves secrets' values too: one that holds `${{ X }}` is an error.
            return refs.resolve_strict(refs.resolve_needs(text, self._needs), secrets, self._ci)

        return {
            name: self._checked(
                resolved,
                value,
                written[name].mark if name in written else self._job.mark,
                f"variable {name}",
            )
            for name, value in layers.items()
        }

    def _inputs(
        self, plugin: Plugin, secrets: Mapping[str, str], variables: Mapping[str, str]
    ) -> dict[str, str]:
        def resolved(text: str) -> str:
            needed = refs.resolve_needs(text, self._needs)
            strict = refs.resolve_strict(needed, secrets, variables)
            return refs.resolve_soft(strict, secrets, variables)

        transform = _TRANSFORM[self._engine]
        return {
            keys.variable(name, transform): self._checked(resolved, value.text, value.mark, f"with.{name}")
            for name, value in plugin.inputs.items()
        }

    def _checked(self, resolved: Callable[[str], str], text: str, mark: Mark, what: str) -> str:
        try:
            return resolved(text)
        except ContractError as error:
            where = f"job `{self._job.name}`, {what}"
            names = sorted(error.names) if isinstance(error, UnknownReference) else []
            reasons = [why for name in names if (why := why_unset(name))]
            reason, advice = reasons[0] if reasons else (str(error), "")
            self._problems.append(Diagnostic(mark, f"{where}: {reason}", advice))
            return ""

    def _masks(self, secrets: Mapping[str, str]) -> Iterator[str]:
        yield from (value for value in secrets.values() if value)
        yield from self._sources.id_tokens.values()
        outputs = [
            (name, alias, value)
            for name, needed in self._needs.items()
            for values in (needed.cells or {"": needed.values}).values()
            for alias, value in values.items()
        ]
        for _, _, value in outputs:
            if len(value.encode()) >= masks.MIN_OUTPUT_BYTES:
                yield value
        for name, alias, value in outputs:
            declared = self._pipeline.job(name).outputs.get(alias)
            if value and declared is not None and declared.masked:
                yield value
