"""What is generated from a plugin's model, before it has a format."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic.fields import FieldInfo

from gocdnext_sdk.inputs.login import RegistryLogin
from gocdnext_sdk.inputs.model import as_text, is_secret, traits, with_key
from gocdnext_sdk.manifest.load import FolderError, load_plugin
from gocdnext_sdk.plugin import Plugin

_HEADER = re.compile(r"# (name|description): (.+)")


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One key of the `with:` map.

    Args:
        name: the key.
        type: string, boolean or integer; the value in YAML is always text.
        description: what it is for.
        required: whether it must be there.
        default: what it is when it is not there, as text.
        choices: the values it may have; empty for any.
        secret: whether its value must never show.
        successor: the key to write instead, of one that is deprecated.
    """

    name: str
    type: str
    description: str
    required: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    successor: str | None = None


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


@dataclass(frozen=True)
class Manifest:
    """Everything that others need to know of a plugin.

    Args:
        plugin: the model it all comes from.
        inputs: what must be given first, the registry's login last.
        examples: in the order of their files.
    """

    plugin: type[Plugin[Any]]
    inputs: tuple[InputSpec, ...]
    examples: tuple[Example, ...]

    @property
    def description(self) -> str:
        """The first paragraph of the plugin's docstring, as one line."""
        return " ".join(inspect.cleandoc(self.plugin.__doc__ or "").partition("\n\n")[0].split())

    @property
    def outputs(self) -> Mapping[str, str]:
        """Variable to description."""
        return self.plugin.outputs

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read the model in ``plugin.py`` and the files in ``examples``.

        Raises:
            FolderError: `folder` holds no plugin, or an example that is none.
        """
        plugin = load_plugin(folder)
        fields = plugin.inputs.model_fields
        ordered = sorted(fields, key=lambda n: (not fields[n].is_required(), n in RegistryLogin.model_fields))
        schema = plugin.inputs.model_json_schema()["properties"]
        inputs = (spec for name in ordered for spec in _specs(name, fields[name], schema[with_key(name)]))
        examples = (Example.read(path) for path in sorted((folder / "examples").glob("*.yaml")))
        return cls(plugin, tuple(inputs), tuple(examples))


def _specs(name: str, field: FieldInfo, schema: Mapping[str, Any]) -> Iterator[InputSpec]:
    """Yield the input, then its former keys: the server refuses a key the manifest does not list."""
    variants = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    kinds = {kind for each in variants for kind in _as_list(each.get("type", "string"))}
    spec = InputSpec(
        name=with_key(name),
        type=next((kind for kind in ("boolean", "integer", "number") if kind in kinds), "string"),
        description=field.description or "",
        required=field.is_required(),
        default=_default(field),
        choices=tuple(
            str(choice)
            for each in variants
            for choice in each.get("enum", [each["const"]] if "const" in each else ())
        ),
        secret=is_secret(field),
    )
    yield spec
    for alias in traits(field).deprecated_aliases:
        yield InputSpec(
            name=with_key(alias),
            type=spec.type,
            description=f"Deprecated: write `{spec.name}`.",
            secret=spec.secret,
            successor=spec.name,
        )


def _default(field: FieldInfo) -> str | None:
    if field.is_required() or field.default in (None, "", ()):
        return None
    return as_text(field.default)


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
