"""``plugin.yaml``: what the server's catalog reads (docs/contract.md §1), and more beside it.

The server ignores keys it does not know, so types, choices, secrets, outputs and constraints stand in the
same file. What it reads is written so that no YAML reader takes it for something else: every default is a
quoted string.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.manifest.load import FolderError
from gocdnext_sdk.host.manifest.model import Example, InputSpec, Manifest
from gocdnext_sdk.inputs.constraints import (
    AtLeastOne,
    Constraint,
    MutuallyExclusive,
    OnlyWith,
    RequiredIf,
    RequiredTogether,
)

_CONSTRAINTS: Final[Mapping[str, type[MutuallyExclusive | RequiredTogether | AtLeastOne]]] = {
    "mutually-exclusive": MutuallyExclusive,
    "required-together": RequiredTogether,
    "at-least-one": AtLeastOne,
}
_REQUIRED_IF: Final = "required-if"
_ONLY_WITH: Final = "only-with"

_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

HEADER = "# Generated from plugin.py by `gocdnext-plugin manifest`.\n"


_WIDTH = 100
"""Characters. A longer text is folded into a block of lines."""


def render_catalog(manifest: Manifest) -> str:
    """Return the text of ``plugin.yaml``."""
    content: dict[str, Any] = {
        "name": manifest.name,
        "category": manifest.category,
        # Upstream's publishing greps for this line: top level, plain, no quotes.
        "image_tag": manifest.image_tag,
        "description": manifest.description,
        "inputs": {spec.name: _input(spec) for spec in manifest.inputs},
        **manifest.facts.render(),
        "outputs": {name: {"description": text} for name, text in manifest.outputs.items()},
        "constraints": [entry for each in manifest.constraints if (entry := _constraint(each))],
        "examples": [
            {"name": each.name, "description": each.description, "yaml": each.yaml}
            for each in manifest.examples
        ],
    }
    given = {key: value for key, value in content.items() if value}
    return HEADER + yaml.dump(given, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _input(spec: InputSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"required": spec.required}
    if spec.default is not None:
        entry["default"] = _Quoted(spec.default)
    entry["description"] = spec.description
    entry["type"] = spec.type
    if spec.format:
        entry["format"] = spec.format
    for key, values in (("enum", spec.choices), ("items", spec.items)):
        if values:
            entry[key] = [_Quoted(value) for value in values]
    if spec.secret:
        entry["secret"] = True
    if spec.login:
        entry["x-login"] = True
    if spec.successor:
        entry["deprecated"] = True
        entry["successor"] = spec.successor
    return entry


def _constraint(constraint: Constraint) -> dict[str, Any] | None:
    match constraint:
        case MutuallyExclusive(keys=keys) | RequiredTogether(keys=keys) | AtLeastOne(keys=keys):
            kind = next(name for name, each in _CONSTRAINTS.items() if isinstance(constraint, each))
            return {kind: list(keys)}
        case RequiredIf(key=key, other=other, values=values):
            quoted = [_Quoted(value) for value in sorted(values)]
            return {_REQUIRED_IF: {"key": key, "other": other, "values": quoted}}
        case OnlyWith(keys=keys, others=others, values=values):
            entry: dict[str, Any] = {"keys": list(keys), "others": list(others)}
            if values:
                entry["values"] = [_Quoted(value) for value in sorted(values)]
            return {_ONLY_WITH: entry}
        case _:  # nothing to check, or one of an author's own, which only the plugin can check
            return None


def read_catalog(path: Path) -> Manifest:
    """Read a ``plugin.yaml``: one written here, or one with no more than what the server reads.

    Raises:
        FolderError: it is not there, or the server would refuse it.
    """
    try:
        return parse_catalog(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror}") from None


def parse_catalog(text: str, where: str) -> Manifest:
    """Read the text of a ``plugin.yaml``; see `read_catalog`.

    Args:
        text: its content.
        where: what messages call it.

    Raises:
        FolderError: the server would refuse it.
    """
    try:
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
        return Manifest(
            name=str(content["name"]),
            category=str(content.get("category", "")),
            image_tag=str(content.get("image_tag", "v1")),
            description=" ".join(str(content.get("description", "")).split()),
            inputs=tuple(_read_input(name, entry or {}) for name, entry in content.get("inputs", {}).items()),
            outputs={
                name: str((entry or {}).get("description", ""))
                for name, entry in content.get("outputs", {}).items()
            },
            constraints=tuple(_read_constraint(entry) for entry in content.get("constraints", ())),
            examples=tuple(
                Example(str(each["name"]), str(each.get("description", "")).strip(), str(each["yaml"]))
                for each in content.get("examples", ())
            ),
            facts=Facts.read(content),
        )
    except yaml.YAMLError as error:
        raise FolderError(f"{where} is not YAML: {' '.join(str(error).split())}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FolderError(f"{where} is not a plugin's manifest: {type(error).__name__}: {error}") from None


def _read_input(name: str, entry: Mapping[str, Any]) -> InputSpec:
    default = entry.get("default")
    return InputSpec(
        name=str(name),
        type=entry.get("type", "string"),
        description=" ".join(str(entry.get("description", "")).split()),
        required=bool(entry.get("required", False)),
        # The server reads text; only `true` is common without quotes.
        default=None
        if default is None
        else str(default).lower()
        if default in (True, False)
        else str(default),
        format=entry.get("format"),
        choices=tuple(map(str, entry.get("enum", ()))),
        items=tuple(map(str, entry.get("items", ()))),
        secret=bool(entry.get("secret", False)),
        login=bool(entry.get("x-login", False)),
        successor=entry.get("successor"),
    )


def _read_constraint(entry: Mapping[str, Any]) -> Constraint:
    ((kind, content),) = entry.items()
    if kind == _REQUIRED_IF:
        return RequiredIf(content["key"], content["other"], *content["values"])
    if kind == _ONLY_WITH:
        return OnlyWith(tuple(content["keys"]), tuple(content["others"]), *content.get("values", ()))
    return _CONSTRAINTS[kind](*content)


class _Quoted(str):
    """Text that is always written in double quotes."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, lines as a literal block and long text as a folded one."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if isinstance(text, _Quoted) else "|" if "\n" in text else ">" if len(text) > _WIDTH else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


for _type in (str, _Quoted):
    _Dumper.add_representer(_type, _represent)
