"""Rules between inputs, declared on the model instead of coded in `run`.

The vocabulary is AnsibleModule's: mutually exclusive, required together, at least one of, required if.
They are checked on the inputs as given, together with the fields, so that all mistakes show at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gocdnext_sdk.errors import Problem

REQUIRED = "is required"
"""How a problem begins whose input is missing or empty."""


class Constraint(ABC):
    """A rule about which inputs go together. Keys are spelled as in the `with:` map."""

    @abstractmethod
    def problems(self, given: Mapping[str, str]) -> Iterator[Problem]:
        """Yield what breaks the rule.

        Args:
            given: the text of every input that is there and not empty, and of the defaults.
        """


@dataclass(frozen=True)
class MutuallyExclusive(Constraint):
    """At most one of the inputs may be given."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)

    def problems(self, given: Mapping[str, str]) -> Iterator[Problem]:
        """Yield a problem for the second and each further one."""
        present = [key for key in self.keys if key in given]
        for key in present[1:]:
            yield Problem(key, f'cannot be combined with "{present[0]}"', "keep one of the two")


@dataclass(frozen=True)
class RequiredTogether(Constraint):
    """All of the inputs are given, or none."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)

    def problems(self, given: Mapping[str, str]) -> Iterator[Problem]:
        """Yield a problem for each one that is missing beside the others."""
        present = [key for key in self.keys if key in given]
        if present:
            for key in self.keys:
                if key not in given:
                    yield Problem(
                        key,
                        f'{REQUIRED} with "{present[0]}"',
                        "is the secret set?",
                    )


@dataclass(frozen=True)
class AtLeastOne(Constraint):
    """One of the inputs, or more, must be given."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)

    def problems(self, given: Mapping[str, str]) -> Iterator[Problem]:
        """Yield one problem if none is there."""
        if not any(key in given for key in self.keys):
            rest = " or ".join(f'"{key}"' for key in self.keys)
            yield Problem(self.keys[0], REQUIRED, f"give {rest}")


@dataclass(frozen=True)
class RequiredIf(Constraint):
    """An input must be given when another has one of some values.

    Args:
        key: the input that is needed.
        other: the input that decides.
        values: its values that need `key`.
    """

    key: str
    other: str
    values: frozenset[str]

    def __init__(self, key: str, other: str, *values: str) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "other", other)
        object.__setattr__(self, "values", frozenset(values))

    def problems(self, given: Mapping[str, str]) -> Iterator[Problem]:
        """Yield one problem if it is not there."""
        value = given.get(self.other, "")
        if value in self.values and self.key not in given:
            yield Problem(self.key, f"{REQUIRED} with {self.other}: {value}")
