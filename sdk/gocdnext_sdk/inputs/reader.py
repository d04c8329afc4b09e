"""From the job's environment to a validated model, or to every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gocdnext_sdk.contract.keys import KUBECONFIG, PREFIX, isolated_key, shared_key
from gocdnext_sdk.errors import InputError, Problem, closest, quoted
from gocdnext_sdk.inputs.constraints import REQUIRED, Given, is_open
from gocdnext_sdk.inputs.model import (
    PluginInputs,
    all_constraints,
    as_text,
    is_boolean,
    is_secret,
    key_of,
    traits,
    with_key,
)
from gocdnext_sdk.inputs.parsers import parse_boolean
from gocdnext_sdk.secret import Secret

Model = TypeVar("Model", bound=PluginInputs)


def read_inputs(
    model: type[Model],
    environ: Mapping[str, str],
    on_secret: Callable[[str], object] = lambda value: None,
    warn: Callable[[str], object] = lambda message: None,
    *,
    workspace: Path = Path(),
) -> Model:
    """Return the inputs in `environ`, typed and checked.

    Args:
        model: the plugin's inputs.
        environ: the job's environment, with its `PLUGIN_*` variables.
        on_secret: called with the bare text of every secret input, before anything can print it.
        warn: called with each deprecation message.
        workspace: the checkout.

    Raises:
        InputError: with every mistake; nothing has been contacted or written.
    """
    workspace = workspace.absolute()
    raw, problems = _collect(model, environ, on_secret, warn)
    try:
        inputs = model.model_validate(raw, context={"workspace": workspace, "environ": environ})
    except ValidationError as error:
        problems += [_problem(model, detail, raw) for detail in _details(error)]
        inputs = None
    given = given_texts(model, raw, [each.key for each in problems])
    for constraint in all_constraints(model):
        problems += constraint.problems(given)
    if inputs is not None:
        problems += inputs.check(environ, workspace) or ()  # one that found nothing may return nothing
    if problems or inputs is None:
        raise InputError(_once(problems))
    return inputs


def wrong_values(model: type[PluginInputs], texts: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with single values, read as a run reads them but without the checkout.

    Args:
        model: the plugin's inputs.
        texts: those to look at, by key; that others are missing is not reported.
    """
    fields = {key_of(name, field): field for name, field in model.model_fields.items()}
    raw: dict[str, str | Secret] = {
        key: Secret(text) if is_secret(fields[key]) else text for key, text in texts.items() if key in fields
    }
    try:
        model.model_validate(raw, context={"workspace": None, "environ": None})
    except ValidationError as error:
        found = (detail for detail in _details(error) if detail["loc"] and detail["loc"][0] in raw)
        return [_problem(model, detail, raw) for detail in found]
    return []


def _details(error: ValidationError) -> list[ErrorDetails]:
    # Never str(error): it may quote inputs.
    return error.errors(include_url=False, include_input=False)


@cache
def env_names(model: type[PluginInputs]) -> Mapping[str, str]:
    """Return which variable names carry which `with:` key.

    A key can be spelled in kebab, snake, camel or dotted form, and the engines map the spellings
    differently (docs/contract.md §4); every result is understood.
    """
    aliases = [
        alias
        for name, field in model.model_fields.items()
        for alias in (name, *traits(field).deprecated_aliases)
    ]
    # Its own name comes before another one that is written without a hyphen: `dbhost` is not `db-host`.
    names = {PREFIX + shared_key(with_key(alias)): with_key(alias) for alias in aliases}
    for alias in aliases:
        words = alias.replace("-", "_").split("_")
        spellings = ("-".join(words), words[0] + "".join(map(str.title, words[1:])), ".".join(words))
        for spelling in spellings:
            for transform in (shared_key, isolated_key):
                names.setdefault(PREFIX + transform(spelling), with_key(alias))
    return names


