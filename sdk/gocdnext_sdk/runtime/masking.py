"""Keep secrets out of everything that is printed.

The platform masks whole values line by line (`contract.masks`); a PEM, a base64 form or a value split
over two writes passes it. This masker knows those forms and holds back what may be the beginning of one.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO
from urllib.parse import quote, quote_plus

MASK = b"***"

MIN_LENGTH = 4
"""Bytes. Shorter values would blank half the log; the platform draws the same line."""

_GO_JSON = re.compile("[<>&]")
"""What Go's encoding/json escapes beside what JSON demands."""

_GO_USERINFO = "$&+,;="
"""What Go's net/url leaves alone in the user part of a URL."""

_PERCENT = re.compile("%..")

_SHELL = re.compile(rb"[^\w@%+=:,./\x80-\xff-]")
"""What a shell needs a backslash for."""

_PEM_BORDER = re.compile(rb"-----(BEGIN|END) [A-Z0-9 ]+-----")


def _base64_forms(value: bytes) -> Iterator[bytes]:
    """Yield the base64 text of `value` at each of the three alignments it can have in a longer text.

    The first and last characters also depend on the neighbours, so they are left out.
    """
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(b"\0" * offset + value).rstrip(b"=")
            skip = (0, 2, 3)[offset]
            incomplete = (offset + len(value)) % 3
            yield encoded[skip : len(encoded) - (1 if incomplete else 0)]
    encoded = base64.b64encode(value).rstrip(b"=")
    for width in (76, 64):  # as base64(1) and openssl wrap it
        if len(encoded) > width:
            yield from (encoded[at : at + width] for at in range(0, len(encoded), width))


def _forms(value: str) -> Iterator[bytes]:
    """Yield every spelling in which `value` may show up in a log line."""
    for text in dict.fromkeys((value, value.strip())):
        raw = text.encode(errors="surrogateescape")
        yield raw
        escaped = json.dumps(text)[1:-1]
        plain = json.dumps(text, ensure_ascii=False)[1:-1]
        for each in (escaped, _GO_JSON.sub(lambda char: f"\\u{ord(char[0]):04x}", escaped), plain):
            yield each.encode(errors="surrogateescape")
            # An API's error is JSON, and the tool that got it logs JSON.
            yield json.dumps(each, ensure_ascii=False)[1:-1].encode(errors="surrogateescape")
        for percent in (*(quote(raw, safe=safe) for safe in ("", "/", _GO_USERINFO)), quote_plus(raw)):
            yield percent.encode()
            yield _PERCENT.sub(lambda code: code[0].lower(), percent).encode()
        yield repr(text)[1:-1].encode(errors="surrogateescape")
        yield repr(raw)[2:-1].encode()
        yield raw.hex().encode()
        yield raw.replace(b"'", b"'\"'\"'")  # within shlex.quote
        yield raw.replace(b"'", b"'\\''")  # as `sh -x` prints it
        yield _SHELL.sub(rb"\\\g<0>", raw)  # as bash's `printf %q` does
        yield from _base64_forms(raw)
    for line in value.splitlines():
        stripped = line.strip().encode(errors="surrogateescape")
        if not _PEM_BORDER.fullmatch(stripped):
            yield stripped


