"""The manifests of known plugins, and which of them an image is checked against.

An installed SDK carries the manifests of its own plugins in this folder; a checkout has them in ``plugins/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from gocdnext_sdk.contract.uses import catalog_name
from gocdnext_sdk.manifest.catalog import read_catalog
from gocdnext_sdk.manifest.load import FolderError
from gocdnext_sdk.manifest.model import Manifest

PREFIX = "gocdnext-plugin-"
"""What the platform's own plugin images are called, before the name of their manifest."""


class Catalogue:
    """Plugins by the image that `uses:` names.

    Args:
        manifests: the plugins; of two with one name the later counts.
    """

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._manifests = {manifest.name: manifest for manifest in manifests}

    @classmethod
    def load(cls, folders: Iterable[Path] = ()) -> Self:
        """Read the SDK's own plugins, and those in `folders`, which win.

        Args:
            folders: each a plugin's folder, or a folder of such.

        Raises:
            FolderError: one of them holds no manifest, or one that cannot be read.
        """
        paths = [*_own(), *(path for folder in folders for path in _in(folder))]
        return cls(map(read_catalog, paths))

    def find(self, image: str) -> Manifest | None:
        """Return the manifest of an image, by the last segment of its path.

        The platform looks up exactly that segment; images that it publishes itself are called
        `gocdnext-plugin-NAME`, where the manifest's name is `NAME`. Both are understood. `aquasec/trivy` is
        no plugin of ours, though.
        """
        name = catalog_name(image)
        return self._manifests.get(name) or self._manifests.get(short_name(name))

    @property
    def names(self) -> tuple[str, ...]:
        """The last segments of the plugins' images, in alphabetical order."""
        return tuple(sorted(self._manifests))

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self._manifests[name] for name in sorted(self._manifests))


def short_name(name: str) -> str:
    """Return a plugin's name without the prefix of its image."""
    return name.removeprefix(PREFIX)


def _own() -> list[Path]:
    here = Path(__file__).parent
    return sorted(here.glob("*/plugin.yaml")) or sorted(here.parents[2].glob("plugins/*/plugin.yaml"))


def _in(folder: Path) -> list[Path]:
    found = [folder / "plugin.yaml"] if (folder / "plugin.yaml").is_file() else []
    found = found or sorted(folder.glob("*/plugin.yaml"))
    if not found:
        raise FolderError(
            f"{folder} holds no plugin.yaml, nor does a folder in it; `gocdnext-plugin manifest` writes one"
        )
    return found
