"""A container's output as masked lines."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, Literal, cast

from gocdnext_sdk.contract import masks
from gocdnext_sdk.host.harness.engine.interface import Chunk
from gocdnext_sdk.host.harness.report.interface import LogLine
from gocdnext_sdk.runtime.log import MaskedWriter
from gocdnext_sdk.runtime.masking import Masker

KEPT = 64 * 1024 * 1024
"""Characters of a job's log that are kept; of a longer one the end. The listener hears all of it."""


class Log:
    """Collects what a job prints.

    The platform's masks alone would let a PEM through, and base64 of a password; the SDK's masker hides
    those too, before lines are cut.

    Args:
        platform_masks: what the platform hides, in its order.
        secrets: what is hidden in every form.
        listener: hears each line as it comes.
    """

    def __init__(
        self,
        platform_masks: Sequence[str],
        secrets: Iterable[str],
        listener: Callable[[LogLine], None],
    ) -> None:
        self.lines: deque[LogLine] = deque()
        self._kept = 0
        self._masks = platform_masks
        self._masker = Masker(secrets)
        self._listener = listener

    def follow(self, chunks: Iterable[Chunk]) -> None:
        """Take output until there is no more."""
        sinks = {stream: _Lines(self, stream) for stream in ("stdout", "stderr")}
        writers = {
            stream: MaskedWriter(self._masker, cast("BinaryIO", sink)) for stream, sink in sinks.items()
        }
        for chunk in chunks:
            writers[chunk.stream].write(chunk.data)
        for stream, writer in writers.items():
            writer.finish()
            sinks[stream].finish()

    def say(self, text: str) -> None:
        """Add text of the harness's own, as the platform's agent does."""
        for line in self._masker.mask(text).splitlines():
            self.line("stdout", line)

    def line(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        """Add one line."""
        line = LogLine(stream, masks.apply(text, self._masks))
        self.lines.append(line)
        self._kept += len(line.text) + 1
        while self._kept > KEPT:
            self._kept -= len(self.lines.popleft().text) + 1
        self._listener(line)

    def masked(self, text: str) -> str:
        """Return `text` without the job's secrets."""
        return masks.apply(self._masker.mask(text), self._masks)


class _Lines(io.RawIOBase):
    """Cuts bytes into lines at newlines, as the platform does."""

    def __init__(self, log: Log, stream: str) -> None:
        self._log = log
        self._stream = cast('Literal["stdout", "stderr"]', stream)
        self._partial = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = cast("bytes", data)
        self._partial += piece
        if b"\n" in piece:
            *lines, rest = bytes(self._partial).split(b"\n")
            self._partial = bytearray(rest)
            for line in lines:
                self._emit(line)
        return len(piece)

    def finish(self) -> None:
        """Emit a last line that has no newline."""
        if self._partial:
            self._emit(bytes(self._partial))
            self._partial.clear()

    def _emit(self, line: bytes) -> None:
        self._log.line(self._stream, line.removesuffix(b"\r").decode(errors="replace"))
