"""Find the plugin that a folder holds."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

from gocdnext_sdk.errors import Error
from gocdnext_sdk.plugin import Plugin


class FolderError(Error):
    """A folder does not hold a plugin."""

    exit_code = 2


def load_plugin(folder: Path) -> type[Plugin[Any]]:
    """Import ``plugin.py`` of `folder` and return the plugin it defines.

    Raises:
        FolderError: there is no ``plugin.py``, it cannot be imported, or it does not define one plugin.
    """
    return _load((folder / "plugin.py").resolve())


@cache
def _load(path: Path) -> type[Plugin[Any]]:
    if not path.is_file():
        raise FolderError(f"{path.parent} has no plugin.py; name a plugin's folder")
    name = f"gocdnext_plugin_{path.parent.name.replace('-', '_')}_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FolderError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pydantic looks the annotations up
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise FolderError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Plugin) and each.__module__ == name
    ]
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise FolderError(f"{path} has to define one Plugin subclass; it defines {names}")
    plugin: type[Plugin[Any]] = found[0]
    return plugin
