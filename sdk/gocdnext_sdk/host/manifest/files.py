"""The generated files in a plugin's directory: write them, or compare them with what is there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gocdnext_sdk.host.manifest.ci_files import FILES
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.manifest.plugin_yaml import render_catalog
from gocdnext_sdk.host.manifest.readme import render_readme
from gocdnext_sdk.host.manifest.schema import render_schema


def generate(folder: Path, systems: Collection[str] = ()) -> dict[Path, str]:
    """Return the content of the generated files of `folder`; write nothing.

    Args:
        folder: the plugin's.
        systems: CI systems whose files are wanted; those that are there already are kept up to date.

    Raises:
        FolderError: `folder` contains no plugin, or its README has no markers for the tables.
    """
    manifest = Manifest.of(folder)
    files = {
        folder / "plugin.yaml": render_catalog(manifest),
        folder / "schema.json": render_schema(manifest),
    }
    for system, (name, render) in FILES.items():
        if system in systems or (folder / name).is_file():
            files[folder / name] = render(manifest)
    readme = folder / "README.md"
    if readme.is_file():
        files[readme] = render_readme(readme.read_text(encoding="utf-8"), manifest)
    return files


def outdated(folder: Path, systems: Collection[str] = ()) -> list[Path]:
    """Return the generated files of `folder` that are out of date.

    Raises:
        FolderError: as `generate`.
    """
    return [path for path, text in generate(folder, systems).items() if _read(path) != text]


def write(folder: Path, systems: Collection[str] = ()) -> list[Path]:
    """Write the generated files of `folder` and return those that changed.

    Raises:
        FolderError: as `generate`.
    """
    changed = outdated(folder, systems)
    for path, text in generate(folder, systems).items():
        if path in changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    return changed


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
