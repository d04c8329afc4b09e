"""The manifests of known plugins, and the one that applies to an image.

An installed SDK has its own plugins in ``bundled`` next to this file; a checkout has them in ``plugins/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from gocdnext_sdk.contract.uses import PREFIX, catalog_name, short_name
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.manifest.inputs import inputs_of
from gocdnext_sdk.host.manifest.load import FolderError, load_plugin, plugin_folders
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog
from gocdnext_sdk.host.pipeline.errors import suggest
from gocdnext_sdk.inputs.model import PluginInputs


class Catalog:
    """Plugins by the image that `uses:` names.

    Args:
        manifests: the plugins; of two with the same name, the later wins.
        folders: the directories of those whose code is available, by name.
        images: the plugins that are known by their image alone, by its reference.
    """

    def __init__(
        self,
        manifests: Iterable[Manifest],
        folders: Mapping[str, Path] | None = None,
        images: Mapping[str, Manifest] | None = None,
    ) -> None:
        self._manifests = {manifest.name: manifest for manifest in manifests}
        self._folders = folders or {}
        self._images = images or {}
        self._inputs: dict[str, type[PluginInputs]] = {}

    @classmethod
    def load(cls, folders: Iterable[Path] = ()) -> Self:
        """Read the SDK's own plugins, and those in `folders`, which win.

        Args:
            folders: directories of plugins, or directories that contain such directories.

        Raises:
            FolderError: one of them contains no plugin, or one that cannot be read.
        """
        theirs = (each for folder in folders for each in plugin_folders(folder, "plugin.yaml", "plugin.py"))
        manifests = [(_read(folder), folder) for folder in (*bundled(), *theirs)]
        return cls((each for each, _ in manifests), {each.name: folder for each, folder in manifests})

    def find(self, image: str) -> Manifest | None:
        """Return the manifest of an image, by the last segment of its path.

        The platform looks up exactly that segment. Its own images are called `gocdnext-plugin-NAME`, while
        their manifests are called `NAME`; both are understood. `aquasec/trivy` is not one of our plugins,
        though.
        """
        name = catalog_name(image)
        found = self._manifests.get(name) or self._manifests.get(short_name(name))
        return found or self._images.get(image)

    def with_images(self, images: Mapping[str, Manifest]) -> Catalog:
        """Return this catalog and plugins that are known by their image alone."""
        return Catalog(self._manifests.values(), self._folders, {**self._images, **images})

    def named(self, name: str) -> Manifest:
        """Return the manifest of a plugin, by its whole name or without the images' prefix.

        Raises:
            UsageError: there is none.
        """
        if found := self.find(name) or self.find(PREFIX + name):
            return found
        advice = suggest(short_name(name), sorted(map(short_name, self.names)), "plugins")
        raise UsageError(f'there is no plugin "{name}"', advice)

    def inputs(self, manifest: Manifest) -> type[PluginInputs]:
        """Return the inputs of a plugin of this catalog: its own model, or one made of its manifest.

        Its own model is imported if possible; the plugin may import something that only its image has.
        """
        if manifest.name not in self._inputs:
            folder = self._folders.get(manifest.name)
            try:
                plugin = load_plugin(folder) if folder else None
            except FolderError:
                plugin = None
            self._inputs[manifest.name] = plugin.inputs if plugin else inputs_of(manifest)
        return self._inputs[manifest.name]

    @property
    def names(self) -> tuple[str, ...]:
        """The last segments of the plugins' images, in alphabetical order."""
        return tuple(sorted(self._manifests))

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self._manifests[name] for name in sorted(self._manifests))


def _read(folder: Path) -> Manifest:
    """Read a plugin's manifest: the file, or what its code says where none was written."""
    file = folder / "plugin.yaml"
    return read_catalog(file) if file.is_file() else Manifest.of(folder)


def bundled() -> list[Path]:
    """Return the directories of the SDK's own plugins: those in the wheel, or else in the checkout."""
    here = Path(__file__).resolve().parent / "bundled"
    root = here if here.is_dir() else here.parents[4] / "plugins"
    return sorted(path.parent for path in root.glob("*/plugin.yaml"))
