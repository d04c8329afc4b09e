"""GP0xx: the file itself."""

from __future__ import annotations

from collections.abc import Iterator

from gocdnext_sdk.contract import keys
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.view import View
from gocdnext_sdk.host.pipeline.builtins import ALWAYS
from gocdnext_sdk.host.pipeline.errors import Diagnostic


@rule("GP001", Severity.ERROR)
def refused(view: View) -> Iterator[Diagnostic]:
    """The platform refuses the file.

    It is not YAML, has a key the platform does not know, or breaks one of its rules: the pipeline would not
    be accepted. Nothing else is checked until this is fixed.
    """
    return iter(())  # such a file gives no view; `check` reports what the parser says


@rule("GP002", Severity.WARNING)
def ignored(view: View) -> Iterator[Diagnostic]:
    """The platform ignores what is written.

    It accepts some keys and does nothing with them, so that a job looks as if it were retried, timed out or
    run several times, and is not; and it sets its own variables, such as CI_BRANCH, over the pipeline's.
    Remove what has no effect.
    """
    collisions = {
        use.plugin.inputs[names[-1]].mark for use in view.uses for names in keys.collisions(use.plugin.inputs)
    }
    for notice in view.pipeline.notices:
        if notice.mark not in collisions:  # GP502
            yield notice
    for variables in (view.pipeline.variables, *(job.variables for job in view.pipeline.jobs)):
        for name, value in variables.items():
            if name in ALWAYS:
                what = f"the platform sets {name} itself, over what is written"
                yield Diagnostic(value.key or value.mark, what, "give yours another name")


@rule("GP004", Severity.ERROR)
def empty_stage(view: View) -> Iterator[Diagnostic]:
    """A stage without a job.

    The platform waits for the stage's jobs to end, and none ever does: the run hangs there until somebody
    cancels it. A local run leaves such a stage out. Templates, whose names begin with a dot, are no jobs.
    """
    used = {job.stage for job in view.pipeline.jobs}
    for stage in dict.fromkeys(view.pipeline.stages):
        if stage not in used:
            what = f"no job is in stage `{stage}`, and the run hangs there"
            yield Diagnostic(view.pipeline.mark, what, "remove it from `stages:`")


@rule("GP003", Severity.WARNING)
def idle_comment(view: View) -> Iterator[Diagnostic]:
    """A comment that suppresses nothing.

    `# gocdnext: ignore=GP101 reason` suppresses a rule on its own line, or, standing alone, on the next line.
    One that names no rule, finds nothing to suppress, or gives no reason hides more than it helps: fix or
    remove it.
    """
    return iter(())  # known only after all other rules; see `suppress`
