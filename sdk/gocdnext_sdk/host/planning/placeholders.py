"""Placeholders for values that only a run can know.

A placeholder has the form of the real value (that of a digest is a digest), so that all checks and all code
accept it. Only when a plan is shown, its name takes its place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from gocdnext_sdk.contract.keys import SHORT_SHA
from gocdnext_sdk.contract.masks import MIN_BYTES
from gocdnext_sdk.inputs.tagging.evaluate import SHORT
from gocdnext_sdk.runtime.masking import Masker

_MADE = re.compile(r"sha256:[0-9a-f]{64}|placeholder-[0-9a-f]{16}")
"""What most placeholders look like: too many, in a thousand jobs, for alternatives of one pattern."""


class Placeholders:
    """The placeholders and secrets of one plan, and the names by which they are shown."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._others: dict[str, str] = {}
        self._pattern = _MADE
        self._passing: list[tuple[str, str]] = []
        self._words: list[str] = []
        self._masker = Masker()

    def digest(self, subject: object) -> str:
        """Return a digest that is shown as `<digest of SUBJECT>`."""
        text = f"digest of {self.show(str(subject))}"
        return self._add(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", text)

    def text(self, name: str) -> str:
        """Return a word that is shown as `<NAME>`. It may not have the form of the real value."""
        self._words.append(f"placeholder-{hashlib.sha256(name.encode()).hexdigest()[:16]}")
        return self._add(self._words[-1], name)

    def commit(self) -> str:
        """Return a revision that is shown as `<commit>`, in its short form too."""
        sha = hashlib.sha1(b"commit", usedforsecurity=False).hexdigest()
        self.alias(sha, "<commit>")
        for length in (SHORT_SHA, SHORT):
            self.alias(sha[:length], "<commit>")
        return sha

    def secret(self, value: str, name: str) -> str:
        """Return `value`, which is shown as `<NAME>`, and as `***` in any other form."""
        if len(value.encode()) >= MIN_BYTES:
            self._masker.add(value)
            self._add(value.strip(), name)  # as inputs are read
            return self._add(value, name)
        return value

    def alias(self, value: str, shown: str) -> None:
        """Show `value`, such as the workspace's path, as `shown`."""
        if _MADE.fullmatch(value):
            self._names.setdefault(value, shown)
        elif value not in self._others:
            self._others[value] = shown
            longest_first = sorted(self._others, key=len, reverse=True)
            self._pattern = re.compile("|".join([*map(_literally, longest_first), _MADE.pattern]))

    @contextmanager
    def aliased(self, value: str, shown: str) -> Iterator[None]:
        """Show `value`, such as a temporary path, as `shown` in the block only."""
        self._passing.append((value, shown))
        try:
            yield
        finally:
            self._passing.remove((value, shown))

    def has_word(self, text: str) -> bool:
        """Tell whether `text` contains a word of `text()`; a complaint about such a word means nothing."""
        return any(word in text for word in self._words)

    def show(self, text: str) -> str:
        """Return `text` with every placeholder and every secret replaced by its name."""
        for value, shown in self._passing:
            text = text.replace(value, shown)
        return self._masker.mask(self._pattern.sub(self._name, text))

    def _name(self, match: re.Match[str]) -> str:
        return self._others.get(match[0]) or self._names.get(match[0], match[0])

    def _add(self, value: str, name: str) -> str:
        self.alias(value, f"<{name}>")
        return value


def _literally(value: str) -> str:
    """Return a pattern for a value; a path is not the beginning of another one's name."""
    return re.escape(value) + (r"(?![\w.-])" if value.startswith("/") else "")
