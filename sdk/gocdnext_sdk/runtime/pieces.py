"""Keep a piece of a secret out of what this program says itself: errors, warnings, what servers told it.

A mask hides a secret that is whole, in any spelling. A message about an input may hold a part of one: a list
was cut at its commas, a PEM at its line ends, a host was written in lower case. A server may quote a part of
what it was sent. So what they have in common with a secret is hidden too, from `PIECE` characters on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from gocdnext_sdk.contract.keys import PREFIX
from gocdnext_sdk.contract.masks import REPLACEMENT
from gocdnext_sdk.errors import excerpt
from gocdnext_sdk.runtime.masking import Masker

PIECE = 8
"""Characters. Less of a secret is found everywhere, and tells nothing."""

_FRAME = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
"""What every PEM has."""

_MAX_READ = 10_000
"""Characters of an answer that are looked at."""

_HOST = re.compile(r"(?<![^\s\"'=])[A-Za-z][A-Za-z0-9+.-]*://([^/@\s]*@)?[^/?#@\s\"']*")
"""The beginning of a URL, on its own or as a value in a configuration."""


class Pieces:
    """Hides pieces of a job's secrets, those among them that are masked later.

    Args:
        masker: knows the secrets.
        environ: the job's; a private key in it is secret whatever its name.
    """

    def __init__(self, masker: Masker, environ: Mapping[str, str]) -> None:
        self._masker = masker
        self._environ = environ
        self._inputs: str | None = None
        self._given: frozenset[str] = frozenset()
        self._all: frozenset[str] = frozenset()
        self._known = -1

    def hide(self, message: str) -> str:
        """Return a message of our own without what it quotes of a secret.

        What comes from no input is the message's own words, and stays. It cannot quote a secret that came up
        during the work, such as a token; and what that has in common with inputs, such as the region in the
        signature of a request, is no secret.
        """
        if self._inputs is None:
            inputs = (value for name, value in self._environ.items() if name.startswith(PREFIX))
            self._inputs = _haystack(inputs)
        self._look()
        return _hidden(message, self._given, self._inputs)

    def excerpt(self, text: str) -> str:
        """Return what another has said as a message may quote it: one printable line, without secrets.

        Masked first: with its blanks folded, or its end cut off, a secret is none that a mask knows.
        """
        text = text.encode(errors="replace").decode()  # JSON may hold half a character
        self._look()
        return excerpt(_hidden(self._masker.mask(text)[:_MAX_READ], self._all))

    def _look(self) -> None:
        if len(self._masker.secrets) == self._known:
            return
        self._known = len(self._masker.secrets)
        keys = [value for value in self._environ.values() if "PRIVATE KEY-----" in value]
        secrets = [*self._masker.secrets, *keys]
        everything = "\0".join(self._environ.values())
        self._all = _pieces(part for each in secrets for part in parts(each))
        self._given = _pieces(part for each in secrets if each in everything for part in parts(each))


def _hidden(message: str, pieces: frozenset[str], within: str | None = None) -> str:
    """Return `message` without what is among `pieces` and, if that is given, in a folded text."""
    folded = _fold(message)
    hidden = bytearray(len(message))
    for start in range(len(message) - PIECE + 1):
        piece = folded[start : start + PIECE]
        if piece in pieces and (within is None or piece in within):
            hidden[start : start + PIECE] = b"\1" * PIECE
    if not any(hidden):
        return message
    shown: list[str] = []
    for at, character in enumerate(message):
        if not hidden[at]:
            shown.append(character)
        elif not at or not hidden[at - 1]:
            shown.append(REPLACEMENT)
    return "".join(shown)


def parts(secret: str) -> Iterator[str]:
    """Yield what is secret of a secret: no key of its JSON, no frame of its PEM, no host of its URL."""
    if secret.lstrip().startswith(("{", "[")):
        try:
            yield from _texts(json.loads(secret))
        except (ValueError, RecursionError):
            pass
        else:
            return
    yield _FRAME.sub("\n", _HOST.sub(r"\1\n", secret))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from parts(value)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _pieces(texts: Iterable[str]) -> frozenset[str]:
    folded = map(_fold, texts)
    return frozenset(text[at : at + PIECE] for text in folded for at in range(len(text) - PIECE + 1))


def _haystack(texts: Iterable[str]) -> str:
    return "\0".join(map(_fold, texts))


def _fold(text: str) -> str:
    """Return `text` in lower case, as many characters as before."""
    if text.isascii():
        return text.lower()
    return "".join(small if len(small := each.lower()) == 1 else each for each in text)
