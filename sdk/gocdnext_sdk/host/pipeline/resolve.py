"""From a job instance to what its container gets.

The order is the platform's (upstream `server/internal/scheduler/assignment.go`): all variables
are layered, then references in them are resolved, then those in `with:`, which may see the
resolved variables; the variables win over the inputs of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

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
from gocdnext_sdk.host.pipeline.modes import DOCKER, WORKSPACE, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a job is made of beside its pipeline: what references may stand for, and how it runs."""

    run: Run = field(default_factory=Run)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All that are known; a job sees those its `secrets:` names."""
    needs: Mapping[str, JobOutputs] = field(default_factory=dict, repr=False)
    """What finished jobs gave, by name; a job sees those its `needs:` names."""
    id_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The job's own tokens, by the name its `id_tokens:` gives them."""
    profiles: Mapping[str, Profile] = field(default_factory=dict, repr=False)
    """The runner profiles that `agent.profile` may name."""
    mode: Mode = DOCKER
    """How the platform's agent would run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedJob:
    """What an engine has to run."""

    name: str
    stage: str
    image: str
    """Empty for a script whose image only the platform knows (a runner profile's default)."""
    script: str | None
    """Shell text as written; none: the image's own entrypoint runs."""
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
    checkout: str = WORKSPACE
    """Its working directory."""
    rewritten: tuple[str, ...] = ()
    """Variables that the platform's agent cannot hand over as they are."""
    overruled: tuple[str, ...] = ()
    """What is given under the name of a variable that the platform sets itself."""


def resolve(pipeline: Pipeline, instance: JobInstance, sources: Sources) -> ResolvedJob:
    """Resolve one job.

    Args:
        pipeline: the job's pipeline, for its variables and services.
        instance: the job; an approval gate has nothing to resolve and must not be passed.
        sources: what its references may stand for, and how it runs.

    Raises:
        PipelineError: a missing secret, references that stand for nothing, or names that the agent refuses;
            all at once.
    """
    return _Resolver(pipeline, instance, sources).job()


def inputs_in(environ: Mapping[str, str], job: Job, mode: Mode = DOCKER) -> dict[str, str]:
    """Return the inputs that a job writes, with the values that its variables give them."""
    written = job.action.inputs if isinstance(job.action, Plugin) else {}
    found = {key: environ.get(keys.variable(key, mode.transform)) for key in written}
    return {key: value for key, value in found.items() if value is not None}


def notices(job: ResolvedJob) -> Iterator[str]:
    """Yield what the platform's agent does to a job that its author may not expect."""
    if job.overruled:
        yield f"the platform sets {', '.join(job.overruled)} itself, over what is given"
    if job.rewritten:
        yield f"Kubernetes rewrites `$$` and `$(NAME)`: other text arrives in {', '.join(job.rewritten)}"


class _Resolver:
    def __init__(self, pipeline: Pipeline, instance: JobInstance, sources: Sources) -> None:
        self._pipeline = pipeline
        self._instance = instance
        self._job = instance.job
        self._sources = sources
        self._mode = sources.mode
        self._problems: list[Diagnostic] = []
        self._overruled: set[str] = set()
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
        self._check_names(env)
        if self._problems:
            raise PipelineError(self._problems)
        env, changed = self._mode.rewritten(env)
        if script is not None and self._mode.text(script, env) != script:
            changed = (*changed, "script")
        return ResolvedJob(
            name=self._instance.name,
            stage=self._job.stage,
            image=image,
            script=script,
            env=env,
            masks=tuple(self._masks(secrets)),
            docker=self._job.docker,
            outputs=self._job.outputs,
            services=tuple(map(self._mode.service, self._pipeline.services)),
            job=self._job.name,
            inputs=inputs_in(env, self._job, self._mode),
            artifacts=self._job.artifacts,
            needs_artifacts=self._job.needs_artifacts,
            cache=self._job.cache,
            test_reports=self._job.test_reports,
            coverage_report=self._job.coverage_report,
            limits=self._job.limits,
            checkout=self._mode.checkout_of(
                self._sources.run.id, self._sources.run.pipeline_id, self._instance.name
            ),
            rewritten=changed,
            overruled=tuple(sorted(self._overruled)),
        )

    def _check_services(self) -> None:
        for service in self._pipeline.services:
            if not self._mode.takes_service(service.name):
                refused = f"the agent in mode {self._mode.name} refuses the service name `{service.name}`"
                self._problems.append(Diagnostic(service.mark, refused, self._mode.service_advice))

    def _check_names(self, env: Mapping[str, str]) -> None:
        written = {**self._pipeline.variables, **self._job.variables}
        for name in self._mode.refused_names(env):
            mark = written[name].mark if name in written else self._job.mark
            self._problems.append(
                Diagnostic(
                    mark,
                    f"job `{self._job.name}`: Kubernetes refuses a variable named {name}",
                    "use letters, digits and `_`",
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
        self._overruled = layers.keys() & self._ci.keys()
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

        return {
            keys.variable(name, self._mode.transform): self._checked(
                resolved, value.text, value.mark, f"with.{name}"
            )
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
