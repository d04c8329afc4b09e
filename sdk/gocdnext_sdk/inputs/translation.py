"""From what another CI system gives a container to the environment that gocdnext would have given.

Not imported on gocdnext.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_args

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from gocdnext_sdk.contract import ContractError
from gocdnext_sdk.contract.dialects.base import OUTPUTS_FILE, Dialect, canonical
from gocdnext_sdk.contract.keys import PREFIX
from gocdnext_sdk.errors import InputError, Problem
from gocdnext_sdk.inputs.model import PluginInputs, traits, with_key
from gocdnext_sdk.inputs.reader import env_names

OUTPUTS_VARIABLE = PREFIX + canonical(OUTPUTS_FILE)


def translate(
    model: type[PluginInputs],
    environ: Mapping[str, str],
    dialect: Dialect,
    event: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the environment of a job of gocdnext with the same inputs.

    Args:
        model: the plugin's inputs.
        environ: the container's.
        dialect: the rules of the system that made it.
        event: what started the run, as the system's file says.

    Raises:
        InputError: an input is given twice, or as something that is no list; or there are inputs, or a
            system that would give some, and none is one of the plugin's.
    """
    fields = _fields(model)
    keys = {*fields, OUTPUTS_FILE}
    try:
        found = dialect.inputs(environ, keys)
    except ContractError as error:
        raise InputError(Problem("", str(error))) from None
    if fields and not found:
        _say_that_none_is_understood(fields, environ, dialect)
    known = env_names(model)
    problems: list[Problem] = []
    for variable, text in found.items():
        if (key := known.get(variable)) is not None:
            try:
                found[variable] = dialect.reshape(text, form_of(fields[key]))
            except ContractError as error:
                what, _, advice = str(error).partition("; ")
                problems.append(Problem(key, what, advice))
    if problems:
        raise InputError(problems)
    given = {name: text for name, text in environ.items() if not name.startswith(tuple(dialect.prefixes))}
    metadata = {name: text for name, text in dialect.metadata(environ, event).items() if not given.get(name)}
    return {**given, **metadata, **found}


def form_of(field: FieldInfo) -> str:
    """Return the format that a field's type declares, as its JSON Schema has it; empty if none."""
    return next(_formats(field.metadata, field.annotation), "")


def _formats(metadata: Any, annotation: Any) -> Iterator[str]:
    for each in metadata:
        if isinstance(each, WithJsonSchema) and each.json_schema and "format" in each.json_schema:
            yield each.json_schema["format"]
    for each in get_args(annotation):
        yield from _formats(getattr(each, "__metadata__", ()), each)


def _fields(model: type[PluginInputs]) -> dict[str, FieldInfo]:
    """Return the fields by every key that they have or had."""
    return {
        with_key(name): field
        for field_name, field in model.model_fields.items()
        for name in (field_name, *traits(field).deprecated_aliases)
    }


def _say_that_none_is_understood(
    fields: Mapping[str, FieldInfo], environ: Mapping[str, str], dialect: Dialect
) -> None:
    """Keep a plugin from running with nothing but defaults where somebody has plainly given inputs.

    Raises:
        InputError: a system started the container, or there are inputs as GitHub gives them.
    """
    key = next((name for name, field in fields.items() if field.is_required()), next(iter(fields)))
    stray = sorted(name for name in environ if name.startswith("INPUT_") and environ[name])
    if dialect.name == "plain" and not stray and not environ.get("CI"):
        return
    where = f"GitHub Actions reads {stray[0]}, and this is {dialect.title}" if stray else dialect.title
    raise InputError(
        Problem(
            "",
            f"no input is given that the plugin understands ({where})",
            f"name one as {dialect.naming(key)}",
        )
    )
