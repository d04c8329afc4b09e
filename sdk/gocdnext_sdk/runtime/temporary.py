"""Where temporary files go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gocdnext_sdk.errors import ContainerError

DEFAULT = "/tmp"  # noqa: S108 - as tools take it; what is made in it is private


def temporary(environ: Mapping[str, str]) -> Path:
    """Return the directory for temporary files: TMPDIR, else /tmp.

    Never the working directory, which `tempfile` takes where nothing else can be written: the checkout.

    Args:
        environ: the job's.

    Raises:
        ContainerError: it cannot be written, as on a read-only root file system.
    """
    folder = Path(environ.get("TMPDIR") or DEFAULT)
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise ContainerError(
            f"no temporary file can be made in {folder}",
            "give the job a writable /tmp, which may be a tmpfs, or set TMPDIR to a directory that is",
        )
    return folder
