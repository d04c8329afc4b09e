"""GP3xx: references, and outputs between jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from gocdnext_sdk.contract import refs
from gocdnext_sdk.errors import closest
from gocdnext_sdk.host.lint.image_flow import tag_lines
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.rules.secrets import is_secret_name
from gocdnext_sdk.host.lint.view import View
from gocdnext_sdk.host.pipeline.builtins import ALWAYS, SOMETIMES
from gocdnext_sdk.host.pipeline.errors import Diagnostic, suggest
from gocdnext_sdk.host.pipeline.model import Job, Plugin, Script, Value

NOT_EMITTED: Final[Mapping[str, str]] = {
    "CI_COMMIT_BRANCH": "write CI_BRANCH",
    "CI_COMMIT_REF_NAME": "write CI_BRANCH",
    "CI_COMMIT_TAG": "write CI_TAG_NAME",
    "CI_PIPELINE_NAME": "write the name itself",
    "CI_PROJECT_SLUG": "write the slug itself",
}
"""Names that people expect, some of them documented, and that no job has."""


def instead(name: str) -> str:
    """Return what to write instead of a `CI_…` variable that no run has; empty for another name."""
    if name in NOT_EMITTED:
        return NOT_EMITTED[name]
    if not name.startswith("CI_"):
        return ""
    known = (*ALWAYS, *SOMETIMES)
    words = set(name.split("_")) - {"CI"}
    fitting = [each for each in sorted(known) if words & (set(each.split("_")) - {"CI", "NAME"})]
    near = closest(name, known, similarity=0.8) or closest(name, fitting, similarity=0.5)
    return f"did you mean {near}?" if near else "docs/pipeline.md lists the platform's variables"


@rule("GP301", Severity.ERROR)
def unresolvable(view: View) -> Iterator[Diagnostic]:
    """A reference that stands for nothing.

    `${{ NAME }}` must be a secret of the job, a variable, or one of the platform's own; the platform fails
    the job otherwise. Nothing but a plain name or `needs.JOB.outputs.ALIAS` may stand between the braces.
    In `variables:` only secrets and the platform's variables can be referred to. A runner profile may bring
    further names, so a job that chooses one is not checked.
    """
    for use in view.uses:
        known = view.names(use.job).union(use.secrets)
        profile = use.job is not None and bool(use.job.profile)
        for key, value in use.plugin.inputs.items():
            spec = use.spec(key)
            for body in _bodies(value):
                if body in known or (refs.is_name(body) and profile):
                    continue
                if not is_secret_name(view, body, secret_input=bool(spec and spec.secret)):  # GP201
                    yield _unresolvable(value, body, known)
    for job in view.pipeline.jobs:
        known = {*ALWAYS, *SOMETIMES, *job.secrets}
        for value in job.variables.values():
            yield from (_unresolvable(value, body, known) for body in _bodies(value) if body not in known)
    for value in view.pipeline.variables.values():
        for body in _bodies(value):
            if body not in ALWAYS and body not in SOMETIMES and not is_secret_name(view, body):  # GP206
                yield _unresolvable(value, body, {*ALWAYS, *SOMETIMES})


def _bodies(value: Value) -> list[str]:
    """Return what stands between the braces, without references to outputs, each once."""
    return [
        body for body in dict.fromkeys(refs.references(value.text)) if not refs.needed_outputs(_braced(body))
    ]


def _braced(body: str) -> str:
    return f"${{{{ {body} }}}}"


def _unresolvable(value: Value, body: str, known: set[str]) -> Diagnostic:
    if not refs.is_name(body):
        what = f"{_braced(body)} is no reference"
        if body.startswith("secrets."):
            return Diagnostic(value.mark, what, f"write {_braced(body.removeprefix('secrets.'))}")
        return Diagnostic(
            value.mark, what, "a plain name stands between the braces, or needs.JOB.outputs.ALIAS"
        )
    close = closest(body, known, similarity=0.8)
    advice = f"did you mean {close}?" if close else "declare it in `secrets:` or in `variables:`"
    advice = NOT_EMITTED.get(body, advice)
    return Diagnostic(value.mark, f"{_braced(body)} stands for nothing in this job", advice)


@rule("GP302", Severity.ERROR)
def missing_output(view: View) -> Iterator[Diagnostic]:
    """An output that the other job does not give.

    `${{ needs.JOB.outputs.ALIAS }}` wants JOB in this job's own `needs:`, and ALIAS in that job's
    `outputs:`. Of a matrix job it wants one cell: `needs.JOB.matrix[KEY=VALUE].outputs.ALIAS`.
    """
    jobs = {job.name: job for job in view.pipeline.jobs}
    for job in jobs.values():
        inputs = job.action.inputs if isinstance(job.action, Plugin) else {}
        for value in (*inputs.values(), *view.variables(job).values()):
            for needed in dict.fromkeys(refs.needed_outputs(value.text)):
                if wrong := _wrong_output(job, needed, jobs):
                    yield Diagnostic(value.mark, f"job `{job.name}`: {wrong[0]}", wrong[1])


def _wrong_output(job: Job, needed: refs.NeededOutput, jobs: Mapping[str, Job]) -> tuple[str, str] | None:
    other = jobs.get(needed.job)
    if other is None:
        return f"there is no job `{needed.job}`", suggest(needed.job, jobs, "jobs")
    if needed.job not in job.needs:
        return f"`{needed.job}` is not in its `needs:`", f"add `needs: [{needed.job}]`"
    if other.matrix and needed.cell is None:
        cell = ",".join(f"{name}={values[0]}" for name, values in other.matrix.items())
        advice = f"write needs.{other.name}.matrix[{cell}].outputs.{needed.alias}"
        return f"`{other.name}` is a matrix, and no cell is named", advice
    if not other.matrix and needed.cell is not None:
        return f"`{other.name}` has no matrix", f"write needs.{other.name}.outputs.{needed.alias}"
    if needed.alias not in other.outputs:
        advice = f"declare `outputs: {{{needed.alias}: …}}` there"
        if other.outputs:
            advice = suggest(needed.alias, other.outputs, "outputs")
        return f"`{other.name}` declares no output `{needed.alias}`", advice
    return None


@rule("GP303", Severity.ERROR)
def unwritten_output(view: View) -> Iterator[Diagnostic]:
    """A declared output that the plugin does not write.

    The platform fails a job that ends well without one of its declared outputs. On the right side of an
    output stands a name that the plugin documents.
    """
    for use in view.known_uses:
        written = use.manifest.outputs if use.manifest else {}
        if use.job is None or not written:
            continue
        for alias, output in use.job.outputs.items():
            if output.key not in written:
                what = f"{use.name} writes no output {output.key}"
                yield Diagnostic(
                    use.job.at(f"outputs.{alias}"), what, suggest(output.key, written, "outputs")
                )


@rule("GP304", Severity.WARNING)
def literal_reference(view: View) -> Iterator[Diagnostic]:
    """A `${NAME}` that nothing in the file defines.

    In `with:` it stays in the text as it is, without an error, unless the runner profile brings the name.
    Define it in `variables:`, or write `${{ NAME }}`, which fails clearly. Some names that people expect
    exist on no run, such as CI_COMMIT_TAG.
    """
    for use in view.uses:
        if use.job is not None and use.job.profile:
            continue
        known = view.names(use.job).union(use.secrets)
        for key, value in use.plugin.inputs.items():
            for name in dict.fromkeys(refs.soft_references(value.text)):
                if name not in known:
                    advice = instead(name) or f"define {name} in `variables:`"
                    what = f"`{key}` of {use.where}: nothing in the file defines ${{{name}}}"
                    yield Diagnostic(value.mark, what, advice)


@rule("GP305", Severity.WARNING)
def other_event(view: View) -> Iterator[Diagnostic]:
    """A variable that some of the pipeline's runs do not have.

    CI_TAG_NAME exists only on runs that a tag started, CI_PULL_REQUEST_KEY only on those of a pull request.
    This pipeline's `when.event` has other events too, and on their runs the text stays as it is, or the job
    cannot start. A line of `tags` that names what the run lacks is left out, so it may, if another one stays.
    """
    events = view.pipeline.trigger.events
    for use in view.uses:
        defined = {*view.variables(use.job), *use.secrets}
        for key, value in use.plugin.inputs.items():
            spec = use.spec(key)
            droppable = spec is not None and spec.format == "tag-rules" and _keeps_a_tag(value.text)
            soft = () if droppable else refs.soft_references(value.text)
            for name in dict.fromkeys((*refs.references(value.text), *soft)):
                event = SOMETIMES.get(name)
                # A manual run of a pipeline with an upstream material carries what that brought.
                having = {event, "manual"} if event == "upstream" else {event}
                without = [each for each in events if each not in having]
                if event is not None and without and name not in defined:
                    what = f"`{key}` of {use.where}: {name} exists only on runs started by `{event}`"
                    yield Diagnostic(value.mark, what, f"`when.event` has {', '.join(without)}")


def _keeps_a_tag(text: str) -> bool:
    """Tell whether a line of tags stays in a run that has none of the variables of single events."""
    return any(not any(name in SOMETIMES for name in refs.soft_references(tag)) for tag in tag_lines(text))


@rule("GP306", Severity.ERROR)
def reference_in_image(view: View) -> Iterator[Diagnostic]:
    """A reference in `uses:` or `image:`.

    The platform substitutes in `with:` and `variables:` only. Here the text stays as it is, and no image has
    such a name.
    """
    for use in view.uses:
        if "${" in use.plugin.uses.text:
            yield Diagnostic(
                use.mark, f"{use.where}: no reference is resolved in `uses:`", "write the image out"
            )
    for job in view.pipeline.jobs:
        if isinstance(job.action, Script) and "${" in job.action.image:
            what = f"job `{job.name}`: no reference is resolved in `image:`"
            yield Diagnostic(job.at("image"), what, "write the image out")


@rule("GP307", Severity.WARNING)
def soft_in_variables(view: View) -> Iterator[Diagnostic]:
    """A `${NAME}` in `variables:`.

    There it stays in the text as it is; only `${{ NAME }}` is resolved, and only for secrets and the
    platform's own variables. A plugin gets the text with the braces.
    """
    layers = (view.pipeline.variables, *(job.variables for job in view.pipeline.jobs))
    for name, value in (pair for layer in layers for pair in layer.items()):
        for found in dict.fromkeys(refs.soft_references(value.text)):
            better = _braced(found) if found in ALWAYS or found in SOMETIMES else "the text itself"
            what = f"variable {name}: ${{{found}}} is not resolved in `variables:`"
            yield Diagnostic(value.mark, what, f"write {better}")


@rule("GP308", Severity.ERROR)
def reference_in_script(view: View) -> Iterator[Diagnostic]:
    """A reference in `script:`.

    The platform substitutes in `with:` and `variables:` only. A script gets the braces as they stand, and
    the shell ends with "bad substitution". Put an output of another job into the job's `variables:`; these,
    its secrets and the platform's variables are in the script's environment, as `$NAME`.
    """
    for job in view.pipeline.jobs:
        lines = job.action.lines if isinstance(job.action, Script) else ()
        for number, line in enumerate(lines):
            for body in dict.fromkeys(refs.references(line)):
                what = f"job `{job.name}`: {_braced(body)} is not resolved in `script:`"
                yield Diagnostic(job.at(f"script.{number}"), what, _for_a_script(body, view.names(job)))


def _for_a_script(body: str, known: set[str]) -> str:
    """Return how a script gets what a reference stands for."""
    for output in refs.needed_outputs(_braced(body)):
        name = output.alias.upper().replace("-", "_")
        return f"put `{name}: {_braced(body)}` into the job's `variables:`, and write ${name}"
    if not refs.is_name(body):
        return "a script has the job's variables and secrets as $NAME"
    if body in known:
        return f"write ${body}"
    return f"declare {body} in the job's `secrets:` or `variables:`, and write ${body}"


@rule("GP309", Severity.WARNING)
def unknown_builtin(view: View) -> Iterator[Diagnostic]:
    """A `CI_…` variable in `script:` that no run has.

    The shell takes it for empty, so that `git push origin HEAD:$CI_COMMIT_BRANCH` does something else than
    meant. Other CI systems have it; docs/pipeline.md lists the platform's.
    """
    for job in view.pipeline.jobs:
        lines = job.action.lines if isinstance(job.action, Script) else ()
        set_here = {name for line in lines for name in _ASSIGNED.findall(line)}
        known = view.names(job) | set_here
        for number, line in enumerate(lines):
            for name in dict.fromkeys(_SHELL.findall(line)):
                if name not in known and not job.profile:
                    what = f"job `{job.name}`: no run has ${name}"
                    yield Diagnostic(job.at(f"script.{number}"), what, instead(name))


_SHELL = re.compile(r"(?<![\\$])\$\{?(CI_[A-Z0-9_]+)(?![:A-Z0-9_-])")
"""Not `${NAME:-default}`, which expects that it may be missing."""

_ASSIGNED = re.compile(r"\b(CI_[A-Z0-9_]+)=")
