"""What the command makes for a start: a new plugin here, a first pipeline (`init`) in `first_pipeline`.

A new plugin's folder passes its own tests at once. `template` holds a whole plugin called `my-plugin`; a new
one is a copy of it under another name.
"""

from __future__ import annotations

import re
from pathlib import Path

from gocdnext_sdk.contract.uses import short_name
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.manifest.ci_files import FILES
from gocdnext_sdk.host.manifest.files import write

TEMPLATE = Path(__file__).parent / "template"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class ScaffoldError(UsageError):
    """The directory cannot be made."""


def scaffold(name: str, folder: Path) -> list[Path]:
    """Make a plugin's folder.

    Args:
        name: of the plugin, in kebab case; the image will be called `gocdnext-plugin-NAME`.
        folder: where; it must not be there, or be empty.

    Returns:
        The files that were made.

    Raises:
        ScaffoldError: the name cannot be an image's, or there is something in the folder.
    """
    name = short_name(name)
    if not _NAME.fullmatch(name):
        raise ScaffoldError(
            f'"{name}" cannot be a plugin\'s name; write lower-case words, such as "image-labels"'
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ScaffoldError(f"{folder} exists and is not empty; choose another directory with --directory")
    for source in sorted(TEMPLATE.rglob("*")):
        relative = source.relative_to(TEMPLATE)
        if source.is_dir() or "__pycache__" in relative.parts:
            continue
        target = folder / _renamed(relative.as_posix(), name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_renamed(source.read_text(encoding="utf-8"), name), encoding="utf-8")
    write(folder, FILES)
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _renamed(text: str, name: str) -> str:
    words = name.split("-")
    spellings = {
        "my-plugin": name,
        "my_plugin": "_".join(words),
        "MyPlugin": "".join(map(str.title, words)),
    }
    return re.sub("|".join(spellings), lambda match: spellings[match[0]], text)
