"""How an input name in `with:` becomes an environment variable.

The platform has two transforms, and which one runs depends on the mode of its agent:

- `shared_key`: Docker engine, Kubernetes shared mode and run-local
  (upstream `agent/internal/runner/plugin.go`, pluginEnvKey);
- `isolated_key`: Kubernetes isolated mode, the Helm chart's default
  (upstream `agent/internal/runner/execute_isolated.go`, toUpperEnv).

They agree on every name that `is_portable` accepts, so manifests should use no other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal

PREFIX: Final = "PLUGIN_"
"""What every input's variable starts with."""

MARK: Final = "GOCDNEXT"
"""The variable that is `true` in every job of the platform, and nowhere else (docs/contract.md §5)."""

KUBECONFIG: Final = "PLUGIN_KUBECONFIG"
"""The variable that `cluster:` sets, though no plugin has such an input (docs/contract.md §5)."""

SHORT_SHA: Final = 8
"""Characters of a commit in `CI_COMMIT_SHORT_SHA`."""

_PORTABLE = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def is_portable(name: str) -> bool:
    """Tell whether both transforms give the same variable for this input name.

    The rule is lower-case words of letters and digits, joined by single `-` or `_`.
    """
    return _PORTABLE.fullmatch(name) is not None


@lru_cache(maxsize=4096)  # a linter asks for the same few names again and again
def shared_key(name: str) -> str:
    """Return the variable's name, without `PREFIX`, on the Docker engine and in shared mode.

    `-`, `.` and space become `_`; a capital gets a `_` in front when a lower-case letter
    precedes it (`targetEnv` gives `TARGET_ENV`, but `s3Bucket` gives `S3BUCKET`).
    """
    key: list[str] = []
    after_lower = False
    for char in name:
        if char in "-. ":
            key.append("_")
            after_lower = False
        elif unicodedata.category(char) == "Lu":
            key.append(f"_{char}" if after_lower else char)
            after_lower = False
        else:
            key.append(_upper(char))
            after_lower = unicodedata.category(char) == "Ll"
    return "".join(key)


def isolated_key(name: str) -> str:
    """Return the variable's name, without `PREFIX`, in isolated mode: `a-z` raised, `-` to `_`."""
    return name.translate(_ISOLATED)


Transform = Literal["shared", "isolated"]
"""Which of the platform's two transforms a mode of its agent uses."""

TRANSFORMS: Final[Mapping[Transform, Callable[[str], str]]] = {
    "shared": shared_key,
    "isolated": isolated_key,
}


def variable(name: str, transform: Transform = "shared") -> str:
    """Return the full name of the variable that carries the input `name`."""
    return PREFIX + TRANSFORMS[transform](name)


def collisions(names: Iterable[str], transform: Transform = "shared") -> list[tuple[str, ...]]:
    """Return groups of two or more names that end up in one variable.

    The platform does not notice: the value of a random one of them wins.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(variable(name, transform), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


_ISOLATED = {ord("-"): "_"} | {ord(c): c.upper() for c in "abcdefghijklmnopqrstuvwxyz"}


def _upper(char: str) -> str:
    # Go maps one rune to one rune: `ß`, whose upper case is two letters, stays as it is.
    # Where only the one-letter mapping exists beside a longer one, it equals the title case.
    for mapped in (char.upper(), char.title()):
        if len(mapped) == 1:
            return mapped
    return char
