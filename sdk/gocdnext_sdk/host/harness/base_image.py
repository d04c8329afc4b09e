"""Build the base image, which plugins' images start from, from the installed SDK.

Nothing but this package and a Docker engine is needed: a wheel has the Dockerfile and what belongs to it in
``base`` next to this file; a checkout has them in ``sdk/``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gocdnext_sdk.host.harness.build import BASE_IMAGE, build_image

RECIPE: Final = (
    "Dockerfile",
    "LICENSE",
    "METADATA",
    "build.py",
    "build_run.py",
    "build_runtime.py",
    "elf.py",
    "inventory.py",
    "launch.py",
    "requirements.lock",
    "system.py",
)
"""What the image is made with, beside the package."""

_PACKAGE = Path(__file__).resolve().parents[2]


def build_base(contexts: Mapping[str, str], tag: str = BASE_IMAGE) -> None:
    """Build the base image and leave it on the engine as `tag`.

    Args:
        contexts: named build contexts, as for `build_image`; `python` and `native`, the same of the platform
            that builds, replace the official Python image.
        tag: by default the published image's own name, by which plugins' Dockerfiles find it.

    Raises:
        ToolError: the build failed, or there is no buildx.
    """
    recipe = Path(__file__).resolve().with_name("base")
    recipe = recipe if recipe.is_dir() else _PACKAGE.parent
    with tempfile.TemporaryDirectory(prefix="gocdnext-base-") as folder:
        # As in a checkout, for one Dockerfile; where it is installed, a package has strangers beside it.
        sdk = Path(folder) / "sdk"
        ignored = shutil.ignore_patterns("__pycache__", "host")
        shutil.copytree(_PACKAGE, sdk / _PACKAGE.name, ignore=ignored)
        for name in RECIPE:
            shutil.copy(recipe / name, sdk / name)
        build_image(Path(folder), tag, contexts, dockerfile=sdk / "Dockerfile")
