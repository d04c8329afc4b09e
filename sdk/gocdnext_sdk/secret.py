"""A value that never prints, and which names promise one."""

from __future__ import annotations

import re
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

_NAME = re.compile(
    r"TOKEN|PASSW|PASSPHRASE|SECRET|CREDENTIAL|(PRIVATE|API|ACCESS|SIGNING)[_-]?KEY", re.IGNORECASE
)

_LEAST = 8
"""Characters. A variable that is only called like a secret may hold a short word."""


def looks_secret(name: str) -> bool:
    """Tell whether people give this name (of a variable, an attribute, an option) to secrets.

    What a run masks and what lint calls a secret go by it. It is a guess; an input of the type `Secret` and
    what the pipeline lists in `secrets:` need none.
    """
    return _NAME.search(name) is not None


def holds_secret(name: str, value: str) -> bool:
    """Tell whether a job's variable holds a secret, as far as its name and its length say."""
    return looks_secret(name) and len(value) >= _LEAST


class Secret:
    """A value that never prints. `reveal` is the only way to it.

    As an input type it keeps pydantic from ever holding the bare text: pydantic quotes the text it was
    given in its errors, so inputs are wrapped before validation.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the bare value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"  # contract.masks.REPLACEMENT, which is on the same floor: a test compares them

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a Secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "password", "writeOnly": True}
