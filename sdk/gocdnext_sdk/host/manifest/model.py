"""What is generated from a plugin's model, before it has a format."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic.fields import FieldInfo

from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.manifest.load import FolderError, load_plugin
from gocdnext_sdk.inputs.constraints import Always, Constraint
from gocdnext_sdk.inputs.model import all_constraints, as_text, is_secret, traits, with_key
from gocdnext_sdk.inputs.reader import wrong_values

_HEADER = re.compile(r"# (name|description): (.+)")


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One key of the `with:` map.

    Args:
        name: the key.
        type: string, boolean or integer; the value in YAML is always text.
        description: what it is for.
        required: whether it must be there.
        default: its value when it is not given, as text.
        format: the kind of text, by the names in `gocdnext_sdk.host.manifest.inputs.FORMATS`.
        choices: the allowed values; empty for any.
        items: the allowed items of a list; empty for any.
        secret: whether its value must never be shown.
        successor: for a deprecated key, the key to write instead.
        login: whether it logs the job in at its image's registry.
    """

    name: str
    type: str
    description: str
    required: bool = False
    default: str | None = None
    format: str | None = None
    choices: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    secret: bool = False
    successor: str | None = None
    login: bool = False


@dataclass(frozen=True)
class Example:
    """A job that uses the plugin, without its name.

    Args:
        name: a title.
        description: what it shows.
        yaml: the job's keys.
    """

    name: str
    description: str
    yaml: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that begins with the comments ``# name:`` and ``# description:``.

        Raises:
            FolderError: one of the comments is missing.
        """
        lines = path.read_text().splitlines()
        header: dict[str, str] = {}
        while lines and (match := _HEADER.fullmatch(lines[0])):
            header[match[1]] = match[2].strip()
            del lines[0]
        for key in ("name", "description"):
            if key not in header:
                raise FolderError(f'{path}: begin it with the comments "# name: …" and "# description: …"')
        return cls(header["name"], header["description"], "\n".join(lines).strip() + "\n")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that others need to know about a plugin.

    Args:
        name: its image's last path segment.
        category: its group in the server's catalog.
        image_tag: the channel on which the image is published.
        description: what it does, as one line.
        inputs: required ones first, those for the registry login last.
        outputs: variable to description; empty if unknown.
        constraints: rules between inputs.
        examples: in the order of their files.
        facts: what it does with its inputs.

    Raises:
        ValueError: a fact or a constraint names an input that is not there.
    """

    name: str
    category: str = ""
    image_tag: str = "v1"
    description: str = ""
    inputs: tuple[InputSpec, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    examples: tuple[Example, ...] = ()
    facts: Facts = field(default_factory=Facts)

    def __post_init__(self) -> None:
        rules = ((key, "constraints") for rule in self.constraints for key in rule.inputs)
        for key, where in (*self.facts.inputs(), *rules):
            if self.input(key) is None:
                raise ValueError(f'`{where}` names the input "{key}", but there is no such input')

    def input(self, key: str) -> InputSpec | None:
        """The input of that key, if there is one."""
        return next((spec for spec in self.inputs if spec.name == key), None)

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read the model in ``plugin.py`` and the files in ``examples``.

        Raises:
            FolderError: `folder` contains no plugin or an invalid example, a default is no value of its
                input, or a fact or a constraint names an unknown input.
        """
        plugin = load_plugin(folder)
        fields = plugin.inputs.model_fields
        asides = (base for base in plugin.inputs.__mro__ if vars(base).get("listed_last"))
        last = {name for base in asides for name in base.__annotations__}
        ordered = sorted(fields, key=lambda name: (not fields[name].is_required(), name in last))
        schema = plugin.inputs.model_json_schema()["properties"]
        inputs = [spec for name in ordered for spec in _specs(name, fields[name], schema[with_key(name)])]
        defaults = {spec.name: spec.default for spec in inputs if spec.default is not None}
        for problem in wrong_values(plugin.inputs, defaults):
            what = f"{folder / 'plugin.py'}: the default of `{problem.key}`: {problem.what}"
            raise FolderError(what, problem.advice)
        examples = (Example.read(path) for path in sorted((folder / "examples").glob("*.yaml")))
        try:
            return cls(
                name=plugin.name,
                category=plugin.category,
                image_tag=plugin.image_tag,
                description=" ".join(inspect.cleandoc(plugin.__doc__ or "").partition("\n\n")[0].split()),
                inputs=tuple(inputs),
                outputs=plugin.outputs,
                constraints=tuple(
                    each for each in all_constraints(plugin.inputs) if not isinstance(each, Always)
                ),
                examples=tuple(examples),
                facts=Facts.of(plugin),
            )
        except ValueError as error:
            raise FolderError(f"{folder / 'plugin.py'}: {error}") from None


def _specs(name: str, info: FieldInfo, schema: Mapping[str, Any]) -> Iterator[InputSpec]:
    """Yield the input, then its former keys: the server refuses a key the manifest does not list."""
    variants = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    kinds = {kind for each in variants for kind in _as_list(each.get("type", "string"))}
    spec = InputSpec(
        name=with_key(name),
        type=next((kind for kind in ("boolean", "integer", "number") if kind in kinds), "string"),
        description=info.description or "",
        format=next((each["format"] for each in variants if "format" in each), None),
        items=tuple(item for each in variants for item in each.get("x-items", ())),
        required=info.is_required(),
        default=_default(info),
        choices=tuple(
            str(choice)
            for each in variants
            for choice in each.get("enum", [each["const"]] if "const" in each else ())
        ),
        secret=is_secret(info),
        login=traits(info).login,
    )
    yield spec
    for alias in traits(info).deprecated_aliases:
        yield InputSpec(
            name=with_key(alias),
            type=spec.type,
            format=spec.format,
            choices=spec.choices,
            items=spec.items,
            description=f"Deprecated: write `{spec.name}`.",
            secret=spec.secret,
            login=spec.login,
            successor=spec.name,
        )


def _default(info: FieldInfo) -> str | None:
    if info.is_required() or info.default in (None, "", ()):
        return None
    return as_text(info.default)


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