def _collect(
    model: type[PluginInputs],
    environ: Mapping[str, str],
    on_secret: Callable[[str], object],
    warn: Callable[[str], object],
) -> tuple[dict[str, str | Secret], list[Problem]]:
    """Return the text of every given input, secrets wrapped, and what is wrong with the names."""
    known = env_names(model)
    fields = {with_key(name): field for name, field in model.model_fields.items()}
    former = {
        with_key(alias): with_key(name)
        for name, field in model.model_fields.items()
        for alias in traits(field).deprecated_aliases
    }
    raw: dict[str, str | Secret] = {}
    problems: list[Problem] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        text = environ[variable].rstrip("\r\n")
        alias = known.get(variable)
        if alias is None:
            if variable != KUBECONFIG:
                problems.append(_unknown(variable, model))
            continue
        if not text.strip():  # `with: {x: ~}` arrives as an empty variable: not given
            continue
        if not _is_unicode(text):
            problems.append(Problem(alias, "is not UTF-8 text"))
            continue
        key = former.get(alias, alias)
        if key != alias:
            warn(f'with.{alias} is deprecated; write "{key}"')
        if is_secret(fields[key]):
            on_secret(text)
            value: str | Secret = Secret(text)
        else:
            value = text.strip()
        if key in raw and raw[key] != value:
            problems.append(
                Problem(key, "is set twice with different values", "keep one spelling of the key")
            )
        raw[key] = value
    return raw, problems


def _is_unicode(text: str) -> bool:
    """Tell whether `text` has none of the surrogates that stand for other bytes in `os.environ`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unknown(variable: str, model: type[PluginInputs]) -> Problem:
    written = variable.removeprefix(PREFIX).lower().replace("_", "-")
    if why := model.elsewhere.get(written):
        return Problem(written, "is not possible here", why)
    fields = {key_of(name, field) for name, field in model.model_fields.items()}
    close = closest(written, fields)
    advice = f"did you mean `{close}`?" if close else f"known inputs: {', '.join(sorted(fields))}"
    return Problem(written, "unknown input", advice)


def given_texts(
    model: type[PluginInputs], raw: Mapping[str, str | Secret], wrong: Iterable[str] = ()
) -> Given:
    """Return the text of what is given or has a default, for the constraints; booleans in one spelling.

    Args:
        model: the plugin's inputs.
        raw: what is given, by key.
        wrong: the keys that are unknown, and those whose values are wrong.
    """
    keys = [key_of(name, field) for name, field in model.model_fields.items()]
    given: dict[str, str] = {}
    chosen: list[str] = []
    for name, field in model.model_fields.items():
        default = (
            None if field.is_required() or field.default in (None, "", ()) else _text(field, field.default)
        )
        key = key_of(name, field)
        text = _text(field, raw[key]) if key in raw else default
        if text is None:
            continue
        given[key] = text
        if text != default and not (default is not None and is_open(text)):
            chosen.append(key)
    return Given(given, chosen, filter(None, (closest(key, keys) for key in wrong)))


def _text(field: FieldInfo, value: object) -> str:
    text = str(value) if isinstance(value, Secret) else as_text(value)
    if is_boolean(field):
        with suppress(ValueError):  # the field's own check says what is wrong
            return as_text(parse_boolean(text))
    return text


def _problem(model: type[PluginInputs], detail: ErrorDetails, raw: Mapping[str, str | Secret]) -> Problem:
    key = str(detail["loc"][0]) if detail["loc"] else ""
    field = next((each for name, each in model.model_fields.items() if key_of(name, each) == key), None)
    if detail["type"] == "missing":
        return Problem(key, f"{REQUIRED}{_purpose(field)}")
    if detail["type"] == "value_error":
        return Problem.of(key, detail["ctx"]["error"])
    value = raw[key] if key in raw else as_text(field.default if field else "")
    shown = "" if isinstance(value, Secret) else f"{quoted(value)}: "
    if detail["type"] == "literal_error":
        choices = detail["ctx"]["expected"].replace("'", '"').replace(" or ", ", ")
        close = closest(str(value).lower(), choices.replace('"', "").split(", "))
        advice = f'did you mean "{close}"?' if close else f"choose one of {choices}"
        return Problem(key, f"{shown.removesuffix(': ')} is not one of {choices}", advice)
    message = detail["msg"]
    return Problem(key, f"{shown}{message[:1].lower()}{message[1:]}{_purpose(field)}")


def _purpose(field: Any) -> str:
    """Return the first sentence of a field's description, in brackets."""
    description = re.split(r"(?<!e\.g)\. ", getattr(field, "description", None) or "")[0].rstrip(".")
    return f" ({description[:1].lower()}{description[1:]})" if description else ""


def _once(problems: list[Problem]) -> Iterator[Problem]:
    """Drop repetitions: a missing input may break a field's rule and a constraint, and one that is not text
    counts as missing. The first one stays.
    """
    seen: set[tuple[str, str]] = set()
    keys: set[str] = set()
    for problem in problems:
        missing = problem.what.startswith(REQUIRED)
        kind = (problem.key, problem.what)
        if kind not in seen and not (missing and problem.key in keys):
            yield problem
        seen.add(kind)
        keys.add(problem.key)
