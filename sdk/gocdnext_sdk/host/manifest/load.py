"""Import the plugin in a directory.

The directory is a package of its own, as in the image: ``plugin.py`` imports its other modules with
``from . import checks``. So two plugins may have modules with the same name, and a plugin's modules do not
shadow other imports.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.plugin import Plugin


class FolderError(UsageError):
    """A directory does not contain a plugin."""


def load_plugin(folder: Path) -> type[Plugin[Any]]:
    """Import ``plugin.py`` of `folder` and return the plugin it defines.

    Raises:
        FolderError: there is no ``plugin.py``, it cannot be imported, or it does not define one plugin.
    """
    return _load((folder / "plugin.py").resolve())


def plugin_folders(folder: Path, *files: str) -> list[Path]:
    """Return `folder` if it is a plugin's directory, else the plugins' directories in it.

    Args:
        folder: the directory.
        files: what makes a directory a plugin's, one of them: ``plugin.py``, ``plugin.yaml``.

    Raises:
        FolderError: there are none.
    """
    if any((folder / file).is_file() for file in files):
        return [folder]
    found = sorted({path.parent for file in files for path in folder.glob(f"*/{file}")})
    if not found:
        raise FolderError(f"{folder} contains no {' and no '.join(files)}, nor does a directory in it")
    return found


@cache
def _load(path: Path) -> type[Plugin[Any]]:
    if not path.is_file():
        raise FolderError(f"{path.parent} has no plugin.py; name the directory of a plugin")
    folder = path.parent
    package = f"gocdnext_plugin_{sha256(str(folder).encode()).hexdigest()[:16]}"
    sys.modules[package] = root = ModuleType(package)
    root.__path__ = [str(folder)]
    try:
        module = importlib.import_module(f"{package}.plugin")
    except Exception as error:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        raise FolderError(_reason(path, error)) from error
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Plugin) and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise FolderError(f"{path} must define one Plugin subclass, but defines {names}")
    plugin: type[Plugin[Any]] = found[0]
    return plugin


def _reason(path: Path, error: Exception) -> str:
    """Return where in the plugin's directory an import fails, and why."""
    at = path
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(path.parent):
            at, line = Path(frame.filename), frame.lineno
    text = f"{at}:{line}: cannot be imported: {type(error).__name__}: {error}"
    name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if name and (path.parent / f"{name}.py").is_file():
        text += f"; a plugin's directory is a package: write `from . import {name}`"
    return text
