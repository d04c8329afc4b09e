"""The JSON Schema of a plugin's `with:` map, for editors and linters.

`with:` values are YAML scalars whose text counts, so `push: true` and `push: "true"` are the same; and any
value may be a reference, which only a run can resolve.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from gocdnext_sdk.host.manifest.model import InputSpec, Manifest
from gocdnext_sdk.inputs.constraints import (
    AtLeastOne,
    Constraint,
    MutuallyExclusive,
    OnlyWith,
    RequiredIf,
    RequiredTogether,
)

Schema = dict[str, Any]

_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{"}
_ANY: Schema = {"type": ["string", "number", "boolean", "null"]}
_TRUE = "[Tt]rue|TRUE|[Yy]es|YES|[Oo]n|ON|[Yy]|1"
_FALSE = "[Ff]alse|FALSE|[Nn]o|NO|[Oo]ff|OFF|[Nn]|0"
_BOOLEAN = rf"^\s*({_TRUE}|{_FALSE})?\s*$"
_NOT_TEXT = re.compile(rf"{_TRUE}|{_FALSE}|null|~|[-+.\d].*", re.IGNORECASE)
"""What YAML may read as something else than a text."""


def render_schema(manifest: Manifest) -> str:
    """Return the schema as JSON."""
    return json.dumps(with_schema(manifest), indent=2, ensure_ascii=False) + "\n"


def with_schema(manifest: Manifest) -> Schema:
    """Return the schema of the `with:` map."""
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"with: of {manifest.name}",
        "description": manifest.description,
        "type": "object",
        "properties": {spec.name: _property(spec) for spec in manifest.inputs},
        "required": [spec.name for spec in manifest.inputs if spec.required],
        "additionalProperties": False,
    }
    former = {spec.successor for spec in manifest.inputs if spec.successor}
    schema["required"] = [name for name in schema["required"] if name not in former]
    rules = [rule for each in manifest.constraints for rule in _rules(each, manifest)]
    return schema | ({"allOf": rules} if rules else {})


def _property(spec: InputSpec) -> Schema:
    entry: Schema = {"description": spec.description}
    if spec.default is not None:
        entry["default"] = spec.default
    if spec.secret:
        entry["writeOnly"] = True
    if spec.successor:
        entry["deprecated"] = True
    match spec:
        case InputSpec(choices=(_, *_)):
            return entry | {"anyOf": [{"enum": [*spec.choices, "", None]}, _REFERENCE]}
        case InputSpec(type="boolean"):
            variants: list[Schema] = [
                {"type": ["boolean", "null"]},
                {"enum": [0, 1]},
                {"type": "string", "pattern": _BOOLEAN},
            ]
            return entry | {"anyOf": [*variants, _REFERENCE]}
        case InputSpec(type="integer"):
            return entry | {
                "anyOf": [
                    {"type": ["integer", "null"]},
                    {"type": "string", "pattern": r"^\s*([-+]?[0-9]+)?\s*$"},
                    _REFERENCE,
                ]
            }
        case InputSpec(format="words", items=(_, *_)) if not any(map(_NOT_TEXT.fullmatch, spec.items)):
            return entry | {
                "anyOf": [{"type": "null"}, {"type": "string", "pattern": _words(spec.items)}, _REFERENCE]
            }
        case _:
            return entry | _ANY


def _words(items: Iterable[str]) -> str:
    """Return a pattern for a list of known words, in upper or lower case, as `parse_words` reads one."""
    comment = r"(?:#[^\n]*(?=\n|$))?"
    gap = rf"(?:,|\s{comment})"
    word = "|".join("".join(map(_either_case, item)) for item in items)
    return f"^{comment}{gap}*(?:(?:{word})(?:{gap}+|$))*$"


def _either_case(character: str) -> str:
    if character.isalpha():
        return f"[{character.upper()}{character.lower()}]"
    # Not re.escape: ECMA-262 with the flag u, by which schemas are read, knows no `\-` outside of a class.
    return re.sub(r"[.^$*+?()\[\]{}|\\/]", r"\\\g<0>", character)


def _rules(constraint: Constraint, manifest: Manifest) -> Iterator[Schema]:
    """Yield what JSON Schema can say of a constraint between inputs."""
    match constraint:
        case RequiredTogether(keys=keys):
            yield {"dependentRequired": {key: [each for each in keys if each != key] for key in keys}}
        case MutuallyExclusive(keys=keys):
            for number, first in enumerate(keys):
                yield from ({"not": {"required": [first, second]}} for second in keys[number + 1 :])
        case AtLeastOne(keys=keys):
            yield {"anyOf": [{"required": [key]} for key in keys]}
        case RequiredIf(key=key, other=other, values=values):
            default = next((spec.default for spec in manifest.inputs if spec.name == other), None)
            condition: Schema = {"properties": {other: {"enum": sorted(values)}}}
            if default not in values:
                condition["required"] = [other]
            yield {"if": condition, "then": {"required": [key]}}
        case OnlyWith(keys=keys, others=others, values=values):
            specs = {spec.name: spec for spec in manifest.inputs}
            ways = [_decides(specs[other], values) for other in others]
            then = ways[0] if len(ways) == 1 else {"anyOf": ways}  # an editor says more of a single one
            yield from ({"if": _chosen(specs[key]), "then": then} for key in keys)
        case _:  # nothing to check, or one of an author's own, which only the plugin can check
            return


def _chosen(spec: InputSpec) -> Schema:
    """Say that an input is given, and certainly has another value than its default."""
    idle = [_spellings(spec, ""), *([_spellings(spec, spec.default), _REFERENCE] if spec.default else ())]
    return {"required": [spec.name], "properties": {spec.name: {"not": {"anyOf": idle}}}}


def _decides(spec: InputSpec, values: frozenset[str]) -> Schema:
    """Say that an input has one of `values`, or may have; without any, that it is given, and no default."""
    if not values:
        idle = [_spellings(spec, each) for each in ("", spec.default or "")]
        return {"required": [spec.name], "properties": {spec.name: {"not": {"anyOf": idle}}}}
    fitting = [*(_spellings(spec, each) for each in sorted(values)), _REFERENCE]
    suffices = (spec.default or "") in values
    if suffices:
        fitting.append(_spellings(spec, ""))
    condition: Schema = {"properties": {spec.name: {"anyOf": fitting}}}
    return condition if suffices else condition | {"required": [spec.name]}


def _spellings(spec: InputSpec, value: str) -> Schema:
    """Match what reads as `value`; as empty, for ""."""
    if not value:
        return {"enum": ["", None]}
    if spec.type == "boolean":
        bare, words = (True, _TRUE) if value == "true" else (False, _FALSE)
        return {"anyOf": [{"enum": [bare, int(bare)]}, {"type": "string", "pattern": rf"^\s*({words})\s*$"}]}
    return {"enum": [value, *([int(value)] if value.isdecimal() else ())]}
