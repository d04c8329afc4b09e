"""What the jobs of a run would publish outside this machine, as far as their plugins declare it.

A plugin's manifest says which inputs name what it pushes, signs or removes (`gocdnext_sdk.inputs.facts`).
Scripts, and plugins that declare nothing, cannot be judged.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gocdnext_sdk.contract import keys
from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import signing
from gocdnext_sdk.host.harness.stand_in import StandIn
from gocdnext_sdk.host.lint.image_flow import Name, words
from gocdnext_sdk.host.lint.view import Use
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.pipeline import Sources, resolve
from gocdnext_sdk.host.pipeline.graph import Graph, JobInstance
from gocdnext_sdk.host.pipeline.model import Job, Plugin, Value
from gocdnext_sdk.host.pipeline.modes import Mode
from gocdnext_sdk.oci.plain_http import hostname, is_loopback
from gocdnext_sdk.oci.reference import Reference

_SHOWN = 6
"""Publications that a message lists."""


@dataclass(frozen=True)
class Publication:
    """One image that a job publishes, signs or removes, or a log in which it signs.

    Args:
        job: the job.
        does: what it does to it.
        image: registry and repository; empty if only the run knows it.
        log: the host of the log, if it is none of an image.
    """

    job: str
    does: str
    image: str = ""
    log: str = ""

    @property
    def host(self) -> str:
        """The registry, or the log."""
        return self.log or self.image.partition("/")[0]

    @property
    def what(self) -> str:
        """What the job does, without its name."""
        return f"{self.does} {self.log or self.image or 'what only the run knows'}"

    def __str__(self) -> str:
        return f"`{self.job}` {self.what}"


@dataclass(frozen=True)
class JobImages:
    """The images of one job.

    Args:
        job: the job.
        published: what it publishes, throw-away registries included.
        read: the repositories that it takes images from.
    """

    job: Job
    published: tuple[Publication, ...]
    read: tuple[str, ...]

    @property
    def main(self) -> str:
        """The repository that its `username` is for; empty if there is none, or only the run knows it."""
        return next(iter([each.image for each in self.published if not each.log] or self.read), "")


def images(
    graph: Graph, sources: Sources, catalog: Catalog, stand_in: StandIn | None = None
) -> Iterator[JobImages]:
    """Yield the images of every job whose plugin is known.

    Args:
        graph: what runs.
        sources: what references stand for. Outputs of needed jobs are made up: each is the image that the
            job publishes or reads.
        catalog: the plugins that are known.
        stand_in: what replaces hosts.

    Raises:
        PipelineError: a job cannot be resolved.
    """
    needs: dict[str, JobOutputs] = dict(sources.needs)
    for instance in graph.jobs:
        image = ""
        if isinstance(instance.job.action, Plugin):
            tokens = {name: f"({name})" for name in instance.job.id_tokens}
            resolved = resolve(graph.pipeline, instance, replace(sources, needs=needs, id_tokens=tokens))
            use = use_of(instance, resolved.env, catalog, sources.mode)
            if use is not None and stand_in is not None:
                environ = stand_in.applied(resolved.env, use, sources.mode)
                use = use_of(instance, environ, catalog, sources.mode)
            if use is not None:
                found = JobImages(instance.job, tuple(_published(use, instance.name)), tuple(_read(use)))
                image = found.main
                yield found
        values = dict.fromkeys(instance.job.outputs, image)
        needs[instance.job.name] = instance.collect(needs.get(instance.job.name), values)


def use_of(instance: JobInstance, environ: Mapping[str, str], catalog: Catalog, mode: Mode) -> Use | None:
    """Return how a job uses its plugin, with the inputs as its container gets them; None if it is unknown."""
    plugin = instance.job.action
    manifest = catalog.find(plugin.image) if isinstance(plugin, Plugin) else None
    if manifest is None or not isinstance(plugin, Plugin):
        return None
    variables = ((each.name, keys.variable(each.name, mode.transform)) for each in manifest.inputs)
    inputs = {key: Value(environ[name], plugin.uses.mark) for key, name in variables if name in environ}
    job = instance.job
    given = replace(plugin, inputs=inputs)
    return Use(job.name, given, manifest, catalog.inputs(manifest), job, job.secrets, frozenset(environ))


def outside(found: Iterable[JobImages], local: Collection[str]) -> tuple[Publication, ...]:
    """Return what leaves this machine, each once.

    Args:
        found: the jobs of a run.
        local: names of hosts that end with the run, beside those on this machine's loopback.
    """
    every = dict.fromkeys(each for job in found for each in job.published)
    return tuple(each for each in every if hostname(each.host) not in local and not is_loopback(each.host))


def demand_word(found: Sequence[Publication], *, said: bool) -> None:
    """Refuse to publish without a word.

    Args:
        found: what leaves this machine.
        said: whether it may.

    Raises:
        UsageError: it may not.
    """
    if not found or said:
        return
    hosts = sorted({each.host for each in found if each.image})
    keep = [f"--registry-for {hosts[0] if len(hosts) == 1 else 'all'}"] * bool(hosts)
    keep += ["--sigstore"] * any(each.log for each in found)
    instead = f", {' and '.join(keep)} to keep it on this machine" if keep else ""
    raise UsageError(f"this would publish: {listed(found)}", f"pass --publish to do so{instead}")


def listed(found: Sequence[Publication]) -> str:
    """Return publications as one line."""
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + more


def _published(use: Use, job: str) -> Iterator[Publication]:
    if (fact := use.publishes) and not (fact.push and use.is_false(fact.push)):
        for image in _names(use.text(fact.image)):
            yield Publication(job, "pushes", image)
    for each in use.facts.writes:
        if use.holds(each.when):
            for image in written(use.text(each.image)):
                yield Publication(job, "writes to", image)
    if use.signs and not use.publishes:
        for image in _read(use):
            yield Publication(job, "signs", image)
    if signing.is_public(use):
        yield Publication(job, "writes to the log of", log=signing.PUBLIC_LOG)


def _read(use: Use) -> Iterator[str]:
    for key in dict.fromkeys(fact.image for fact in use.facts.reads if use.holds(fact.when)):
        if use.text(key):
            yield from _names(use.text(key).removeprefix("docker://"))


def _names(text: str) -> Iterator[str]:
    # A text that is there and names nothing stands for what only the run knows.
    yield from (Name.parse(word).repository for word in words(text) or [""])


def written(text: str) -> Iterator[str]:
    """Yield the repositories that an input of `Writes` names, as far as they are images.

    Args:
        text: an image, BuildKit's cache entry, or ``SOURCE=TARGET``, one a line.
    """
    for line in filter(None, map(str.strip, text.splitlines())):
        if entry := re.search(r"(?:^|,)type=([^,]*)", line):
            found = re.search(r"(?:^|,)ref=([^,]*)", line)
            name = found[1] if found and entry[1] == "registry" else ""
        else:
            name = line.rpartition("=")[2]
        if "/" in name:
            try:
                yield Reference.parse(name).name
            except ValueError:
                yield Name.parse(name).repository
