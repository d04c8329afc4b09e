"""A pipeline as rules see it: plugins with their manifests, known values, and the order of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gocdnext_sdk.contract import keys, refs
from gocdnext_sdk.contract.uses import short_name
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest
from gocdnext_sdk.host.pipeline.builtins import ALWAYS, SOMETIMES
from gocdnext_sdk.host.pipeline.errors import Mark
from gocdnext_sdk.host.pipeline.model import Job, Pipeline, Plugin, Value
from gocdnext_sdk.inputs.constraints import Given
from gocdnext_sdk.inputs.facts import Publishes, Signs, When
from gocdnext_sdk.inputs.model import PluginInputs
from gocdnext_sdk.inputs.reader import given_texts, wrong_values


def is_known(text: str) -> bool:
    """Tell whether the file contains the whole value, so that it can be checked before a run."""
    return "${" not in text


@dataclass(frozen=True)
class Use:
    """A use of a plugin, by a job or a notification.

    Args:
        where: the job or notification, for messages.
        plugin: its image and inputs.
        manifest: the plugin's manifest; None if it is not known.
        model: its inputs, as they are read.
        job: the job; None for a notification.
        secrets: the names it may see.
        names: those of the variables that it sees, as far as is known.
    """

    where: str
    plugin: Plugin
    manifest: Manifest | None
    model: type[PluginInputs]
    job: Job | None
    secrets: tuple[str, ...]
    names: frozenset[str] = frozenset()

    @property
    def mark(self) -> Mark:
        """Where `uses:` names the plugin."""
        return self.plugin.uses.mark

    @property
    def name(self) -> str:
        """The plugin's short name, such as `trivy`; empty if it is not known."""
        return short_name(self.manifest.name) if self.manifest else ""

    @property
    def facts(self) -> Facts:
        """The facts that the plugin declares; none if it is not known."""
        return self.manifest.facts if self.manifest else Facts()

    @property
    def has_login(self) -> bool:
        """Whether the job may be logged in at its image's registry, by inputs or by a runner profile."""
        profile = self.job is not None and bool(self.job.profile)
        specs = self.manifest.inputs if self.manifest else ()
        return profile or any(spec.login and spec.name in self.given for spec in specs)

    @property
    def publishes(self) -> Publishes | None:
        """What it publishes with these inputs."""
        fact = self.facts.publishes
        return fact if fact is not None and self.holds(fact.when) else None

    @property
    def signs(self) -> tuple[Signs, ...]:
        """How it signs with these inputs."""
        possible = (each for each in self.facts.signs if self.holds(each.when))
        return tuple(each for each in possible if not each.optional or self.can(each))

    def can(self, signs: Signs) -> bool:
        """Whether there is something to sign with: a key, or a token."""
        given = {signs.key, signs.key_content, signs.identity}
        return not given.isdisjoint(self.given) or self.token_name(signs) in self.names

    def token_name(self, signs: Signs) -> str:
        """The name under which the job declares the token to sign with; empty if it is an input only."""
        return self.text(signs.identity_name) or signs.token

    @property
    def gates(self) -> bool:
        """Whether it fails the job when what it reads is not good enough."""
        fact = self.facts.gates
        return fact is not None and self.holds(fact.when) and not (fact.unless and self.holds(fact.unless))

    @cached_property
    def given(self) -> Mapping[str, Value]:
        """Inputs that are there and not empty, by the manifest's spelling, former keys renewed."""
        found: dict[str, Value] = {}
        for key, value in self.plugin.inputs.items():
            spec = self.spec(key)
            if spec is not None and value.text.strip():
                found.setdefault(spec.successor or spec.name, value)
        return found

    def spec(self, key: str) -> InputSpec | None:
        """The input that the plugin reads a key as, in any spelling; None if there is none."""
        if self.manifest is None:
            return None
        exact = self.manifest.input(key)
        if exact is not None:
            return exact
        variable = keys.variable(key)
        return next((each for each in self.manifest.inputs if keys.variable(each.name) == variable), None)

    @cached_property
    def texts(self) -> Given:
        """What constraints and facts look at: the text of what is given or has a default."""
        texts = {key: value.text.strip() for key, value in self.given.items()}
        unknown = [key for key in self.plugin.inputs if self.spec(key) is None]
        wrong = [problem.key for problem in wrong_values(self.model, texts)]
        return given_texts(self.model, texts, unknown + wrong)

    def text(self, key: str) -> str:
        """An input's text, or its default's; empty if it has neither."""
        if key in self.given:
            return self.given[key].text.strip()
        spec = self.manifest.input(key) if self.manifest else None
        return (spec.default or "") if spec else ""

    def is_false(self, key: str) -> bool:
        """Whether an input is certainly false."""
        return self.texts.get(key) == "false"

    def is_true(self, key: str) -> bool:
        """Whether an input is certainly true."""
        return self.texts.get(key) == "true"

    def holds(self, when: When) -> bool:
        """Whether inputs certainly have the values that a fact states."""
        return all(
            not self._lines(key).isdisjoint((values,) if isinstance(values, str) else values)
            for key, values in when.items()
        )

    def _lines(self, key: str) -> set[str]:
        text = self.texts.get(key, "")
        return {text, *map(str.strip, text.splitlines())}

    def at(self, key: str) -> Mark:
        """Where an input's value stands, or else the plugin."""
        return self.given[key].mark if key in self.given else self.mark


