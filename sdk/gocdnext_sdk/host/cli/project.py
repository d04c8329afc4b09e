"""The project that a command is called in: its settings, its pipelines, its plugins.

Settings stand in ``gocdnext-plugin.toml``, or in the table ``[tool.gocdnext-plugin]`` of ``pyproject.toml``,
of the current folder or the nearest one above that has either, up to the root of the Git repository.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.lint.check import FOLDER, files_in
from gocdnext_sdk.host.manifest.catalog import bundled
from gocdnext_sdk.host.manifest.load import plugin_folders
from gocdnext_sdk.host.pipeline.errors import suggest
from gocdnext_sdk.host.pipeline.model import Profile

FILE = "gocdnext-plugin.toml"
_TABLE = ("tool", "gocdnext-plugin")
_SETTINGS = ("images", "local", "plugins", "profiles", "secrets-file", "variables")


@dataclass(frozen=True)
class Project:
    """The settings of a project; all are empty where none are written.

    Args:
        plugins: folders of plugins, for `plan`, `lint`, `schema` and `exec`.
        images: image, or plugin's name, to what runs instead; also those of scripts and services.
        local: plugin's name to the folder from which its image is built.
        variables: replace variables of pipelines.
        secrets_file: where secrets are.
        profiles: the runner profiles that `agent.profile` may name.
    """

    plugins: tuple[Path, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Path] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets_file: Path | None = None
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the settings that apply in a folder.

        Raises:
            UsageError: a file cannot be read, or says something that is no setting.
        """
        for folder in _above(start or Path.cwd()):
            own, shared = folder / FILE, folder / "pyproject.toml"
            if own.is_file():
                return cls._of(own, _read(own))
            if shared.is_file() and (table := _table(_read(shared))):
                return cls._of(shared, table)
        return cls()

    @classmethod
    def _of(cls, file: Path, said: Mapping[str, Any]) -> Project:
        for name in said:
            if name not in _SETTINGS:
                raise UsageError(f"{file}: there is no setting {name}", suggest(name, _SETTINGS, "settings"))

        def texts(name: str) -> dict[str, str]:
            found = said.get(name, {})
            if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
                raise UsageError(f'{file}: {name} is not a table of texts, NAME = "VALUE"')
            return found

        plugins, secrets = said.get("plugins", []), said.get("secrets-file", "")
        if not isinstance(plugins, list) or not all(isinstance(each, str) for each in plugins):
            raise UsageError(f'{file}: plugins is not a list of directories, ["ci/plugins"]')
        if not isinstance(secrets, str):
            raise UsageError(f"{file}: secrets-file is not a text")
        return cls(
            plugins=tuple(_folder(file, each, "plugins") for each in plugins),
            images=texts("images"),
            local={name: _folder(file, each, "local") for name, each in texts("local").items()},
            variables=texts("variables"),
            secrets_file=_own(file, secrets) if secrets else None,
            profiles=_profiles(file, said.get("profiles", {})),
        )


def _profiles(file: Path, said: object) -> dict[str, Profile]:
    """Read ``[profiles.NAME]`` with ``image`` and ``variables``.

    Raises:
        UsageError: it says something else.
    """
    if not isinstance(said, dict) or not all(isinstance(each, dict) for each in said.values()):
        raise UsageError(f"{file}: profiles is not a table of tables, [profiles.NAME]")
    found = {}
    for name, profile in said.items():
        image, variables = profile.get("image", ""), profile.get("variables", {})
        texts = isinstance(variables, dict) and all(isinstance(each, str) for each in variables.values())
        if profile.keys() - {"image", "variables"} or not isinstance(image, str) or not texts:
            raise UsageError(
                f"{file}: profiles.{name} has other things than a text `image` and texts in `variables`"
            )
        found[name] = Profile(image, variables)
    return found


def pipeline(said: str | None) -> Path:
    """Return the file of a pipeline.

    Args:
        said: a file, a folder, the name of a pipeline of this project, or None for its only one.

    Raises:
        UsageError: there is none, or several and none is named.
    """
    if said is not None and Path(said).is_file():
        return Path(said)
    if said is not None and Path(said).is_dir():
        found, where = pipelines_in(Path(said)), said
    else:
        found, where = nearest(), "this directory, or one above it,"
    if said is not None and not Path(said).is_dir():
        if named := [each for each in found if each.stem == said]:
            return named[0]
        advice = suggest(Path(said).stem, [each.stem for each in found], "pipelines")
        raise UsageError(f"there is no file and no pipeline {said}", advice)
    if not found:
        raise UsageError(f"{where} has no pipeline in {FOLDER}/", "`gocdnext-plugin init` writes a first one")
    if len(found) > 1:
        raise UsageError("there are several pipelines here", f"name one: {', '.join(e.stem for e in found)}")
    return found[0]


def plugin(said: str, folders: tuple[Path, ...] = ()) -> Path:
    """Return the folder of a plugin.

    Args:
        said: its folder, or its name.
        folders: where plugins are, besides this project's own.

    Raises:
        UsageError: there is none.
    """
    if Path(said).is_dir():
        return Path(said)
    known = plugins(folders)
    name = said.removeprefix("gocdnext-plugin-")
    if name not in known:
        raise UsageError(
            f"there is no directory and no plugin {said}", suggest(name, sorted(known), "plugins")
        )
    return known[name]


def plugins(folders: tuple[Path, ...] = ()) -> dict[str, Path]:
    """Return the folders of this project's own plugins and of those in `folders`, by name."""
    known = {each.name: each for each in bundled()}
    for folder in folders:
        known |= {each.resolve().name: each for each in plugin_folders(folder, "plugin.py")}
    return known


def pipelines_in(folder: Path) -> list[Path]:
    """Return the pipelines of a folder: those in its ``.gocdnext``, or in it, if that is its name."""
    inside = folder if folder.resolve().name == FOLDER else folder / FOLDER
    return files_in(inside)


def nearest() -> list[Path]:
    """Return the pipelines of this folder, or else of the nearest one above it in the same repository."""
    return next((found for each in _above(Path.cwd()) if (found := pipelines_in(each))), [])


def _above(start: Path) -> Iterator[Path]:
    """Yield a folder and those above it, up to the root of its Git repository."""
    for folder in (start.resolve(), *start.resolve().parents):
        yield folder
        if (folder / ".git").exists():
            return


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None


def _table(said: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = said
    for name in _TABLE:
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _folder(file: Path, said: str, setting: str) -> Path:
    folder = file.parent / said
    if not folder.is_dir():
        raise UsageError(f"{file}: {setting}: {said} is not a directory")
    return folder


def _own(file: Path, said: str) -> Path:
    """Return the secrets file; a stranger's project may not name one of yours."""
    path = file.parent / said
    if not path.resolve().is_relative_to(file.parent.resolve()):
        raise UsageError(f"{file}: secrets-file: {said} is outside of the project", "pass --secrets-file")
    if not path.is_file():
        raise UsageError(f"{file}: secrets-file: {said} is not there")
    return path
