"""From a pipeline to a run that has passed every check that needs no engine.

The file, references, secrets and images are checked before anything starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gocdnext_sdk.contract import uses
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import signing
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS, REGISTRY_VARIABLES, SIGSTORE_VARIABLES
from gocdnext_sdk.host.harness.handover import Handed, Handover
from gocdnext_sdk.host.harness.notify import notifications
from gocdnext_sdk.host.harness.options import RunOptions
from gocdnext_sdk.host.harness.preflight import check
from gocdnext_sdk.host.harness.publishing import Publication, images, outside
from gocdnext_sdk.host.harness.stand_in import StandIn, is_meant, login_secrets
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.pipeline import Graph, Run, Sources, revision
from gocdnext_sdk.host.pipeline.model import Job, Pipeline, Plugin, Script, Service
from gocdnext_sdk.host.pipeline.modes import Mode


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that has passed every check.

    Args:
        graph: what runs.
        options: how it runs.
        sources: what references stand for, except for what only a started registry or Sigstore provides.
        workspace: the checkout.
        images: image reference to the one that runs instead.
        builds: image reference to the directory from which it is built first.
        catalog: the plugins that are known.
        handover: where it leaves what jobs give one another, if anywhere.
        reused: what jobs that do not run have left there.
        publications: what it publishes outside of throw-away registries.
        replaced_repositories: those that the registry stands in for.
        replaced_logins: the secrets that log in there: name to `username` or `password`.
    """

    graph: Graph
    options: RunOptions
    sources: Sources
    workspace: Path
    images: Mapping[str, str]
    builds: Mapping[str, Path]
    catalog: Catalog
    handover: Handover | None = None
    reused: Mapping[str, Handed] = field(default_factory=dict)
    publications: tuple[Publication, ...] = ()
    replaced_repositories: frozenset[str] = frozenset()
    replaced_logins: Mapping[str, str] = field(default_factory=dict)

    def image(self, written: str) -> str:
        """Return the image that runs for one that the pipeline names."""
        return self.images.get(written, written)

    def service(self, written: Service) -> Service:
        """Return what runs for a service of the pipeline."""
        return self.options.mode.service(replace(written, image=self.image(written.image)))

    @property
    def mode(self) -> Mode:
        """How the platform's agent would run the jobs, with the images that run."""
        mode = self.options.mode
        if mode.sidecar is None:
            return mode
        return replace(mode, sidecar=replace(mode.sidecar, image=self.image(mode.sidecar.image)))


def prepare(pipeline: Pipeline, options: RunOptions, workspace: Path) -> Prepared:
    """Check everything that can be checked without an engine.

    Args:
        pipeline: as written in its file.
        options: how to run it.
        workspace: the checkout, if `options` name none.

    Raises:
        PipelineError: the pipeline cannot run.
        UsageError: the options do not fit it.
    """
    workspace = (options.workspace or workspace).resolve()
    if options.registry and options.network:
        raise UsageError("--registry and --network exclude each other: jobs run in the registry's network")
    if options.registry_for and not options.registry:
        raise UsageError("--registry-for needs --registry")
    if options.reuse and not (options.jobs and options.handover):
        raise UsageError("--reuse redoes single jobs; name them with --job")
    handover = Handover(options.handover, workspace, pipeline.name) if options.handover else None
    graph = Graph.alone(pipeline, options.jobs) if options.reuse else Graph.of(pipeline, options.jobs)
    if options.network == "host" and options.mode.sidecar and any(each.job.docker for each in graph.jobs):
        raise UsageError(
            f"--as {options.mode.name} gives jobs with `docker: true` a daemon, which would change the "
            "network of this machine",
            "leave out --network host",
        )
    reused = {name: handover.load(name) for name in graph.missing} if handover and options.reuse else {}
    run = options.run or Run(revision=revision.read(workspace))
    sources = Sources(
        run=run if run.project_slug else replace(run, project_slug=_slug(workspace.name)),
        secrets=options.secrets,
        profiles=options.profiles,
        mode=options.mode,
        needs={name: each.outputs for name, each in reused.items()},
    )
    imagined = _checked(graph, sources, options)
    replaced, builds = _replacements(graph, options)
    prepared = Prepared(
        graph=replace(graph, pipeline=graph.pipeline.with_variables(options.variables)),
        options=options,
        sources=sources,
        workspace=workspace,
        images=replaced,
        builds=builds,
        catalog=_catalog(graph, options, replaced, builds.values()),
        handover=handover,
        reused=reused,
    )
    return _published(prepared, *imagined)


def _catalog(
    graph: Graph, options: RunOptions, images: Mapping[str, str], folders: Iterable[Path]
) -> Catalog:
    """Return the plugins that are known: by their folder, or by the image that runs."""
    catalog = Catalog.load(folder for folder in folders if (folder / "plugin.yaml").is_file())
    used = (each.job.action.image for each in graph.jobs if isinstance(each.job.action, Plugin))
    unknown = [each for each in dict.fromkeys(used) if catalog.find(each) is None]
    if not (unknown and options.manifests):
        return catalog
    found = options.manifests(images.get(each, each) for each in unknown)
    named = {each: found.get(images.get(each, each)) for each in unknown}
    return catalog.with_images({image: manifest for image, manifest in named.items() if manifest})