class View:
    """One pipeline, for rules.

    Args:
        pipeline: what the file says.
        catalog: the plugins that are known.
    """

    def __init__(self, pipeline: Pipeline, catalog: Catalog) -> None:
        self.pipeline = pipeline
        self.catalog = catalog

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every use of a plugin."""
        jobs = (
            self._use(f"job `{job.name}`", job.action, job, job.secrets)
            for job in self.pipeline.jobs
            if isinstance(job.action, Plugin)
        )
        others = (
            self._use("the notification", each.plugin, None, each.secrets)
            for each in self.pipeline.notifications or ()
        )
        return (*jobs, *others)

    def _use(self, where: str, plugin: Plugin, job: Job | None, secrets: tuple[str, ...]) -> Use:
        manifest = self.catalog.find(plugin.image)
        model = self.catalog.inputs(manifest) if manifest else PluginInputs
        return Use(where, plugin, manifest, model, job, secrets, frozenset(self.names(job)))

    @cached_property
    def known_uses(self) -> tuple[Use, ...]:
        """Those whose plugin has a manifest here."""
        return tuple(use for use in self.uses if use.manifest is not None)

    def variables(self, job: Job | None) -> Mapping[str, Value]:
        """The variables of a job as written: the pipeline's, and its own over them."""
        return {**self.pipeline.variables, **(job.variables if job else {})}

    def names(self, job: Job | None) -> set[str]:
        """What references in `with:` may stand for, as far as the file says."""
        found = {*ALWAYS, *SOMETIMES, *self.variables(job)}
        if job is not None:
            found |= {*job.secrets, *job.id_tokens, *job.matrix}
            if job.matrix:
                found.add("GOCDNEXT_MATRIX")
        return found

    def expand(self, job: Job | None, text: str) -> str:
        """Replace what the file itself decides, and write what is left in one way, so that texts compare."""
        decided = {
            name: value.text
            for name, value in self.variables(job).items()
            if is_known(value.text) and not (job and name in {*job.secrets, *job.id_tokens, *job.matrix})
        }
        strict = refs.replace_strict(text.strip(), lambda body: decided.get(body, f"${{{{ {body} }}}}"))
        return refs.resolve_soft(strict, decided)

    @cached_property
    def _before(self) -> Mapping[str, frozenset[str]]:
        earlier: dict[str, frozenset[str]] = {}
        done: frozenset[str] = frozenset()
        for stage in self.pipeline.stages:
            earlier[stage] = done
            done = done.union(job.name for job in self.pipeline.jobs if job.stage == stage)
        jobs = {job.name: job for job in self.pipeline.jobs}
        found: dict[str, frozenset[str]] = {}

        waiting = list(reversed(jobs))
        while waiting:  # a chain of needs may be longer than Python's stack
            job = jobs[waiting[-1]]
            if missing := [name for name in job.needs if name not in found]:
                waiting += missing
                continue
            waiting.pop()
            if job.name not in found:
                found[job.name] = earlier[job.stage].union(job.needs, *(found[name] for name in job.needs))
        return found

    def before(self, job: Job) -> frozenset[str]:
        """The names of the jobs that are certainly done when `job` starts."""
        return self._before[job.name]
