"""Whether a text gives a secret away: what is published for everybody must not hold one.

A mask hides a secret in a log, in any spelling. What goes into an image stays there: a build argument in its
history and provenance, a label in its configuration. So such a text is refused before a build, and what was
pushed is searched after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gocdnext_sdk.contract.keys import PREFIX as INPUTS
from gocdnext_sdk.runtime.pieces import PIECE, parts
from gocdnext_sdk.runtime.spellings import in_base64
from gocdnext_sdk.secret import holds_secret

_LINE = 16
"""Characters of a line of a secret that are one by themselves: a line of a PEM, of a file of passwords."""


def secrets_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the job's secrets by the names of their variables, as far as these say that they are some."""
    return {
        name: value
        for name, value in environ.items()
        if holds_secret(name, value) and not name.startswith(INPUTS)
    }


class Exposure:
    """Looks for secrets in texts that are published: their forms are made once, all texts searched at once.

    Args:
        secrets: name to value. Shorter ones than `PIECE` characters may be in anything, and are passed over.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._forms = [(form, name) for name, secret in secrets.items() for form in _forms(secret)]
        self._parts = [(part, name) for name, secret in secrets.items() for part in parts(secret)]
        self._all_parts = "\0".join(part for part, _ in self._parts)

    def held_in(self, text: str) -> list[str]:
        """Return the names of the secrets that a text holds: whole, by one of their lines, or in base64."""
        return list(dict.fromkeys(name for form, name in self._forms if form in text))

    def given_away(self, texts: Iterable[str]) -> dict[int, str]:
        """Return which texts hold a secret, or are a part of one: by the text's index, the secret's name."""
        lines = list(texts)
        whole = "\0".join(lines)
        held = [(form, name) for form, name in self._forms if form in whole]
        found: dict[int, str] = {}
        for index, line in enumerate(lines):
            piece = line.strip()
            name = next((name for form, name in held if form in line), None)
            if name is None and len(piece) >= PIECE and piece in self._all_parts:
                name = next((name for part, name in self._parts if piece in part), None)
            if name is not None:
                found[index] = name
        return found


def _forms(secret: str) -> Iterator[str]:
    value = secret.strip()
    if len(value) < PIECE:
        return
    yield value
    lines = [line.strip() for part in parts(value) for line in part.splitlines()]
    if len(value.splitlines()) > 1:
        yield from (line for line in lines if len(line) >= _LINE)
    for whole in {secret, value}:
        yield from (form.decode() for form in in_base64(whole.encode(errors="surrogateescape")))
