"""Templates: `extends:` chains merged into plain jobs.

Source: upstream `server/pkg/parser/extends.go`, with its gaps: some keys of the extending job
are lost without a word, which here at least gives a notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gocdnext_sdk.host.pipeline.decode import Decoder, Fields
from gocdnext_sdk.host.pipeline.errors import suggest
from gocdnext_sdk.host.pipeline.model import Value

_TEXTS: Final = ("stage", "image", "uses", "timeout")
_WHOLE: Final = (
    "script",
    "needs",
    "secrets",
    "tags",
    "cache",
    "needs_artifacts",
    "rules",
    "test_reports",
    "artifacts",
    "parallel",
    "when",
    "approval",
)
_MERGED: Final = ("settings", "with", "variables")
_LOST: Final = (
    "coverage_report",
    "id_tokens",
    "agent",
    "resources",
    "cluster",
    "outputs",
    "deploy",
)


def is_template(name: str) -> bool:
    """Tell whether a job of this name never runs and only serves `extends:`."""
    return name.startswith(".")


def flatten(jobs: Mapping[str, Fields], decoder: Decoder) -> dict[str, Fields]:
    """Return the jobs that run, each with what it extends merged in; templates are gone.

    A broken chain is reported once; its jobs are left out.
    """
    done: dict[str, Fields | None] = {}

    def resolve(name: str, chain: tuple[str, ...]) -> Fields | None:
        if name in done:
            return done[name]
        job = jobs[name]
        result: Fields | None = job
        if parent := job.text("extends"):
            result = None
            if parent in (*chain, name):
                decoder.error(
                    job.at("extends"),
                    f"job `{name}` extends itself: {' -> '.join((*chain, name, parent))}",
                    "break the cycle",
                )
            elif parent not in jobs:
                decoder.error(
                    job.at("extends"),
                    f"job `{name}` extends `{parent}`, which is not in this file",
                    suggest(parent, jobs, "jobs"),
                )
            elif (base := resolve(parent, (*chain, name))) is not None:
                result = _merge(base, job, name, decoder)
        done[name] = result
        return result

    flat = {name: resolve(name, ()) for name in jobs}
    return {name: job for name, job in flat.items() if job is not None and not is_template(name)}


def _merge(base: Fields, child: Fields, name: str, decoder: Decoder) -> Fields:
    values: dict[str, Any] = {k: v for k, v in base.values.items() if k != "environment"}
    marks = {k: v for k, v in base.marks.items() if k != "environment"} | {
        k: v for k, v in child.marks.items() if k not in _LOST
    }
    for key, value in child.values.items():
        if key in _TEXTS:
            if isinstance(value, Value) and value.text:
                values[key] = value
        elif key in _WHOLE or key in {"environment", "extends"}:
            values[key] = value
        elif key in _MERGED:
            values[key] = {**values.get(key, {}), **value}
        elif key in {"docker", "retry"}:
            # Switched on or set, never back.
            values[key] = value or values.get(key, value)
    for key in _LOST:
        if key in child.values:
            decoder.notice(
                child.at(key),
                f"job `{name}`: the platform ignores `{key}` in a job that extends another",
                f"move it to `{child.text('extends')}`",
            )
    if child.values.get("docker") is False and base.values.get("docker"):
        decoder.notice(
            child.at("docker"),
            f"job `{name}`: `docker: false` cannot switch off what it extends",
            f"remove `docker: true` from `{child.text('extends')}`",
        )
    return Fields(child.mark, values, marks)
