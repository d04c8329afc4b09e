"""The small grammars that single fields hold: names, durations, globs, cache keys.

Each function says what is wrong, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

CLUSTER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ENVIRONMENT: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
PULL_REQUEST_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9._/-]*")
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Kubernetes' IsValidLabelValue and IsQualifiedName.
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")

_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_AMOUNT = re.compile(rf"(\d+\.?\d*|\.\d+)({'|'.join(_SECONDS)})")

_CACHE_TOKEN = re.compile(r'\{\{[\t\n\f\r ]*(\w+)[\t\n\f\r ]+"([^"]*)"[\t\n\f\r ]*\}\}', re.ASCII)
_CACHE_LITERAL = re.compile(r"[a-zA-Z0-9\-_.]*")
_CACHE_KEY_MAX = 1024
_CACHE_TOKENS_MAX = 5
_CACHE_GLOB_MAX = 255


def seconds(duration: str) -> float | None:
    """Return a Go duration (`90m`, `1h30m`) in seconds; None if it is not one."""
    sign, amounts = (-1, duration[1:]) if duration.startswith("-") else (1, duration)
    amounts = amounts.removeprefix("+") if sign == 1 else amounts
    if amounts == "0":
        return 0.0
    found = _AMOUNT.findall(amounts)
    if not found or "".join(number + unit for number, unit in found) != amounts:
        return None
    return sign * sum(float(number) * _SECONDS[unit] for number, unit in found)


def relative_path(path: str) -> str | None:
    """Why a path or glob does not stay inside the repository."""
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "is absolute; write it relative to the repository"
    if ".." in path.split("/"):
        return "has a `..` in it; write it relative to the repository"
    return None


def glob(pattern: str) -> str | None:
    """Why a pattern is not a glob with `**`, `{a,b}` and `[a-z]`."""
    depth, i = 0, 0
    while i < len(pattern):
        match pattern[i]:
            case "\\":
                i += 1
                if i == len(pattern):
                    return "ends in a backslash"
            case "{":
                depth += 1
            case "}" if depth == 0:
                return "closes a `{` that is not there"
            case "}":
                depth -= 1
            case "[":
                # A `]` right after the opening stands for itself.
                start = i + 2 if pattern[i + 1 : i + 2] in {"!", "^"} else i + 1
                if (i := pattern.find("]", start + 1)) < 0:
                    return "has a `[` without `]`"
            case _:
                pass
        i += 1
    return "has a `{` without `}`" if depth else None


def label_value(text: str) -> str | None:
    """Why a text is not the value of a Kubernetes label."""
    if _LABEL_VALUE.fullmatch(text):
        return None
    return "is not a Kubernetes label value (up to 63 letters, digits and -_. inside)"


def qualified_name(text: str) -> str | None:
    """Why a text is not the key of a Kubernetes label."""
    prefix, slash, name = text.rpartition("/")
    if name and label_value(name) is None and (not slash or _SUBDOMAIN.fullmatch(prefix)):
        return None
    return "is not a Kubernetes label key, as in `example.com/pool`"


def cache_key(key: str) -> str | None:
    """Why a text is not a cache key, with or without `{{ hash "glob" }}` in it."""
    if len(key.encode()) > _CACHE_KEY_MAX:
        return f"is longer than {_CACHE_KEY_MAX} bytes"
    tokens = list(_CACHE_TOKEN.finditer(key))
    if len(tokens) > _CACHE_TOKENS_MAX:
        return f"has more than {_CACHE_TOKENS_MAX} {{{{ }}}}"
    for literal in _CACHE_TOKEN.split(key)[::3]:
        if "{{" in literal:
            return 'has a `{{` that is not of the form {{ hash "glob" }}'
        if tokens and not _CACHE_LITERAL.fullmatch(literal):
            return f"has {literal!r} beside {{{{ }}}}; there only letters, digits and -_. may stand"
    for token in tokens:
        function, pattern = token.groups()
        if function != "hash":
            return f"uses `{function}`; the only function is hash"
        if not pattern or len(pattern.encode()) > _CACHE_GLOB_MAX:
            return f"hashes a glob that is empty or longer than {_CACHE_GLOB_MAX} bytes"
        if ".." in pattern or pattern.startswith("/"):
            return f"hashes {pattern!r}, which leaves the workspace"
    return None


def expand_cache_key(key: str, hash_of: Callable[[str], str]) -> str:
    """Return a cache key with what `hash_of` returns for the glob of each `{{ hash "glob" }}`."""
    return _CACHE_TOKEN.sub(lambda token: hash_of(token[2]), key)


def matches_path(pattern: str, path: str) -> bool:
    """Tell whether a path fits a glob of a cache key: no `*` stands for a slash (Go's `filepath.Match`)."""
    patterns, parts = pattern.removeprefix("./").split("/"), path.split("/")
    return len(patterns) == len(parts) and all(
        fnmatchcase(part, each.replace("[^", "[!")) for part, each in zip(parts, patterns, strict=True)
    )
