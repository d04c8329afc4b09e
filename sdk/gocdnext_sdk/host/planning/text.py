"""A plan as text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from gocdnext_sdk.host.planning.model import RunPlan, Step
from gocdnext_sdk.host.planning.plan_pipeline import JobPlan

_PLAIN = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ"})
"""Variables that every tool sees, and that are not worth showing."""


def lines(job: JobPlan) -> Iterator[str]:
    """Yield a job's plan, line by line."""
    daemon = ", with a Docker daemon" if job.docker else ""
    yield f"{job.name} ({job.stage}): {job.image or 'no image'}{daemon}"
    for problem in job.problems:
        yield f"  error: {problem}"
    for notice in job.notices:
        yield f"  note: {notice}"
    if job.note and not job.problems:
        yield f"  {job.note}"
    if job.run is not None:
        yield from (f"  {line}" for line in _run(job.run))
    for publication in job.publications:
        yield f"  outside  {publication}"


def _run(run: RunPlan) -> Iterator[str]:
    for key, value in run.inputs.items():
        yield f"with     {key}: {_one_line(value)}"
    for login in run.logins:
        yield f"login    {login.host}: {login.username}, {login.password}"
    for warning in run.warnings:
        yield f"warning  {warning}"
    for step in run.steps:
        yield from _step(step)
    if run.ends:
        yield f"…        {run.ends}"
    for name, value in run.outputs.items():
        yield f"output   {name}={value}"
    if run.unknown:
        yield f"output   {', '.join(run.unknown)}: only a run knows"


def _step(step: Step) -> Iterator[str]:
    if step.action == "run":
        yield f"run      {' '.join(map(_word, step.words))}"
        if seen := [name for name in step.environ if name not in _PLAIN]:
            yield f"         sees {', '.join(seen)}"
    elif step.action == "look up":
        yield f"look up  {step.words[0]}: {step.answer}"
    elif step.action == "tag":
        yield f"tag      {step.words[0]}"
    elif step.action == "request":
        yield f"request  {' '.join(step.words)}"
    elif step.action == "write":
        yield f"write    {step.words[0]}"
    else:
        yield f"daemon   {step.action} {' '.join(map(_word, step.words))}"


def _word(text: str) -> str:
    """Quote as a shell wants it, but leave `<names>` readable."""
    return text if "<" in text and not any(char in text for char in "'\"\n") else shlex.quote(text)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))
