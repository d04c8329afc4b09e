"""What of a file may be secret: a build secret is often a whole configuration, and most of that is none."""

from __future__ import annotations

import re
from pathlib import Path

from gocdnext_sdk.workspace import is_file, is_in_workspace

_READ = 64 * 1024
"""Bytes of a file that are looked at."""

_WORD = re.compile(r"""[^\s"'=,;]{16,}""")
"""What could be a token or a key; shorter words are those of every configuration."""

_PLACE = re.compile(r"([A-Za-z+]+:)?//.*|[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?(/.*)?")
"""An address, by which a build argument or a label may name a registry too."""


def read_secret(path: str, workspace: Path) -> str:
    """Return the text of a secret file; nothing of one that is not in the workspace, or is no text."""
    if not (is_file(workspace / path) and is_in_workspace(path, workspace)):
        return ""
    with (workspace / path).open("rb") as file:
        content = file.read(_READ)
    return "" if b"\0" in content else content.decode(errors="surrogateescape")


def secret_words(text: str) -> tuple[str, ...]:
    """Return what of a text may be secret: all of it if it is one word, else the longer ones; no address."""
    if len(words := text.split()) == 1 and "=" not in text:
        return tuple(words)
    return tuple(word for word in dict.fromkeys(_WORD.findall(text)) if not _PLACE.fullmatch(word))
