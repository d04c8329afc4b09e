"""What earlier runs brought into a checkout, told apart from the user's own files.

Every job of the platform starts from a clone. What a job wrote here lies in the user's tree afterwards; a
later run that took it along would pass by it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4


@dataclass(frozen=True)
class BroughtBack:
    """The notes about one checkout.

    Args:
        folder: where those about all of the user's checkouts are.
        checkout: the directory that jobs wrote to.
    """

    folder: Path
    checkout: Path

    def unchanged(self) -> frozenset[str]:
        """Return the paths that earlier runs brought in, and nobody has touched since."""
        return frozenset(path for path, state in self._read().items() if self._state(path) == state)

    def note(self, written: Iterable[str], known: Iterable[str]) -> None:
        """Note what a run has written.

        Args:
            written: paths below the checkout.
            known: those that were there before, by the user's doing.
        """
        own, before = frozenset(known), self._read()
        new = {path: self._state(path) for path in written if path not in own}
        noted = {path: state for path, state in {**before, **new}.items() if self._state(path) == state}
        if noted == before:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = self._file.with_suffix(f".{uuid4().hex[:8]}")
        half.write_text(json.dumps({"checkout": str(self.checkout), "files": noted}))
        half.replace(self._file)

    @property
    def _file(self) -> Path:
        name = hashlib.sha256(str(self.checkout).encode(errors="surrogateescape")).hexdigest()[:32]
        return self.folder / f"{name}.json"

    def _read(self) -> Mapping[str, list[int] | None]:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            return dict(json.loads(self._file.read_text())["files"])
        return {}

    def _state(self, path: str) -> list[int] | None:
        """Return what changes when a file does; None if there is no such file."""
        try:
            found = os.lstat(self.checkout / path)
        except (OSError, ValueError):
            return None
        return None if stat.S_ISDIR(found.st_mode) else [found.st_ino, found.st_size, found.st_mtime_ns]
