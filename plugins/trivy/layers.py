"""What Trivy finds in layers depends on which of them it takes for those of the base image.

It looks for no secrets in those, and keeps what it found in a layer under a name that does not say so. So an
image and its base would get each other's answers, by which was scanned first. The name depends on
`--skip-files`, though: a pattern that fits nothing tells them apart.

Source: Trivy 0.74 `pkg/cache/key.go`, `pkg/fanal/artifact/image/image.go` (`guessBaseLayers`),
`pkg/fanal/image/image.go` (`GuessBaseImageIndex`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

_COMMANDS = ("/bin/sh -c #(nop)  CMD", "CMD")
"""What a base image's last line begins with, as the older builder and BuildKit write it."""


def telling_apart(configuration: Mapping[str, Any]) -> list[str]:
    """Return Trivy's arguments by which layers are kept for images with the same base only.

    Args:
        configuration: of the image.
    """
    base = base_layers(configuration)
    if not base:
        return []
    return ["--skip-files", f"no-file-{hashlib.sha256(' '.join(base).encode()).hexdigest()[:16]}"]


def base_layers(configuration: Mapping[str, Any]) -> Sequence[str]:
    """Return the digests of the layers that Trivy takes for the base image's."""
    history, root = _list(configuration, "history"), configuration.get("rootfs")
    layers = _list(root if isinstance(root, dict) else {}, "diff_ids")
    history = [each if isinstance(each, dict) else {} for each in history]
    top = next((n for n in reversed(range(len(history))) if not history[n].get("empty_layer")), 0)
    ends = (
        n
        for n in reversed(range(top))
        if history[n].get("empty_layer") and str(history[n].get("created_by", "")).startswith(_COMMANDS)
    )
    end = next(ends, 0)
    return [str(each) for each in layers[: sum(not each.get("empty_layer") for each in history[:end])]]


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    return found if isinstance(found, list) else []
