"""Find the code of a plugin by the image that `uses:` names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gocdnext_sdk.contract.uses import catalog_name, short_name
from gocdnext_sdk.host.manifest.catalog import bundled
from gocdnext_sdk.host.manifest.load import load_plugin, plugin_folders
from gocdnext_sdk.plugin import Plugin


def find_plugin(image: str, folders: Iterable[Path] = ()) -> type[Plugin[Any]] | None:
    """Return the plugin whose name is the last segment of the image's path, if its code is available.

    Args:
        image: a reference.
        folders: directories of plugins, or directories that contain such directories; they are searched
            before the SDK's own plugins.

    Raises:
        FolderError: one of `folders` contains no plugin, or one that cannot be imported.
    """
    name = catalog_name(image)
    for folder in folders:
        for each in plugin_folders(folder, "plugin.py"):
            plugin = load_plugin(each)
            if plugin.name == name:
                return plugin
    for folder in bundled():
        if folder.name == short_name(name):
            plugin = load_plugin(folder)
            return plugin if plugin.name == name else None
    return None