def _checked(graph: Graph, sources: Sources, options: RunOptions) -> tuple[Graph, Sources]:
    """Check the graph with made-up values for what a registry and a Sigstore will provide; return both."""
    variables = {
        **_made_up(REGISTRY_VARIABLES if options.registry else ()),
        **_made_up(SIGSTORE_VARIABLES if options.sigstore else ()),
        **options.variables,
    }
    logins = {name for job in graph.jobs for name, _ in login_secrets(job.job)}
    secrets = {
        **_made_up(logins if options.registry_for else ()),
        **sources.secrets,
        **_made_up(REGISTRY_SECRETS if options.registry else ()),
    }
    graph = replace(graph, pipeline=graph.pipeline.with_variables(variables))
    sources = replace(sources, secrets=secrets)
    _check(graph, sources, options)
    return graph, sources


def _check(graph: Graph, sources: Sources, options: RunOptions) -> None:
    check(
        graph,
        sources,
        default_image=options.default_image,
        issues_tokens=options.sigstore is not None,
        tokens=options.id_tokens,
        notified=[each for _, each in notifications(graph.pipeline)] if options.notify else (),
    )


def _published(prepared: Prepared, graph: Graph, sources: Sources) -> Prepared:
    """Return the run with what it publishes, and what a registry stands in for.

    Raises:
        PipelineError: a job needs a secret after all.
        UsageError: a registry is to stand in for a host to which no job publishes.
    """
    hosts = prepared.options.registry_for
    (registry,) = _made_up(REGISTRY_VARIABLES).values()
    local = {each.name for each in graph.pipeline.services} | {registry}
    if prepared.options.sigstore:
        local.add(signing.PUBLIC_LOG)  # the run's own takes its place
    found = tuple(images(graph, sources, prepared.catalog))
    leaving = outside(found, local)
    if not hosts:
        return replace(prepared, publications=leaving)
    repositories = frozenset(each.image for each in leaving if each.image and is_meant(each.host, hosts))
    if not repositories:
        there = ", ".join(sorted({each.host for each in leaving if each.image})) or "no known registry"
        raise UsageError(f"--registry-for {' '.join(hosts)}: no job publishes there; they publish to {there}")
    logins = dict(each for job in found if job.main in repositories for each in login_secrets(job.job))
    given = {**prepared.sources.secrets, **_made_up((*logins, *REGISTRY_SECRETS))}
    _check(graph, replace(sources, secrets=given), prepared.options)
    username, password = _made_up(REGISTRY_SECRETS).values()
    stand_in = StandIn(registry, username, password, repositories)
    remaining = outside(images(graph, sources, prepared.catalog, stand_in), local)
    return replace(
        prepared, publications=remaining, replaced_repositories=repositories, replaced_logins=logins
    )


def _made_up(names: Iterable[str]) -> dict[str, str]:
    return {name: f"({name})" for name in names}


def _slug(name: str) -> str:
    """Return the slug that the platform would derive from the name of the project's directory."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _replacements(graph: Graph, options: RunOptions) -> tuple[dict[str, str], dict[str, Path]]:
    """Return the replacements of images, and the directories from which to build some of those."""
    posted = tuple(each.plugin.image for each in graph.pipeline.notifications or ())
    used = _images(graph, [job.job for job in graph.jobs], options.mode) + (posted if options.notify else ())
    # What only jobs use that this run leaves out is no mistake.
    known = {*_images(graph, graph.pipeline.jobs, options.mode), *posted}
    for name in (*options.local, *options.use_images):
        if not any(_is_called(image, name) for image in known):
            names = sorted({uses.catalog_name(image) for image in known})
            raise UsageError(f"no job uses an image named {name}; the jobs use {', '.join(names)}")
    images: dict[str, str] = {}
    builds: dict[str, Path] = {}
    # What is said for this run wins over what the project says.
    for local, given in (
        (options.preferred.local, options.preferred.images),
        (options.local, options.use_images),
    ):
        images |= {image: ref for name, ref in given.items() for image in used if _is_called(image, name)}
        for name, folder in local.items():
            for image in used:
                if _is_called(image, name):
                    images[image] = f"localhost/{uses.catalog_name(image)}:dev"
                    builds[images[image]] = folder
    return images, {tag: folder for tag, folder in builds.items() if tag in images.values()}


def _images(graph: Graph, jobs: Iterable[Job], mode: Mode) -> tuple[str, ...]:
    """Return the images of jobs, of the services beside them, and of the daemon that some need."""
    jobs = tuple(jobs)
    actions = (job.action for job in jobs)
    found = [each.image for each in actions if isinstance(each, Plugin | Script) and each.image]
    found += [each.image for each in graph.pipeline.services]
    if mode.sidecar and any(job.docker for job in jobs):
        found.append(mode.sidecar.image)
    return tuple(dict.fromkeys(found))


def _is_called(image: str, name: str) -> bool:
    """Return whether `name` is that image, or the name of that plugin."""
    found = uses.catalog_name(image)
    return name in {image, found, uses.short_name(found)}