class Masker:
    """Replaces every known form of every known secret by ``***``."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None
        self._start: re.Pattern[bytes] | None = None
        self._by_start: dict[bytes, list[bytes]] = {}
        self._stubs: frozenset[bytes] = frozenset()
        self._longest = 0
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Mask `secret` from now on. Values under `MIN_LENGTH` bytes are left alone."""
        if len(secret.strip().encode(errors="surrogateescape")) < MIN_LENGTH:
            return
        # A multi-line value is masked line by line, so no form has a line break, and nothing needs to be
        # held back past one.
        forms = {form for form in _forms(secret) if len(form) >= MIN_LENGTH and b"\n" not in form}
        if forms <= self._forms:
            return
        self._forms |= forms
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._longest = len(longest_first[0])
        self._by_start = {}
        for form in longest_first:
            self._by_start.setdefault(form[:MIN_LENGTH], []).append(form)
        self._stubs = frozenset(start[:size] for start in self._by_start for size in range(1, MIN_LENGTH))
        self._pattern = _alternatives(longest_first)
        self._start = re.compile(b"(?=%s)" % _alternatives(self._by_start).pattern)

    def mask(self, text: str) -> str:
        """Return `text` with every secret replaced."""
        return self.mask_bytes(text.encode(errors="surrogateescape")).decode(errors="replace")

    def mask_bytes(self, data: bytes) -> bytes:
        """Return `data` with every secret replaced."""
        return self._pattern.sub(MASK, data) if self._pattern else data

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """Mask what is certain; return it and the rest, which may be the beginning of a secret."""
        if self._pattern is None:
            return data, b""
        masked: list[bytes] = []
        done = 0
        hold = self._hold_from(data, done)
        for match in self._pattern.finditer(data):
            if match.start() >= hold:
                break
            masked += (data[done : match.start()], MASK)
            done = match.end()
            if done > hold:
                hold = self._hold_from(data, done)
        masked.append(data[done:hold])
        return b"".join(masked), data[hold:]

    def _hold_from(self, data: bytes, start: int) -> int:
        """Return where the longest tail of `data` begins that could still grow into a secret."""
        line = data.rfind(b"\n") + 1
        first = max(start, line, len(data) - self._longest + 1)
        for match in self._start.finditer(data, first) if self._start else ():
            tail = data[match.start() :]
            forms = self._by_start[tail[:MIN_LENGTH]]
            if any(len(form) > len(tail) and form.startswith(tail) for form in forms):
                return match.start()
        for at in range(max(first, len(data) - MIN_LENGTH + 1), len(data)):
            if data[at:] in self._stubs:
                return at
        return len(data)


def _alternatives(forms: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of `forms` that prefers the earlier ones, quick to reject by the first byte."""
    by_first: dict[bytes, list[bytes]] = {}
    for form in forms:
        by_first.setdefault(form[:1], []).append(re.escape(form[1:]))
    return re.compile(b"|".join(re.escape(k) + b"(?:%s)" % b"|".join(rest) for k, rest in by_first.items()))


_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
"""Lines as the platform cuts them: a carriage return (of a progress bar) ends none."""

MAX_LINE = 256 * 1024
"""Bytes. The platform loses everything after a line of 1 MiB (docs/contract.md §9)."""


class MaskedWriter:
    """A byte sink that masks across write boundaries and breaks overlong lines.

    Args:
        masker: what to hide.
        sink: where masked bytes go; flushed after every write.
    """

    def __init__(self, masker: Masker, sink: BinaryIO) -> None:
        self._masker = masker
        self.sink = sink
        self._held = b""
        self._column = 0

    def write(self, data: bytes) -> None:
        """Write `data`, holding back a tail that may be the beginning of a secret."""
        masked, self._held = self._masker.split(self._held + data)
        self._emit(masked)

    def finish(self) -> None:
        """Write what was held back. Call it when no more data will come."""
        held, self._held = self._held, b""
        self._emit(self._masker.mask_bytes(held))

    def end_line(self) -> None:
        """Let what is written next begin on a line of its own."""
        if self._column:
            self._emit(b"\n")

    def _emit(self, data: bytes) -> None:
        if not data:
            return
        for line in _LINE.findall(data):
            rest = line
            while self._column + len(rest) > MAX_LINE:
                room = MAX_LINE - self._column
                self.sink.write(rest[:room] + b"\n")
                rest, self._column = rest[room:], 0
            self.sink.write(rest)
            self._column = 0 if rest.endswith(b"\n") else self._column + len(rest)
        self.sink.flush()


class MaskedText(io.TextIOBase):
    """A text stream over a `MaskedWriter`; takes the place of ``sys.stdout`` and ``sys.stderr``."""

    def __init__(self, writer: MaskedWriter) -> None:
        self._writer = writer

    @property
    def sink(self) -> BinaryIO:
        """Where masked bytes go."""
        return self._writer.sink

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write `text` masked."""
        self._writer.write(text.encode(errors="backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: masked bytes are flushed as they are written, and held ones must stay held."""
