"""Whether a text gives a secret away: what is published for everybody must not hold one.

A mask hides a secret in a log, in any spelling. What goes into an image stays there: a build argument in its
history and provenance, a label in its configuration. So such a text is refused before a build, and what was
pushed is searched after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gocdnext_sdk.contract.keys import PREFIX as INPUTS
from gocdnext_sdk.runtime.pieces import PIECE, parts
from gocdnext_sdk.runtime.spellings import in_base64
from gocdnext_sdk.secret import looks_secret

_LINE = 16
"""Characters of a line of a secret that are one by themselves: a line of a PEM, of a file of passwords."""


def secrets_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the job's secrets by the names of their variables, as far as these say that they are some."""
    return {
        name: value
        for name, value in environ.items()
        if looks_secret(name) and not name.startswith(INPUTS) and len(value) >= PIECE
    }


def given_away(text: str, secrets: Mapping[str, str]) -> str | None:
    """Return the name of the secret that a text holds, or is a part of; None if it is of none.

    Args:
        text: what would be published.
        secrets: name to value. Shorter ones than `PIECE` characters may be in anything, and are passed over.
    """
    if held := next(held_in(text, secrets), None):
        return held
    piece = text.strip()
    if len(piece) < PIECE:
        return None
    found = (name for name, secret in secrets.items() if any(piece in part for part in parts(secret)))
    return next(found, None)


def held_in(text: str, secrets: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of the secrets that a text holds: as they are, by one of their lines, or in base64.

    Args:
        text: what is published.
        secrets: name to value.
    """
    for name, secret in secrets.items():
        if any(form in text for form in _forms(secret)):
            yield name


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
