"""The plan of a pipeline: what each job would do, with placeholders for the outputs of others."""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from gocdnext_sdk.contract import keys
from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.errors import InputError
from gocdnext_sdk.host.pipeline.errors import PipelineError
from gocdnext_sdk.host.pipeline.graph import Graph, JobInstance
from gocdnext_sdk.host.pipeline.model import Approval, Pipeline, Plugin, Script
from gocdnext_sdk.host.pipeline.resolve import Sources, notices, resolve
from gocdnext_sdk.host.pipeline.single import COMMAND_LINE
from gocdnext_sdk.host.planning.model import RunPlan
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.host.planning.plan_run import plan_run
from gocdnext_sdk.inputs.model import with_key
from gocdnext_sdk.plugin import Plugin as PluginClass

FindPlugin: TypeAlias = Callable[[str], "type[PluginClass[Any]] | None"]
"""Returns the plugin of an image if its code is available."""

_TOKEN_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """What one job would do.

    Args:
        name: with its matrix cell.
        stage: its stage.
        image: the image; empty if only the platform knows it.
        docker: whether it gets a Docker daemon.
        environ: names of the variables that the job sees.
        run: what its plugin would do, if that is known.
        note: a remark instead.
        problems: mistakes; the job would not run.
        notices: what a user may not expect of the platform.
        publications: what it would publish, sign or remove outside this machine, and in which log.
    """

    name: str
    stage: str
    image: str = ""
    docker: bool = False
    environ: tuple[str, ...] = ()
    run: RunPlan | None = None
    note: str = ""
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    publications: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for JSON."""
        found = {key: getattr(self, key) for key in self.__dataclass_fields__ if key != "run"}
        return found | {"run": self.run and self.run.as_dict()}


@dataclass
class Planner:
    """Plans the jobs of a pipeline one after the other.

    Args:
        sources: what references stand for; secrets that are missing get placeholders.
        workspace: the checkout.
        find: finds plugins.
        shown: the placeholders and their names.
    """

    sources: Sources
    workspace: Path
    find: FindPlugin
    shown: Placeholders = field(default_factory=Placeholders)

    def plan(self, graph: Graph) -> Iterator[JobPlan]:
        """Yield the plan of each job, in order."""
        given: dict[str, JobOutputs] = {}
        for instance in graph.jobs:
            self.sources = replace(self.sources, needs=given)
            found = self.job(graph.pipeline, instance)
            yield found
            values = dict(self._outputs(instance, found))
            name = instance.job.name
            given[name] = instance.collect(given.get(name), values)

    def job(self, pipeline: Any, instance: JobInstance) -> JobPlan:
        """Return the plan of one job."""
        found = JobPlan(name=instance.name, stage=instance.job.stage, docker=instance.job.docker)
        plugin: type[PluginClass[Any]] | None
        match instance.job.action:
            case Plugin(image=image):
                found = replace(found, image=image)
                plugin = self.find(image)
            case Script(image=image):
                found, plugin = replace(found, image=image, note="runs its script"), None
            case Approval():
                return replace(found, note="waits for an approval")
            case None:
                return replace(found, note="declares nothing to run")
        try:
            return self._resolved(pipeline, instance, found, plugin)
        except PipelineError as error:
            return replace(found, problems=tuple(map(self.shown.show, error.lines())))

    def _resolved(
        self, pipeline: Any, instance: JobInstance, found: JobPlan, plugin: type[PluginClass[Any]] | None
    ) -> JobPlan:
        """Plan with the first placeholders for secrets that the plugin's checks accept, or the last ones."""
        candidates = _examples(instance, plugin)
        chosen = dict.fromkeys(candidates, 0)
        while True:
            standins = {name: candidates[name][chosen[name]] for name in candidates}
            sources = self._with_secrets(instance, standins)
            sources = replace(sources, id_tokens=self._tokens(pipeline, instance, plugin, sources))
            job = resolve(pipeline, instance, sources)
            environ = {**job.env, **(sources.mode.daemon if job.docker else {})}
            found = replace(found, environ=tuple(sorted(environ)), notices=tuple(notices(job)))
            if plugin is None:
                advice = (
                    f"{job.image}: its code is not here, so that nothing is checked; "
                    "--plugins DIRECTORY names where, and lint knows it by its plugin.yaml alone"
                )
                return found if found.note else replace(found, note=advice)
            try:
                handed = _handed_on(pipeline, instance)
                return replace(found, run=plan_run(plugin, environ, self.workspace, self.shown, handed))
            except InputError as error:
                tried = {key for key, name in _references(instance).items() if name in candidates}
                blamed = {_references(instance)[each.key] for each in error.problems if each.key in tried}
                more = [name for name in blamed if chosen[name] + 1 < len(candidates[name])]
                if not more:
                    return replace(found, problems=tuple(self._problems(error, instance)))
                for name in more:
                    chosen[name] += 1

    def _problems(self, error: InputError, instance: JobInstance) -> Iterator[str]:
        """Yield what is wrong and where; for a missing input that is the job."""
        inputs = instance.job.action.inputs if isinstance(instance.job.action, Plugin) else {}
        for problem, line in zip(error.problems, error.lines(), strict=True):
            mark = inputs[problem.key].mark if problem.key in inputs else instance.job.mark
            shown = self.shown.show(line)
            hint = "" if shown == line else " (what only a run knows cannot be checked here)"
            yield f"{shown}{hint}" if mark == COMMAND_LINE else f"{mark}: {shown}{hint}"

    def _with_secrets(self, instance: JobInstance, standins: Mapping[str, str]) -> Sources:
        known = self.sources.secrets
        for name, value in known.items():
            self.shown.secret(value, f"secret {name}")
        missing = (name for name in instance.job.secrets if name not in known)
        made = {
            name: self.shown.secret(standins[name], f"secret {name}")
            if name in standins
            else self.shown.text(f"secret {name}")
            for name in missing
        }
        return replace(self.sources, secrets={**known, **made})

    def _tokens(
        self,
        pipeline: Pipeline,
        instance: JobInstance,
        plugin: type[PluginClass[Any]] | None,
        sources: Sources,
    ) -> dict[str, str]:
        """Return the job's tokens, from the issuer that its inputs state.

        Raises:
            PipelineError: as `resolve`.
        """
        declared = instance.job.id_tokens
        signs = plugin.signs if plugin and declared else ()
        issuer = ""
        if signs:
            # Only the job says who will issue its tokens, and its variables have a part in what it says.
            unissued = replace(sources, id_tokens=dict.fromkeys(declared, ""))
            environ = resolve(pipeline, instance, unissued).env
            inputs = (keys.variable(key, sources.mode.transform) for each in signs for key in each.issuers)
            stated = (environ.get(name, "") for name in inputs)
            issuer = next(filter(None, map(str.strip, stated)), "")
        return {
            name: self.shown.secret(_token(name, audiences, instance, issuer), f"token {name}")
            for name, audiences in declared.items()
        }

    def _outputs(self, instance: JobInstance, found: JobPlan) -> Iterator[tuple[str, str]]:
        """Yield the outputs for later jobs: what the plan knows, or else placeholders."""
        values = found.run.values if found.run else {}
        for alias, output in instance.job.outputs.items():
            if output.key in values:
                yield alias, values[output.key]
            elif output.key.endswith("DIGEST"):
                yield alias, self.shown.digest(f"{instance.name}'s {alias}")
            else:
                yield alias, self.shown.text(f"{alias} of {instance.name}")


