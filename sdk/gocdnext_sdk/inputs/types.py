"""Input types for plugin authors: what an annotation means for the text of a `with:` value.

Besides these, `str`, `int`, `Literal[...]`, `Reference`, `Secret` and any pydantic type work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from gocdnext_sdk.errors import Invalid, closest, quoted
from gocdnext_sdk.inputs.parsers import (
    parse_boolean,
    parse_duration,
    parse_items,
    parse_lines,
    parse_pairs,
    parse_words,
)
from gocdnext_sdk.oci.platforms import is_platform, normal
from gocdnext_sdk.oci.reference import Reference, Registry, is_tag
from gocdnext_sdk.workspace import read_text, workspace_of, workspace_path


def in_workspace(parse: Callable[[str, Path | None], Any]) -> BeforeValidator:
    """Return a validator that parses text with the checkout at hand; values that are parsed pass.

    ```python
    Netrc = Annotated[str, in_workspace(read_netrc)]
    ```

    `parse` gets the text and the checkout: None where that is on another machine, as it is for lint.
    """

    def validate(value: Any, info: ValidationInfo) -> Any:
        return parse(value, workspace_of(info)) if isinstance(value, str) else value

    return BeforeValidator(validate)


def from_text(parse: Any) -> BeforeValidator:
    """Return a validator that parses text, and lets through what is parsed already: by a caller in Python.

    ```python
    Ports = Annotated[tuple[int, ...], from_text(parse_ports)]
    ```
    """
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _read(path: str, workspace: Path | None, kind: str) -> str | None:
    """Return the text of a file that stands for a text; None where the checkout is on another machine.

    Args:
        path: as given.
        workspace: the checkout.
        kind: what the text is, for messages.
    """
    path = workspace_path(path, workspace)
    if workspace is None:
        return None
    try:
        return read_text(workspace / path)
    except (OSError, UnicodeDecodeError):
        what = f"{quoted(path)} is not a readable file in the workspace"
        raise Invalid(what, f"give a path or the {kind} itself") from None


def _json_document(text: str, workspace: Path | None) -> dict[str, Any]:
    source = text if text.lstrip().startswith("{") else _read(text, workspace, "JSON")
    if source is None:
        return {}
    try:
        document = json.loads(source)
    except RecursionError:
        raise Invalid("is not JSON: it is nested too deeply") from None
    except ValueError as error:
        raise Invalid(f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Invalid("is JSON, but not an object")
    return document


def _certificates(text: str, workspace: Path | None) -> str:
    source = text if "-----BEGIN" in text else _read(text, workspace, "PEM")
    if source is None:
        return ""
    if "PRIVATE KEY-----" in source:
        raise Invalid("holds a private key", "give certificates only; a key in the repository is out")
    import ssl

    try:
        # Given nothing, it would load the system's.
        ssl.create_default_context(cadata=source or "none")
    except (ssl.SSLError, ValueError):
        raise Invalid(
            "holds no certificate", 'as PEM, it begins with "-----BEGIN CERTIFICATE-----"'
        ) from None
    return source if source.endswith("\n") else f"{source}\n"


_UNCLOSED = ("unterminated", "unbalanced", "end of pattern")
_LOOKAROUND = re.compile(r"(?<![\\[])\(\?(?:<?[=!]|>)")


def _regexp(text: str) -> str:
    """Check what Python's grammar and Go's have in common, and what only Go refuses."""
    try:
        re.compile(text)
    except re.error as error:
        if any(each in error.msg for each in _UNCLOSED):
            raise Invalid(
                f"is no regular expression: {error.msg}", "escape what is meant literally"
            ) from None
    except (OverflowError, RecursionError):
        pass  # Go has other limits
    if found := _LOOKAROUND.search(text):
        raise Invalid(f"is no regular expression of Go, which has no {found[0]}…)", "write it without")
    return text


def _tag(text: str) -> str:
    if not is_tag(text):
        raise Invalid(f"{quoted(text)} is not a tag", 'letters, digits, "_", "." and "-", at most 128')
    return text


def _tags(text: str) -> tuple[str, ...]:
    return tuple(_tag(item) for item in parse_words(text))


def _branch_tags(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_tags(text.replace("/", "-"))))


def _references(text: str) -> tuple[Reference, ...]:
    return tuple(Reference.parse(item) for item in parse_words(text))


@dataclass(frozen=True)
class _OneOf:
    """What a list may hold."""

    allowed: tuple[str, ...]

    def check(self, items: tuple[str, ...]) -> tuple[str, ...]:
        spelling = {item.lower(): item for item in self.allowed}
        for item in items:
            if item.lower() not in spelling:
                close = closest(item.lower(), spelling)
                meant = f"did you mean {quoted(spelling[close])}?" if close else None
                raise Invalid(
                    f"{quoted(item)} is not supported", meant or f"choose from {', '.join(self.allowed)}"
                )
        return tuple(spelling[item.lower()] for item in items)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"x-items": list(self.allowed)}


def one_of(*allowed: str) -> _OneOf:
    """Return a validator for lists whose items are among `allowed`, in upper or lower case.

    ```python
    scanners: Annotated[Words, one_of("vuln", "secret")] = Input("vuln", description="…")
    ```
    """
    return _OneOf(allowed)


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _platforms(text: str) -> tuple[str, ...]:
    # What is no platform stays as it is, for `check_platforms`.
    known = ((each, normal(each)) for each in parse_words(text))
    return tuple(dict.fromkeys(usual if is_platform(usual) else each for each, usual in known))


def _registries(text: str) -> tuple[Registry, ...]:
    return tuple(dict.fromkeys(Registry.parse(item) for item in parse_words(text)))


_SCALAR = WithJsonSchema({"type": ["boolean", "string"]})

Boolean = Annotated[bool, from_text(parse_boolean), _SCALAR]
"""Every YAML 1.1 and 1.2 spelling of a boolean; anything else is an error."""

Duration = Annotated[
    str, AfterValidator(_duration), WithJsonSchema({"type": "string", "format": "go-duration"})
]
"""A time as Go writes it: `90s`, `10m`, `1h30m`. `parse_duration` gives its seconds."""

Lines = Annotated[
    tuple[str, ...], from_text(parse_lines), WithJsonSchema({"type": "string", "format": "lines"})
]
"""One item a line. For values that may hold a comma."""

Items = Annotated[
    tuple[str, ...], from_text(parse_items), WithJsonSchema({"type": "string", "format": "items"})
]
"""One item a line, or with commas between. For values that cannot hold one."""

Words = Annotated[
    tuple[str, ...], from_text(parse_words), WithJsonSchema({"type": "string", "format": "words"})
]
"""Items with line breaks, commas or blanks between. For values that can hold none of these."""

Platforms = Annotated[
    tuple[str, ...], from_text(_platforms), WithJsonSchema({"type": "string", "format": "words"})
]
"""As `Words`, of platforms, each once and by its usual name: `linux/x86_64` is `linux/amd64`."""

Pairs = Annotated[
    tuple[tuple[str, str | None], ...],
    from_text(parse_pairs),
    WithJsonSchema({"type": "string", "format": "pairs"}),
]
"""``KEY=VALUE``, one a line, the value exactly as written; a bare ``KEY`` has the value None."""

Tags = Annotated[tuple[str, ...], from_text(_tags), WithJsonSchema({"type": "string", "format": "tags"})]
"""Image tags, with line breaks, commas or blanks between."""

BranchTags = Annotated[
    tuple[str, ...], from_text(_branch_tags), WithJsonSchema({"type": "string", "format": "branch-tags"})
]
"""As `Tags`; a branch such as `feat/x` becomes `feat-x`, since a tag cannot hold a slash."""

References = Annotated[
    tuple[Reference, ...],
    from_text(_references),
    WithJsonSchema({"type": "string", "format": "oci-references"}),
]
"""Image references, with line breaks, commas or blanks between."""

RegistryHost = Annotated[
    Registry, from_text(Registry.parse), WithJsonSchema({"type": "string", "format": "hostname"})
]
"""A registry host; a URL as `docker login` takes it is understood."""

RegistryHosts = Annotated[
    tuple[Registry, ...],
    from_text(_registries),
    WithJsonSchema({"type": "string", "format": "hostnames"}),
]
"""Registry hosts, with line breaks, commas or blanks between."""

Regexp = Annotated[str, from_text(_regexp)]
"""A regular expression that a tool written in Go reads. What is no expression is refused before it runs.

Source: Go 1.26 `regexp/syntax`.
"""

WorkspacePath = Annotated[
    str, in_workspace(workspace_path), WithJsonSchema({"type": "string", "format": "workspace-path"})
]
"""A path that stays in the workspace, links followed. Whether it exists is for the plugin to check."""

Certificates = Annotated[
    str,
    in_workspace(_certificates),
    WithJsonSchema({"type": "string", "format": "certificates"}),
]
"""Certificates as PEM: the path of a workspace file that holds them, or the text itself."""

JsonDocument = Annotated[
    dict[str, Any],
    in_workspace(_json_document),
    WithJsonSchema({"type": "string", "format": "json-document"}),
]
"""A JSON object: the path of a workspace file that holds it, or the text itself."""
