"""The file in which a job passes on its outputs, named by `GOCDNEXT_OUTPUT_FILE`.

`parse` reads as the platform does (upstream `agent/internal/runner/outputs.go`); `render` writes
what `parse` gives back unchanged, and refuses what no file could carry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gocdnext_sdk.contract.errors import ContractError

VARIABLE: Final = "GOCDNEXT_OUTPUT_FILE"
"""Holds the file's path; unset when the job declares no outputs."""

DIRECTORY: Final = ".gocdnext/outputs"
"""Where the platform puts the file, relative to the working directory."""

MAX_BYTES: Final = 64 * 1024
"""Cap on the whole file."""

MAX_DECLARED: Final = 64
"""Cap on the entries of a job's `outputs:`."""

ALIAS: Final = re.compile(r"[a-z][a-zA-Z0-9_-]*")
"""A name on the left of `outputs:`."""

KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A name on the right of `outputs:`, and a key in the file."""

_QUOTES = "'\""
# The blanks Go's strings.TrimSpace removes, which are not quite those of str.strip.
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
_BLANKS += "\u200a\u2028\u2029\u202f\u205f\u3000"


def parse(data: bytes) -> dict[str, str]:
    """Return every `KEY=value` of the file.

    Raises:
        ContractError: more than `MAX_BYTES`, or a line the platform would fail the job for.
    """
    if len(data) > MAX_BYTES:
        raise ContractError(f"{len(data)} bytes of outputs; the limit is {MAX_BYTES}")
    found: dict[str, str] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        # A line that fills the reader's buffer to the last byte is an error there, not a value.
        if len(raw) >= MAX_BYTES:
            raise ContractError(f"outputs line {number}: longer than {MAX_BYTES - 1} bytes")
        line = raw.removesuffix(b"\r").decode("utf-8", "surrogateescape")
        stripped = line.strip(_BLANKS)
        if not stripped or stripped.startswith("#"):
            continue
        if "\0" in line:
            raise ContractError(f"outputs line {number}: has a NUL byte")
        left, equals, value = line.partition("=")
        if not equals:
            raise ContractError(f"outputs line {number}: no '='; write KEY=value")
        key = left.strip(_BLANKS)
        if not KEY.fullmatch(key):
            raise ContractError(f"outputs line {number}: {key!r} is not a variable's name")
        if key in found:
            raise ContractError(f"outputs line {number}: {key} is set twice")
        found[key] = value[1:-1] if _is_quoted(value) else value
    return found


def collect(data: bytes, declared: Mapping[str, str]) -> dict[str, str]:
    """Return the outputs of a job: alias to value. Keys that nobody declared are dropped.

    Args:
        data: the file's content after the job exited with 0.
        declared: the job's `outputs:`, alias to key.

    Raises:
        ContractError: as `parse`, or a declared key that the file does not hold.
    """
    if not declared:
        return {}
    found = parse(data)
    if missing := [f"{alias} ({key})" for alias, key in declared.items() if key not in found]:
        raise ContractError(
            f"declared output(s) not written: {', '.join(missing)}; "
            f"the job has to write KEY=value lines to ${VARIABLE}"
        )
    return {alias: found[key] for alias, key in declared.items()}


def render(values: Mapping[str, str]) -> str:
    """Return the file's content for these values, key to value.

    Raises:
        ContractError: a key that is no variable's name, a value with a line break, carriage
            return, NUL or half a surrogate pair, or more than `MAX_BYTES` in all.
    """
    lines: list[str] = []
    for key, value in values.items():
        if not KEY.fullmatch(key):
            raise ContractError(f"output {key!r}: not a variable's name ([A-Za-z_][A-Za-z0-9_]*)")
        for char, what in (("\n", "a line break"), ("\r", "a carriage return"), ("\0", "a NUL")):
            if char in value:
                raise ContractError(f"output {key}: has {what}; outputs are single lines of text")
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise ContractError(f"output {key}: has half a character, a surrogate without its pair") from None
        # The reader takes one pair of quotes away, so a value that has its own gets another.
        lines.append(f'{key}="{value}"\n' if _is_quoted(value) else f"{key}={value}\n")
    content = "".join(lines)
    if (size := len(content.encode("utf-8", "surrogateescape"))) > MAX_BYTES:
        raise ContractError(
            f"{size} bytes of outputs; the limit is {MAX_BYTES}, put large data into an artifact"
        )
    return content


def _is_quoted(value: str) -> bool:
    return len(value) >= 2 and value[0] == value[-1] and value[0] in _QUOTES
