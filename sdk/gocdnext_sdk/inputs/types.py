"""Input types for plugin authors: what an annotation means for the text of a `with:` value.

Besides these, `str`, `int`, `Literal[...]`, `Reference`, `Secret` and any pydantic type work.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk.inputs.parsers import (
    parse_boolean,
    parse_items,
    parse_lines,
    parse_pairs,
    parse_words,
)
from gocdnext_sdk.oci.reference import Registry, is_tag


def _from_text(parse: Any) -> BeforeValidator:
    """Parse text, and let values through that are parsed already (a default, a caller in Python)."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _workspace_path(text: str) -> str:
    path = PurePosixPath(text)
    workspace = Path.cwd()
    resolved = (workspace / path).resolve()
    if not resolved.is_relative_to(workspace.resolve()):
        raise ValueError(f'"{text}" is outside the workspace; give a path inside the checkout')
    return text


def _tag(text: str) -> str:
    if not is_tag(text):
        raise ValueError(f'"{text}" is not a tag; letters, digits, "_", "." and "-", at most 128')
    return text


def _tags(text: str) -> tuple[str, ...]:
    return tuple(_tag(item) for item in parse_words(text))


def _registry(text: Any) -> Registry:
    return text if isinstance(text, Registry) else Registry.parse(text)


_SCALAR = WithJsonSchema({"type": ["boolean", "string"]})

Boolean = Annotated[bool, _from_text(parse_boolean), _SCALAR]
"""Every YAML 1.1 and 1.2 spelling of a boolean; anything else is an error."""

Lines = Annotated[tuple[str, ...], _from_text(parse_lines), WithJsonSchema({"type": "string"})]
"""One item a line. For values that may hold a comma."""

Items = Annotated[tuple[str, ...], _from_text(parse_items), WithJsonSchema({"type": "string"})]
"""One item a line, or with commas between. For values that cannot hold one."""

Words = Annotated[tuple[str, ...], _from_text(parse_words), WithJsonSchema({"type": "string"})]
"""Items with line breaks, commas or blanks between. For values that can hold none of these."""

Pairs = Annotated[
    tuple[tuple[str, str | None], ...], _from_text(parse_pairs), WithJsonSchema({"type": "string"})
]
"""``KEY=VALUE``, one a line, the value exactly as written; a bare ``KEY`` has the value None."""

Tags = Annotated[tuple[str, ...], _from_text(_tags), WithJsonSchema({"type": "string"})]
"""Image tags, with line breaks, commas or blanks between."""

RegistryHost = Annotated[
    Registry, BeforeValidator(_registry), WithJsonSchema({"type": "string", "format": "hostname"})
]
"""A registry host; a URL as `docker login` takes it is understood."""

WorkspacePath = Annotated[str, _from_text(_workspace_path), WithJsonSchema({"type": "string"})]
"""A path that stays in the workspace, links followed. Whether it exists is for the plugin to check."""
