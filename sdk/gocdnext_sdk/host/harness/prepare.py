"""From a pipeline to a run that has passed every check that needs no engine.

The file, references, secrets and images are checked before anything starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gocdnext_sdk.contract import uses
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS, REGISTRY_VARIABLES, SIGSTORE_VARIABLES
from gocdnext_sdk.host.harness.options import RunOptions
from gocdnext_sdk.host.harness.preflight import check
from gocdnext_sdk.host.pipeline import Graph, Run, Sources, revision
from gocdnext_sdk.host.pipeline.model import Pipeline, Plugin, Script


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
    """

    graph: Graph
    options: RunOptions
    sources: Sources
    workspace: Path
    images: Mapping[str, str]
    builds: Mapping[str, Path]


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
    graph = Graph.of(pipeline, options.jobs)
    run = options.run or Run(revision=revision.read(workspace))
    sources = Sources(
        run=run if run.project_slug else replace(run, project_slug=_slug(workspace.name)),
        secrets=options.secrets,
    )
    _check(graph, sources, options)
    images, builds = _replacements(graph, options)
    return Prepared(
        graph=replace(graph, pipeline=graph.pipeline.with_variables(options.variables)),
        options=options,
        sources=sources,
        workspace=workspace,
        images=images,
        builds=builds,
    )


def _check(graph: Graph, sources: Sources, options: RunOptions) -> None:
    """Check the graph with made-up values for what the registry and the Sigstore will provide."""
    variables = {
        **_made_up(REGISTRY_VARIABLES if options.registry else ()),
        **_made_up(SIGSTORE_VARIABLES if options.sigstore else ()),
        **options.variables,
    }
    secrets = {**sources.secrets, **_made_up(REGISTRY_SECRETS if options.registry else ())}
    check(
        replace(graph, pipeline=graph.pipeline.with_variables(variables)),
        replace(sources, secrets=secrets),
        default_image=options.default_image,
        issues_tokens=options.sigstore is not None,
        tokens=options.id_tokens,
    )


def _made_up(names: tuple[str, ...]) -> dict[str, str]:
    return {name: f"({name})" for name in names}


def _slug(name: str) -> str:
    """Return the slug that the platform would derive from the name of the project's directory."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _replacements(graph: Graph, options: RunOptions) -> tuple[dict[str, str], dict[str, Path]]:
    """Return the replacements of images, and the directories from which to build some of those."""
    used = {
        action.image: uses.catalog_name(action.image)
        for job in graph.jobs
        if isinstance(action := job.job.action, Plugin | Script) and action.image
    }
    for name in (*options.local, *options.use_images):
        if name not in used.values():
            raise UsageError(
                f"no job uses an image named {name}; the jobs use {', '.join(sorted(set(used.values())))}"
            )
    built = {name: f"localhost/{name}:dev" for name in options.local}
    wanted = {**options.use_images, **built}
    images = {image: wanted[name] for image, name in used.items() if name in wanted}
    return images, {built[name]: folder for name, folder in options.local.items()}
