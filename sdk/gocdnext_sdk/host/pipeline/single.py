"""A pipeline of one job, for a plugin that is looked at alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gocdnext_sdk.host.pipeline.errors import Mark
from gocdnext_sdk.host.pipeline.graph import JobInstance
from gocdnext_sdk.host.pipeline.model import Job, Pipeline, Plugin, Value

COMMAND_LINE = Mark("--with", 1, 1)
"""The place of all that is in no file."""


def single(
    image: str,
    inputs: Mapping[str, str],
    *,
    name: str = "plugin",
    variables: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    docker: bool = False,
) -> tuple[Pipeline, JobInstance]:
    """Return a pipeline whose only job uses a plugin, and the job as it is instance.

    Args:
        image: the plugin's.
        inputs: the `with:` map.
        name: of the job.
        variables: of the job.
        secrets: names that it may see.
        docker: whether it gets a Docker daemon.
    """
    with_ = {key: Value(text, COMMAND_LINE) for key, text in inputs.items()}
    job = Job(
        name=name,
        stage="all",
        mark=COMMAND_LINE,
        action=Plugin(image, with_, Value(image, COMMAND_LINE)),
        variables={key: Value(text, COMMAND_LINE) for key, text in (variables or {}).items()},
        secrets=tuple(secrets),
        docker=docker,
    )
    return Pipeline(name=name, mark=COMMAND_LINE, stages=("all",), jobs=(job,)), JobInstance(job)
