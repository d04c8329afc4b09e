"""Trivy's own configuration file, which may decide what an input is for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gocdnext_sdk import Problem
from gocdnext_sdk.workspace import read_text

if TYPE_CHECKING:
    from yaml import Node

CONFIGURATION = "trivy.yaml"
"""The file that Trivy reads if it is told of no other."""

_FORMER = {
    "scanners": ("scan.security-checks", "scan.scanners"),
    "pkg-types": ("vulnerability.type", "pkg.types"),
}
"""By input, the former name in the file, and today's. Trivy lets the former win over its flag.

Source: Trivy 0.74 `pkg/flag/options.go`, `Flag.parse`.
"""


def overruled(name: str, given: set[str], workspace: Path) -> Iterator[Problem]:
    """Yield the inputs that the file would win over.

    Args:
        name: its path in the workspace.
        given: the keys of the inputs that have a value.
        workspace: where it is, if it is there.
    """
    wanted = {key: names for key, names in _FORMER.items() if key in given}
    if not wanted or not (workspace / name).is_file():
        return
    root = _read(workspace / name)
    for key, (former, today) in wanted.items():
        if root is not None and _find(root, former, set()) is not None:
            what = f"{name} says `{former}`, Trivy's former name, which wins over this input"
            yield Problem(key, what, f"write `{today}` there, or leave it out")


def says(name: str, key: str, workspace: Path) -> bool:
    """Tell whether the file has a value for a key with dots; arguments as for `text_of`."""
    return _value(name, key, workspace) is not None


def text_of(name: str, key: str, workspace: Path) -> str:
    """Return the text that the file has for a key with dots; empty if it has none.

    Args:
        name: its path in the workspace.
        key: as Trivy spells it.
        workspace: where it is, if it is there.
    """
    value = _value(name, key, workspace)
    if value is None:
        return ""
    from yaml import ScalarNode

    return str(value.value) if isinstance(value, ScalarNode) else ""


def _value(name: str, key: str, workspace: Path) -> Node | None:
    root = _read(workspace / name) if (workspace / name).is_file() else None
    return None if root is None else _find(root, key, set())


def _read(path: Path) -> Node | None:
    """Return the file's content; None if it has none, or Trivy itself will say that it cannot be read."""
    import yaml

    try:
        return yaml.compose(read_text(path), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return None


def _find(node: Node, key: str, seen: set[tuple[int, str]]) -> Node | None:
    """Return the value of a key with dots, found in any of the ways in which Viper finds one."""
    from yaml import MappingNode, SequenceNode

    if not isinstance(node, MappingNode) or (id(node), key) in seen:
        return None
    seen.add((id(node), key))
    merged: list[Node] = []
    for name, value in node.value:
        found = str(name.value).lower()
        if name.tag.endswith(":merge"):
            merged += value.value if isinstance(value, SequenceNode) else [value]
        elif found == key:
            return None if value.tag.endswith(":null") else value
        elif key.startswith(f"{found}."):
            below = _find(value, key.removeprefix(f"{found}."), seen)
            if below is not None:
                return below
    each = (_find(one, key, seen) for one in merged)
    return next((found for found in each if found is not None), None)
