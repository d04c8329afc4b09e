"""``plugin.yaml``: what the server's catalogue reads (contract §1), and more beside it.

The server ignores keys it does not know, so types, choices, secrets and outputs stand in the same file. What
it reads is written so that no YAML reader takes it for something else: every default is a quoted string.
"""

from __future__ import annotations

from typing import Any

import yaml

from gocdnext_sdk.manifest.model import InputSpec, Manifest

HEADER = "# Generated from plugin.py by `gocdnext-plugin manifest`.\n"


_WIDTH = 100
"""Characters. A longer text is folded into a block of lines."""


def render_catalog(manifest: Manifest) -> str:
    """Return the text of ``plugin.yaml``."""
    plugin = manifest.plugin
    content: dict[str, Any] = {
        "name": plugin.name,
        "category": plugin.category,
        # Upstream's publishing greps for this line: top level, plain, no quotes.
        "image_tag": plugin.image_tag,
        "description": manifest.description,
        "inputs": {spec.name: _input(spec) for spec in manifest.inputs},
        "outputs": {name: {"description": text} for name, text in manifest.outputs.items()},
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
    if spec.choices:
        entry["enum"] = [_Quoted(choice) for choice in spec.choices]
    if spec.secret:
        entry["secret"] = True
    if spec.successor:
        entry["deprecated"] = True
    return entry


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