def _handed_on(pipeline: Pipeline, instance: JobInstance) -> tuple[str, ...]:
    """Return the paths in the checkout that other jobs hand on to one."""
    kept = {job.name: job.artifacts for job in pipeline.jobs if job.artifacts}
    found = []
    for needed in instance.job.needs_artifacts:
        other = kept.get(needed.from_job)
        paths = needed.paths or ((*other.paths, *other.optional) if other else ())
        found += [posixpath.join(needed.dest, path) for path in paths]
    return tuple(map(posixpath.normpath, found))


def _references(instance: JobInstance) -> dict[str, str]:
    """Return which inputs are exactly one `${{ SECRET }}`."""
    action = instance.job.action
    if not isinstance(action, Plugin):
        return {}
    names = {f"${{{{ {name} }}}}": name for name in instance.job.secrets}
    found = {key: " ".join(value.text.split()) for key, value in action.inputs.items()}
    return {key: names[text] for key, text in found.items() if text in names}


def _examples(instance: JobInstance, plugin: type[PluginClass[Any]] | None) -> dict[str, list[str]]:
    """Return the texts that may stand for a secret: the examples of the input that takes it."""
    fields = plugin.inputs.model_fields.items() if plugin else ()
    examples = {with_key(name): each.examples for name, each in fields if each.examples}
    return {
        # Two secrets must not share a placeholder.
        name: [str(each).replace("…", hashlib.sha256(name.encode()).hexdigest()) for each in examples[key]]
        for key, name in _references(instance).items()
        if key in examples
    }


def _token(name: str, audiences: Iterable[str], instance: JobInstance, issuer: str) -> str:
    """Return a token with what is known about the real one before it is issued."""
    claims = {
        "iss": issuer or f"https://issuer-of-{name.lower().replace('_', '-')}.invalid",
        "aud": list(audiences),
        "sub": instance.name,
        "exp": int(time.time()) + _TOKEN_SECONDS,
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "none"])
