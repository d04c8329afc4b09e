"""GP5xx: what differs between modes of the platform's agent: a pipeline works in one and not in another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gocdnext_sdk.contract import keys
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.view import View
from gocdnext_sdk.host.pipeline.errors import Diagnostic

_KUBERNETES = re.compile(r"\$\$|\$\([A-Za-z_.-][A-Za-z0-9_.-]*\)")


@rule("GP501", Severity.WARNING)
def mode_spelling(view: View) -> Iterator[Diagnostic]:
    """A key that becomes another variable in another mode of the agent.

    `targetEnv` becomes PLUGIN_TARGET_ENV on Docker and PLUGIN_TARGETENV on Kubernetes in
    isolated mode. Most plugins look for one of the two. Lower-case words joined by `-` are the same
    everywhere.
    """
    for use in view.uses:
        for key, value in use.plugin.inputs.items():
            shared, isolated = keys.variable(key, "shared"), keys.variable(key, "isolated")
            if shared != isolated:
                spec = use.spec(key)
                better = spec.name if spec else shared.removeprefix(keys.PREFIX).lower().replace("_", "-")
                what = f"`{key}` is {shared} on Docker and {isolated} on Kubernetes in isolated mode"
                yield Diagnostic(value.key or value.mark, what, f"write `{better}`")


@rule("GP502", Severity.ERROR)
def same_variable(view: View) -> Iterator[Diagnostic]:
    """Two keys that end up in one variable.

    `build-args` and `build_args` are both PLUGIN_BUILD_ARGS. The platform takes any one of the two, and not
    always the same. Keep one.
    """
    for use in view.uses:
        inputs = use.plugin.inputs
        groups = {
            names: keys.variable(names[0], transform)
            for transform in keys.TRANSFORMS
            for names in keys.collisions(inputs, transform)
        }
        for names, variable in groups.items():
            last = inputs[names[-1]]
            what = f"{' and '.join(f'`{name}`' for name in names)} are both {variable}"
            yield Diagnostic(last.key or last.mark, what, "keep one of them")


@rule("GP503", Severity.WARNING)
def kubernetes_rewrites(view: View) -> Iterator[Diagnostic]:
    """A value that Kubernetes rewrites.

    On Kubernetes `$$` becomes `$`, and `$(NAME)` the value of NAME, in everything the job gets through its
    environment; on Docker both stay. Write it in a way that needs neither, or read it from a file.
    """
    values = [
        (f"`{key}` of {use.where}", each) for use in view.uses for key, each in use.plugin.inputs.items()
    ]
    for layer in (view.pipeline.variables, *(job.variables for job in view.pipeline.jobs)):
        values += [(f"variable {name}", each) for name, each in layer.items()]
    for where, value in values:
        if found := _KUBERNETES.search(value.text):
            yield Diagnostic(value.mark, f"{where}: Kubernetes rewrites `{found[0]}`", "write it without")


@rule("GP504", Severity.WARNING)
def overridden_input(view: View) -> Iterator[Diagnostic]:
    """A variable or secret that replaces an input.

    The job's own variables win over `with:`. One that is called PLUGIN_TAGS is the input `tags`, whatever
    `with:` says. Rename it, or write the input.
    """
    for use in view.uses:
        if use.job is None:
            continue
        variables = {keys.variable(key): key for key in use.plugin.inputs}
        marks = {name: value.key or value.mark for name, value in view.variables(use.job).items()}
        marks |= {name: use.job.at(f"secrets.{name}") for name in use.job.secrets}
        for name, mark in marks.items():
            if name in variables:
                what = f"{name} replaces the input `{variables[name]}` of {use.where}"
                yield Diagnostic(mark, what, f"rename it, or write `{variables[name]}:` alone")
