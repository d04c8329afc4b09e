"""What is legal and probably not meant: known only once it is clear what starts the run."""

from __future__ import annotations

from collections.abc import Iterator

from gocdnext_sdk.contract import refs
from gocdnext_sdk.errors import closest
from gocdnext_sdk.host.pipeline.builtins import Run, variables, why_unset
from gocdnext_sdk.host.pipeline.errors import Diagnostic
from gocdnext_sdk.host.pipeline.graph import Graph
from gocdnext_sdk.host.pipeline.model import GIVEN, Plugin


def surprises(graph: Graph, run: Run) -> Iterator[Diagnostic]:
    """Yield what people should know before the jobs of a graph run.

    A variable that is given is spelt almost like one of the pipeline's; an input says `${CI_…}` for what this
    run has not, which the platform leaves as it is written.
    """
    pipeline = graph.pipeline
    own = {name: value for name, value in pipeline.variables.items() if value.mark != GIVEN}
    for name in pipeline.variables.keys() - own.keys():
        if near := closest(name, own, similarity=0.7):
            what = f"the pipeline's variable is {near}, and {name} is given"
            yield Diagnostic(own[near].mark, what, f"did you mean {near}?")
    for job in dict.fromkeys(instance.job.name for instance in graph.jobs):
        found = pipeline.job(job)
        known = {*variables(run, job), *pipeline.variables, *found.variables, *found.secrets}
        for key, value in (found.action.inputs if isinstance(found.action, Plugin) else {}).items():
            for name in dict.fromkeys(refs.soft_references(value.text)):
                if name not in known and (why := why_unset(name)):
                    reason, advice = why
                    what = f"job `{job}`, with.{key}: {reason}; it stays as it is written"
                    yield Diagnostic(value.mark, what, advice)
