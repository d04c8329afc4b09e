"""GP1xx: `uses:` and `with:`, against the plugin's manifest."""

from __future__ import annotations

from collections.abc import Iterator

from gocdnext_sdk.contract import keys
from gocdnext_sdk.contract.uses import catalog_name
from gocdnext_sdk.errors import closest
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.view import View, is_known
from gocdnext_sdk.host.pipeline.errors import Diagnostic, suggest
from gocdnext_sdk.inputs.model import all_constraints
from gocdnext_sdk.inputs.reader import wrong_values


@rule("GP101", Severity.ERROR)
def unknown_input(view: View) -> Iterator[Diagnostic]:
    """An input that the plugin does not have.

    The plugin refuses the job for it, and so does a server that has the plugin's manifest. It is a
    misspelling, or belongs to another version of the plugin.
    """
    for use in view.known_uses:
        names = [spec.name for spec in use.manifest.inputs] if use.manifest else []
        for key, value in use.plugin.inputs.items():
            if use.spec(key) is None:
                what = f"{use.name} has no input `{key}`"
                yield Diagnostic(value.key or value.mark, what, suggest(key, names, "inputs"))


@rule("GP102", Severity.ERROR)
def missing_input(view: View) -> Iterator[Diagnostic]:
    """A required input that is missing or empty.

    The plugin refuses the job. The server only looks whether the key is there, so an empty value gets past
    it.
    """
    for use in view.known_uses:
        for spec in use.manifest.inputs if use.manifest else ():
            if spec.required and spec.name not in use.given:
                value = use.plugin.inputs.get(spec.name)
                how = "is empty" if value else "is missing"
                yield Diagnostic(
                    value.mark if value else use.mark,
                    f"{use.name} needs the input `{spec.name}`, which {how}",
                    spec.description,
                )


@rule("GP103", Severity.ERROR)
def wrong_value(view: View) -> Iterator[Diagnostic]:
    """A value that the plugin cannot read.

    A boolean, a number, one of a few words, an image reference and so on, by the same parsers that the
    plugin uses. Only values that the file says in full are checked, variables of the file included; with
    another reference in it, a value is known when the job runs.
    """
    for use in view.known_uses:
        texts = {key: view.expand(use.job, value.text) for key, value in use.given.items()}
        known = {key: text.strip() for key, text in texts.items() if text.strip() and is_known(text)}
        for problem in wrong_values(use.model, known):
            what = f"{use.name}, `{problem.key}`: {problem.what}"
            yield Diagnostic(use.at(problem.key), what, problem.advice)


@rule("GP104", Severity.ERROR)
def inputs_together(view: View) -> Iterator[Diagnostic]:
    """Inputs that do not go together.

    Some inputs exclude each other, some are needed together, and some are needed for a certain value of
    another. The plugin refuses the job otherwise.
    """
    for use in view.known_uses:
        for constraint in all_constraints(use.model):
            for problem in constraint.problems(use.texts):
                yield Diagnostic(
                    use.at(problem.key), f"{use.name}, `{problem.key}` {problem.what}", problem.advice
                )


@rule("GP105", Severity.WARNING)
def former_key(view: View) -> Iterator[Diagnostic]:
    """A key that has a successor.

    The plugin still takes it, with a warning in the log, and a later version will not. Write the new key.
    """
    for use in view.known_uses:
        for key, value in use.plugin.inputs.items():
            spec = use.spec(key)
            if spec is not None and spec.successor:
                what = f"{use.name}: `{key}` is deprecated"
                yield Diagnostic(value.key or value.mark, what, f"write `{spec.successor}`")


@rule("GP106", Severity.WARNING)
def other_spelling(view: View) -> Iterator[Diagnostic]:
    """A key spelled otherwise than the manifest spells it.

    `build_args` reaches the plugin like `build-args`, but a server that has the plugin's manifest compares
    the letters and refuses the pipeline. Write the key as the manifest does.
    """
    for use in view.known_uses:
        for key, value in use.plugin.inputs.items():
            spec = use.spec(key)
            if (
                spec is not None and spec.name != key and keys.shared_key(key) == keys.isolated_key(key)
            ):  # GP501
                what = (
                    f"{use.name} spells `{key}` `{spec.name}`, and a server with its manifest insists on that"
                )
                yield Diagnostic(value.key or value.mark, what, f"write `{spec.name}`")


@rule("GP107", Severity.WARNING)
def no_version(view: View) -> Iterator[Diagnostic]:
    """A plugin without a version.

    Without one the registry's `latest` runs, which may be another program tomorrow. Name a channel (`@v1`),
    or a digest (`@sha256:…`) where nothing may change.
    """
    for use in view.uses:
        head, at, _ = use.plugin.image.partition("@")
        _, colon, tag = head.rpartition("/")[2].partition(":")
        if not at and (not colon or tag == "latest"):
            what = f"`{use.plugin.uses.text}` is whatever the registry calls latest"
            yield Diagnostic(use.mark, what, "name a version, as in `@v1`")


@rule("GP108", Severity.WARNING)
def unknown_plugin(view: View) -> Iterator[Diagnostic]:
    """A plugin whose name is almost that of a known one.

    Plugins that have no manifest here are not checked, but one that differs from a known name by a letter or
    two is most likely misspelled, and its image cannot be pulled.
    """
    for use in view.uses:
        name = catalog_name(use.plugin.image)
        if use.manifest is None:
            close = closest(name, view.catalog.names, similarity=0.93)
            if close:
                yield Diagnostic(use.mark, f"there is no known plugin `{name}`", f"did you mean `{close}`?")


@rule("GP109", Severity.NOTE)
def not_checked(view: View) -> Iterator[Diagnostic]:
    """A plugin that is not known here, so that its inputs are not checked.

    What lint knows of a plugin is its manifest. It has those of this project; `--plugins DIRECTORY` gives
    it others: a directory with a plugin.yaml, or a directory of such directories. Of a plugin built with this
    SDK, the image has it too, and is asked if the Docker engine of this machine has that image already.
    """
    told: set[str] = set()
    for use in view.uses:
        if use.manifest is None and use.plugin.image not in told:
            told.add(use.plugin.image)
            what = f"{use.plugin.image} is not known here: its inputs are not checked"
            advice = (
                "--plugins DIRECTORY names where its plugin.yaml is; an image that the engine has is asked"
            )
            yield Diagnostic(use.mark, what, advice)
