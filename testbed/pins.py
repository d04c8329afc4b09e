"""What ``tools.toml`` pins."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Pin:
    """One table of ``tools.toml``; empty strings where the table is silent."""

    name: str
    version: str = ""
    image: str = ""
    path: str = ""
    go: str = ""
    go_version: str = ""
    go_experiment: str = field(default="", repr=False)  # goes with `go`, which a tool's folder is named after
    ldflags: str = ""
    beside: str = field(default="", repr=False)  # named in the folder by itself, so that others keep theirs
    releases: str = field(default="", repr=False)
    within: str = field(default="", repr=False)
    signer: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    wheel: str = ""
    sha256: str = ""
    deb: str = field(default="", repr=False)  # goes with `debs`
    debs: Mapping[str, str] = field(default_factory=dict, repr=False)
    deb_version: str = field(default="", repr=False)
    module: str = field(default="", repr=False)  # named in the folder by its lock
    requires: str = field(default="", repr=False)  # goes with `module`
    advisories: str = field(default="", repr=False)
    suite: str = ""
    debian: tuple[str, ...] = ()


@cache
def pins() -> dict[str, Pin]:
    tables = tomllib.loads((ROOT / "tools.toml").read_text())
    return {
        name: Pin(name, **{key.replace("-", "_"): _frozen(value) for key, value in table.items()})
        for name, table in tables.items()
    }


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
