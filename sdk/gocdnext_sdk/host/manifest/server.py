"""Manifests as a gocdnext server takes them, so that it checks `with:` before a run (docs/contract.md §1.3).

Source: klinux/gocdnext `server/internal/plugins/catalog.go`; for Helm,
`charts/gocdnext/templates/server-extra-plugins-cm.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.plugin_yaml import render_catalog


def manifests(catalog: Catalog, names: Iterable[str] = ()) -> dict[str, str]:
    """Return the text of each plugin's manifest, by the name of the folder in which the server wants it.

    Args:
        catalog: the plugins.
        names: those that are wanted, as `Catalog.find` takes them; none is all.

    Raises:
        UsageError: there is no plugin of that name.
    """
    chosen = [catalog.named(name) for name in names] or [*catalog]
    return {each.name: render_catalog(each) for each in chosen}


def write_folder(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write `NAME/plugin.yaml` into a directory for `GOCDNEXT_PLUGIN_CATALOG_DIR`, and return the files.

    Raises:
        UsageError: the directory holds something that would keep the server from starting.
    """
    for strange in sorted(folder.glob("*/plugin.yaml")) if folder.is_dir() else []:
        name = (yaml.safe_load(strange.read_text(encoding="utf-8")) or {}).get("name")
        if name != strange.parent.name:
            raise UsageError(
                f'{strange}: the server would not start: its name is "{name}" and not that of its directory',
                "choose another directory",
            )
    written = []
    for name, text in texts.items():
        path = folder / name / "plugin.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def helm_values(texts: dict[str, str]) -> str:
    """Return values for the server's Helm chart."""
    lines = ["extraPlugins:"]
    for name, text in texts.items():
        lines += [f"  {name}: |", *(f"    {line}".rstrip() for line in text.splitlines())]
    return "\n".join(lines) + "\n"
