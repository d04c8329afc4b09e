"""JSON that all programs read alike: each key once, and spelt as its specification spells it.

Go's encoding/json, by which docker, containerd and the wrapped tools read, takes the last of several keys, in
any case; others take keys as they are spelt. What has both would be one thing here and another there.

Source: Go 1.26 `encoding/json`, `Unmarshal` and `fold.go`; RFC 8259 §4 (names), §6 (numbers), §8.1 (UTF-8).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from gocdnext_sdk.errors import quoted


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`.

    Raises:
        ValueError: it is not a JSON object, or has a key twice.
    """
    content = parse_any(body)
    if not isinstance(content, dict):
        raise ValueError("it is not an object")
    return content


def parse_any(body: bytes) -> Any:
    """Return the JSON value in `body`.

    Raises:
        ValueError: it is not JSON in UTF-8, or has a key twice.
    """
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def check_names(fields: Mapping[str, Any], names: Iterable[str]) -> None:
    """Check that an object's fields are spelt as its specification spells them.

    Only for objects with fields of their own: in a map, such as annotations, case counts for everybody.

    Args:
        fields: the object.
        names: as the specification has them.

    Raises:
        ValueError: one is in another case.
    """
    usual = {name.casefold(): name for name in names}
    for key in fields:
        name = usual.get(key.casefold(), key)
        if name != key:
            raise ValueError(f"it has {quoted(key)} for {quoted(name)}, which programs read differently")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice in one object")
    return found


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
