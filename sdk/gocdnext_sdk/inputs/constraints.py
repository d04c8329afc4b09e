"""Rules between inputs, declared on the model instead of coded in `run`.

The vocabulary is AnsibleModule's: mutually exclusive, required together, at least one of, required if; and
what that has no word for: an input that counts only with another, since none may be dropped silently.
They are checked on the inputs as given, together with the fields, so that all mistakes show at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gocdnext_sdk.errors import Problem, quoted

REQUIRED = "is required"
"""How a problem begins whose input is missing or empty."""

NO_EFFECT = "has no effect"
"""How a problem begins whose input does nothing with the others."""


class Given(dict[str, str]):
    """The text of every input that is there and not empty, and of the defaults.

    Args:
        texts: these, by key.
        chosen: the keys that the user gave another value than the default.
        unclear: the keys of which a mistake hides what the user meant.
    """

    def __init__(self, texts: Mapping[str, str], chosen: Iterable[str], unclear: Iterable[str] = ()) -> None:
        super().__init__(texts)
        self.chosen = frozenset(chosen)
        self.unclear = frozenset(unclear)


def is_open(text: str) -> bool:
    """Tell whether only a run knows the value: lint and editors see the reference to it."""
    return "${" in text


class Constraint(ABC):
    """A rule about which inputs go together. Keys are spelled as in the `with:` map."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The keys that the rule names, so that a misspelled one is found; none if it does not tell."""
        return ()

    @abstractmethod
    def problems(self, given: Given) -> Iterator[Problem]:
        """Yield what breaks the rule."""


@dataclass(frozen=True)
class MutuallyExclusive(Constraint):
    """At most one of the inputs may be given; a default is not."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The keys that the rule names."""
        return self.keys

    def problems(self, given: Given) -> Iterator[Problem]:
        """Yield a problem for the second and each further one."""
        present = [key for key in self.keys if key in given.chosen]
        for key in present[1:]:
            yield Problem(key, f'cannot be combined with "{present[0]}"', "keep one of the two")


@dataclass(frozen=True)
class RequiredTogether(Constraint):
    """All of the inputs are given, or none. One with a default is there, and asks for no other."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The keys that the rule names."""
        return self.keys

    def problems(self, given: Given) -> Iterator[Problem]:
        """Yield a problem for each one that is missing beside the others."""
        present = [key for key in self.keys if key in given.chosen]
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

    @property
    def inputs(self) -> tuple[str, ...]:
        """The keys that the rule names."""
        return self.keys

    def problems(self, given: Given) -> Iterator[Problem]:
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

    @property
    def inputs(self) -> tuple[str, ...]:
        """The keys that the rule names."""
        return (self.key, self.other)

    def problems(self, given: Given) -> Iterator[Problem]:
        """Yield one problem if it is not there."""
        value = given.get(self.other, "")
        if value in self.values and self.key not in given:
            yield Problem(self.key, f"{REQUIRED} with {self.other}: {value}")


@dataclass(frozen=True)
class OnlyWith(Constraint):
    """Inputs count only beside another, and are refused without it: what is given must not be dropped.

    A value that is the default's may stand anywhere. A mistake that hides what the other was to say is
    reported alone.

    Args:
        keys: the inputs; one, or several for which the same holds.
        others: the input that decides; of several, one suffices.
        values: its values with which they count, "" for none given. Without any: that it is given, and is not
            the default's.
    """

    keys: tuple[str, ...]
    others: tuple[str, ...]
    values: frozenset[str]

    def __init__(self, keys: str | tuple[str, ...], others: str | tuple[str, ...], *values: str) -> None:
        object.__setattr__(self, "keys", (keys,) if isinstance(keys, str) else keys)
        object.__setattr__(self, "others", (others,) if isinstance(others, str) else others)
        object.__setattr__(self, "values", frozenset(values))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The keys that the rule names."""
        return self.keys + self.others

    def problems(self, given: Given) -> Iterator[Problem]:
        """Yield a problem for each input that is given and does nothing."""
        if any(self._holds(other, given) for other in self.others):
            return
        for key in self.keys:
            if key in given.chosen:
                yield Problem(key, self._why(given), "leave it out")

    def _holds(self, other: str, given: Given) -> bool:
        text = given.get(other, "")
        if is_open(text) or (other in given.unclear and self.values != {""}):
            return True
        return text in self.values if self.values else other in given.chosen

    def _why(self, given: Given) -> str:
        names = " or ".join(f'"{each}"' for each in self.others)
        if not self.values:
            return f"{NO_EFFECT} without {names}"
        first = self.others[0]
        if first not in given:
            return f"{NO_EFFECT} without {first}: {' or '.join(sorted(self.values))}"
        if self.values == {""}:
            return f"{NO_EFFECT} with {names}"
        return f"{NO_EFFECT} with {first}: {_shown(given[first])}"


def _shown(text: str) -> str:
    """Return a value as `quoted` does, without quotes where it stands whole."""
    shown = quoted(text)
    return text if shown == f'"{text}"' else shown


class Always(Constraint):
    """Inputs that count whatever the others are: with `OnlyWith`, it declares what each input is used for.

    Args:
        keys: the inputs.
    """

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    @property
    def inputs(self) -> tuple[str, ...]:
        """The keys that the rule names."""
        return self.keys

    def problems(self, given: Given) -> Iterator[Problem]:
        """Yield nothing."""
        yield from ()
