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
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from gocdnext_sdk.errors import UsageError, quoted
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.plugin import Plugin

_NEEDED = {
    "name": "it is the last part of an image's name",
    "inputs": "it is the class with the fields of the `with:` map",
    "run": "it is the method that does the work",
}
"""What a plugin's class must have, and what that is."""


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
    _check(plugin, path)
    return plugin


def _check(plugin: type[Plugin[Any]], path: Path) -> None:
    """Refuse a class that could not run, or whose image could have no such name."""
    for name, what in _NEEDED.items():
        if name in plugin.__abstractmethods__ or not hasattr(plugin, name):
            raise FolderError(f"{path}: {plugin.__name__} has no `{name}`", what)
    if not _ends_an_image(plugin.name):
        what = f"{quoted(plugin.name)} is not {_NEEDED['name'].removeprefix('it is ')}"
        raise FolderError(f"{path}: {what}", 'write lower-case words, such as "gocdnext-plugin-image-labels"')


def _ends_an_image(name: str) -> bool:
    """Tell whether a text can be the last part of an image's name."""
    with suppress(ValueError):
        return "/" not in name and Reference.parse(f"localhost/{name}").repository == name
    return False


def _reason(path: Path, error: Exception) -> str:
    """Return where in the plugin's directory an import fails, and why."""
    at = path
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(path.parent):
            at, line = Path(frame.filename), frame.lineno
    said = str(error).strip().partition("\n")[0]  # pydantic adds a link below it
    text = f"{at}:{line}: cannot be imported: {type(error).__name__}: {said}"
    name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if name and (path.parent / f"{name}.py").is_file():
        text += f"; a plugin's directory is a package: write `from . import {name}`"
    return text
