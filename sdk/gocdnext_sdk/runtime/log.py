"""The path of everything printed, from a tool to the job's log.

Three small decoders in a row, each with `decode(data)` and `flush()`; for a stream in chunks, each gives the
same result as for the whole: `MaskingDecoder` (`runtime.masking`), `TextDecoder`, `LineBreaker`. A reader of
logs ends the row with a `LineDecoder` instead.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING, Protocol

from gocdnext_sdk.runtime.masking import Masker, MaskingDecoder

if TYPE_CHECKING:
    from gocdnext_sdk.contract.dialects.commands import CommandBreaker

MAX_LINE = 256 * 1024
"""Bytes. The platform loses everything after a line of 1 MiB (docs/contract.md §9)."""

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"

_CONTROLS = bytes({*range(32), 127} - {*b"\t\n\r"})

_HARMFUL = re.compile(
    r"\x1b(?!\[[0-9;:]{0,32}[mK])"  # an escape sequence, but for colours and what is left of a line
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)

_OPEN_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:]{0,32})?\Z")
"""The end of a text that may become a colour."""


class TextDecoder:
    """Produces valid, harmless UTF-8.

    One invalid byte in a job's output ends the platform's agent, and a NUL loses a batch of lines at its
    database (docs/contract.md §9). Control characters can rewrite what a terminal shows of a log. All become
    U+FFFD, but for tab, newline, carriage return (progress bars), and the escape sequences of colours.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = False
        self._open = ""

    def decode(self, data: bytes) -> bytes:
        """Return `data` as such text. An incomplete character or colour is held back."""
        if not self._partial and data.isascii() and len(data.translate(None, _CONTROLS)) == len(data):
            return data
        return self._decode(data, final=False)

    def flush(self) -> bytes:
        """Return the rest."""
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, *, final: bool) -> bytes:
        text = self._open + self._decoder.decode(data, final)
        open_escape = None if final else _OPEN_ESCAPE.search(text, max(0, len(text) - 34))
        self._open = open_escape[0] if open_escape else ""
        self._partial = bool(self._open or self._decoder.getstate()[0])
        return _HARMFUL.sub(_UNREADABLE, text.removesuffix(self._open)).encode()


class LineBreaker:
    """Breaks lines after `MAX_LINE` bytes, between characters. Expects valid UTF-8."""

    def __init__(self) -> None:
        self.column = 0

    def decode(self, data: bytes) -> bytes:
        """Return `data` with added newlines."""
        newline = data.rfind(b"\n")
        if self.column + len(data) <= MAX_LINE:
            self.column = len(data) - newline - 1 if newline >= 0 else self.column + len(data)
            return data
        lines = data.split(b"\n")
        return b"\n".join([*map(self._ended, lines[:-1]), self._broken(lines[-1])])

    def flush(self) -> bytes:
        """Return nothing: nothing is held back."""
        return b""

    def _ended(self, line: bytes) -> bytes:
        broken = self._broken(line)
        self.column = 0
        return broken

    def _broken(self, line: bytes) -> bytes:
        pieces: list[bytes] = []
        while self.column + len(line) > MAX_LINE:
            room = MAX_LINE - self.column
            while room and line[room] & 0xC0 == 0x80:  # not the first byte of a character
                room -= 1
            pieces.append(line[:room])
            line, self.column = line[room:], 0
        self.column += len(line)
        return b"\n".join([*pieces, line])


class LineDecoder:
    """Cuts a stream into lines at newlines, as the platform does: a carriage return ends none."""

    def __init__(self) -> None:
        self._partial: list[bytes] = []

    def decode(self, data: bytes) -> list[str]:
        """Return the lines that `data` ends, without their ends."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._partial, lines[0]])
            self._partial = []
        if rest:
            self._partial.append(rest)
        return [line.removesuffix(b"\r").decode(errors="replace") for line in lines]

    def flush(self) -> list[str]:
        """Return the last line, if it has no end."""
        rest, self._partial = b"".join(self._partial), []
        return [rest.removesuffix(b"\r").decode(errors="replace")] if rest else []


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""

    def flush(self) -> object:
        """Hand on what was written."""


class MaskedWriter:
    """A byte sink for one stream of a job's log.

    Args:
        masker: what to hide.
        sink: where the text goes; flushed after every write.
    """

    def __init__(self, masker: Masker, sink: Sink) -> None:
        self._masking = MaskingDecoder(masker)
        self._text = TextDecoder()
        self._lines = LineBreaker()
        self.sink = sink

    def write(self, data: bytes) -> None:
        """Write `data`, holding back a tail that may be the beginning of a secret."""
        self._emit(self._text.decode(self._masking.decode(data)))

    def finish(self) -> None:
        """Write what was held back. Call it when no more data will come."""
        self._emit(self._text.decode(self._masking.flush()) + self._text.flush())

    def end_line(self) -> None:
        """Start a new line, unless at the start of one."""
        if self._lines.column:
            self._emit(b"\n")

    def _emit(self, text: bytes) -> None:
        if text:
            self.sink.write(self._lines.decode(text))
            self.sink.flush()


class GuardedSink:
    """A log in which only the plugin gives commands to the CI system that reads it, and no tool does.

    It stands below every `MaskedWriter` of the log, so that two of them cannot make a command together, and
    a line that was broken for its length cannot begin with one.

    Args:
        sink: where the log goes.
        breaker: breaks the commands in what is written; one for the sinks that end in the same log.
    """

    def __init__(self, sink: Sink, breaker: CommandBreaker) -> None:
        self._sink = sink
        self._breaker = breaker

    def write(self, data: bytes) -> int:
        """Write `data`, whole characters of UTF-8, without a command in it."""
        self._sink.write(self._breaker.decode(data.decode()).encode())
        return len(data)

    def flush(self) -> None:
        """Hand on what was written."""
        self._sink.flush()

    def command(self, line: str) -> None:
        """Write a command, on a line of its own."""
        start = "\n" if self._breaker.in_line else ""
        self._breaker.decode("\n")
        self._sink.write(f"{start}{line}\n".encode())
        self._sink.flush()


class MaskedText(io.TextIOBase):
    """A text stream over a `MaskedWriter`; takes the place of ``sys.stdout`` and ``sys.stderr``."""

    def __init__(self, writer: MaskedWriter) -> None:
        self._writer = writer

    @property
    def sink(self) -> Sink:
        """Where masked bytes go."""
        return self._writer.sink

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write `text` masked."""
        try:
            data = text.encode(errors="surrogateescape")  # as it came from the environment or a file's name
        except UnicodeEncodeError:
            data = text.encode(errors="backslashreplace")
        self._writer.write(data)
        return len(text)

    def flush(self) -> None:
        """Do nothing: masked bytes are flushed as they are written, and held ones must stay held."""
