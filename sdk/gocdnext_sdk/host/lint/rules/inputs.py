"""GP1xx: `uses:` and `with:`, against the plugin's manifest."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from gocdnext_sdk.contract import keys
from gocdnext_sdk.contract.uses import catalog_name
from gocdnext_sdk.errors import Invalid, Problem
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.view import Use, View, is_known
from gocdnext_sdk.host.manifest.model import InputSpec
from gocdnext_sdk.host.pipeline.errors import Diagnostic, suggest
from gocdnext_sdk.inputs.parsers import parse_boolean, parse_items, parse_pairs, parse_words
from gocdnext_sdk.oci.reference import Reference, Registry, is_tag


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
                    f"it is: {spec.description}",
                )


@rule("GP103", Severity.ERROR)
def wrong_value(view: View) -> Iterator[Diagnostic]:
    """A value that the plugin cannot read.

    A boolean, a number, one of a few words, an image reference and so on, by the same parsers that the
    plugin uses. Only values that the file says in full are checked; with a reference in it, a value is
    known when the job runs.
    """
    for use in view.known_uses:
        for key, value in use.plugin.inputs.items():
            spec = use.spec(key)
            text = value.text.strip()
            if spec is None or spec.secret or not text or not is_known(text):
                continue
            try:
                _read(spec, text)
            except ValueError as error:
                problem = Problem.of(key, error)
                yield Diagnostic(value.mark, f"{use.name}, `{key}`: {problem.what}", problem.advice)


@rule("GP104", Severity.ERROR)
def inputs_together(view: View) -> Iterator[Diagnostic]:
    """Inputs that do not go together.

    Some inputs exclude each other, some are needed together, and some are needed for a certain value of
    another. The plugin refuses the job otherwise.
    """
    for use in view.known_uses:
        texts = _texts(use)
        for constraint in use.manifest.constraints if use.manifest else ():
            for problem in constraint.problems(texts):
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
            close = difflib.get_close_matches(name, view.catalog.names, n=1, cutoff=0.93)
            if close:
                yield Diagnostic(
                    use.mark, f"there is no known plugin `{name}`", f"did you mean `{close[0]}`?"
                )


def _texts(use: Use) -> dict[str, str]:
    """Return what constraints look at: what is given, and the defaults; booleans in one spelling."""
    texts: dict[str, str] = {}
    for spec in use.manifest.inputs if use.manifest else ():
        if text := use.text(spec.name):
            if spec.type == "boolean" and (use.is_true(spec.name) or use.is_false(spec.name)):
                text = str(use.is_true(spec.name)).lower()
            texts[spec.name] = text
    return texts


def _read(spec: InputSpec, text: str) -> None:
    """Read a value as the plugin will.

    Raises:
        ValueError: it cannot be read; what is wrong, and after "; " what to do.
    """
    if spec.choices and text not in spec.choices:
        close = difflib.get_close_matches(text.lower(), spec.choices, n=1)
        advice = f'did you mean "{close[0]}"?' if close else "choose one of them"
        raise Invalid(f'"{text}" is not one of {", ".join(spec.choices)}', f"{advice}")
    if spec.type == "boolean":
        parse_boolean(text)
    elif spec.type == "integer":
        if not re.fullmatch(r"[-+]?[0-9]+", text):
            raise Invalid(f'"{text}" is not a whole number')
    elif spec.format is not None and (read := _READERS.get(spec.format)):
        read(text)
    if spec.items:
        _check_items(spec, text)


def _check_items(spec: InputSpec, text: str) -> None:
    allowed = {item.lower() for item in spec.items}
    for item in parse_items(text) if spec.format == "items" else parse_words(text):
        if item.lower() not in allowed:
            close = difflib.get_close_matches(item.upper(), spec.items, n=1)
            advice = f'did you mean "{close[0]}"?' if close else f"choose from {', '.join(spec.items)}"
            raise Invalid(f'"{item}" is not known', f"{advice}")


def _tags(text: str) -> None:
    for tag in parse_words(text):
        if not is_tag(tag):
            raise Invalid(f'"{tag}" is not a tag', 'letters, digits, "_", "." and "-", at most 128')


def _references(text: str) -> None:
    for item in parse_words(text):
        Reference.parse(item)


def _workspace_path(text: str) -> None:
    # Links can only be followed in the job's checkout; an absolute path may be in it.
    depth = 0
    for part in PurePosixPath(text).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            raise Invalid(f'"{text}" is outside the workspace', "give a path inside the checkout")


def _json(text: str) -> None:
    if text.startswith("{"):
        try:
            json.loads(text)
        except ValueError as error:
            raise Invalid(f"is not JSON: {error}") from None


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "oci-reference": Reference.parse,
    "oci-references": _references,
    "hostname": Registry.parse,
    "tags": _tags,
    "branch-tags": lambda text: _tags(text.replace("/", "-")),
    "pairs": parse_pairs,
    "workspace-path": _workspace_path,
    "json-document": _json,
}
"""How text of each format of `gocdnext_sdk.inputs.types` is read."""
