"""Keep a piece of a secret out of a message that quotes an input.

A mask hides a secret that is whole, in any spelling. A message about an input may hold a part of one: a list
was cut at its commas, a PEM at its line ends, a host was written in lower case. So what a message and an
input have in common with a secret is hidden too, from `PIECE` characters on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

PIECE = 8
"""Characters. Less of a secret is found everywhere, and tells nothing."""

_MASK = "***"

_FRAME = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
"""What every PEM has."""

_HOST = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://([^/@\s]*@)?[^/?#@\s]*")


def hide_pieces(message: str, secrets: Iterable[str], inputs: Iterable[str]) -> str:
    """Return `message` without what it quotes of a secret.

    Args:
        message: about an input.
        secrets: the job's; upper and lower case are the same here.
        inputs: the texts that a message may quote. What comes from none of them is the message's own words.
    """
    folded = _fold(message)
    pieces = _shared(set(_pieces(folded)), inputs)
    pieces = _shared(pieces, (part for secret in secrets for part in parts(secret)))
    if not pieces:
        return message
    hidden = bytearray(len(message))
    for start in range(len(message) - PIECE + 1):
        if folded[start : start + PIECE] in pieces:
            hidden[start : start + PIECE] = b"\1" * PIECE
    shown: list[str] = []
    for at, character in enumerate(message):
        if not hidden[at]:
            shown.append(character)
        elif not at or not hidden[at - 1]:
            shown.append(_MASK)
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


def _shared(pieces: set[str], texts: Iterable[str]) -> set[str]:
    """Return those of `pieces` that are in one of `texts`, be they as long as they may."""
    return {piece for text in texts if pieces for piece in _pieces(_fold(text)) if piece in pieces}


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + PIECE] for start in range(len(text) - PIECE + 1))


def _fold(text: str) -> str:
    """Return `text` in lower case, as many characters as before."""
    return "".join(small if len(small := each.lower()) == 1 else each for each in text)
