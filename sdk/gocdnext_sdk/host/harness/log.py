"""A container's output as masked lines.

A chain of small decoders for each stream: `MaskingDecoder`, `LossDecoder`, `LineBreaker`, `LineDecoder`; then
the platform's own masks, line by line.
"""

from __future__ import annotations

import codecs
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from gocdnext_sdk.contract import masks
from gocdnext_sdk.host.harness.engine.interface import Chunk
from gocdnext_sdk.host.harness.report.interface import LogLine
from gocdnext_sdk.runtime.log import LineBreaker, LineDecoder
from gocdnext_sdk.runtime.masking import Masker, MaskingDecoder

KEPT = 64 * 1024 * 1024
"""Characters of a job's log that are kept, at its end. The listener receives everything."""

_LAST = 1000
"""Lines in which a job's own result is looked for."""

_LONGEST = 1024 * 1024
"""The longest line, in bytes, that the platform reads."""

_UNDECODED = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of bytes that are not UTF-8."""


class LossDecoder:
    """Produces valid UTF-8 without NULs, and records what the platform would have lost.

    Source: docs/contract.md §9. Plugins that use the SDK never print any of this.
    """

    def __init__(self) -> None:
        self.losses: set[str] = set()
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._column = 0

    def decode(self, data: bytes) -> bytes:
        """Return `data`, cleaned."""
        self._measure(data)
        if data.isascii() and b"\0" not in data and not self._decoder.getstate()[0]:
            return data
        return self._clean(self._decoder.decode(data))

    def flush(self) -> bytes:
        """Return the rest."""
        return self._clean(self._decoder.decode(b"", final=True))

    def _measure(self, data: bytes) -> None:
        for at, piece in enumerate(data.split(b"\n")):
            self._column = len(piece) + (0 if at else self._column)
            if self._column > _LONGEST:
                self.losses.add(
                    "prints a line of more than 1 MiB; the platform loses it and all that follows"
                )

    def _clean(self, text: str) -> bytes:
        if "\0" in text:
            self.losses.add("prints a NUL byte; the platform loses that line and its neighbours")
            text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        if _UNDECODED.search(text):
            self.losses.add("prints bytes that are not UTF-8; they end the platform's agent at every restart")
            text = _UNDECODED.sub("\N{REPLACEMENT CHARACTER}", text)
        return text.encode()


class _Stream:
    """The decoders of one stream."""

    def __init__(self, masker: Masker, on_mask: Callable[[bytes], object]) -> None:
        self._masking = MaskingDecoder(masker, on_mask)
        self.loss = LossDecoder()
        self._breaker = LineBreaker()
        self._lines = LineDecoder()

    def decode(self, data: bytes) -> list[str]:
        return self._lines.decode(self._breaker.decode(self.loss.decode(self._masking.decode(data))))

    def flush(self) -> list[str]:
        rest = self.loss.decode(self._masking.flush()) + self.loss.flush()
        return [*self._lines.decode(self._breaker.decode(rest)), *self._lines.flush()]


class Log:
    """Collects what a job prints.

    The platform's masks alone miss the lines of a PEM and the base64 form of a password. The SDK's masker
    hides those too, before lines are cut.

    Args:
        platform_masks: what the platform masks, in its order.
        secrets: what is masked in every form.
        listener: receives each line as it comes.
    """

    def __init__(
        self,
        platform_masks: Sequence[str],
        secrets: Iterable[str],
        listener: Callable[[LogLine], None],
    ) -> None:
        self.lines: deque[LogLine] = deque()
        self._began = time.monotonic()
        self._kept = 0
        self._masks = platform_masks
        self._masker = Masker(secrets)
        self._listener = listener
        self._streams: dict[Literal["stdout", "stderr"], _Stream] = {
            "stdout": _Stream(self._masker, self._compare),
            "stderr": _Stream(self._masker, self._compare),
        }
        self._shown_there = False

    def follow(self, chunks: Iterable[Chunk]) -> Sequence[LogLine]:
        """Read output until it ends; return its last lines."""
        before = len(self.lines)
        for chunk in chunks:
            self._add(chunk.stream, self._streams[chunk.stream].decode(chunk.data))
        for name, stream in self._streams.items():
            self._add(name, stream.flush())
        return tuple(islice(self.lines, min(before, len(self.lines)), None))[-_LAST:]

    def losses(self) -> Iterator[str]:
        """Yield what in this output the platform would have lost, or what would have ended its agent."""
        yield from sorted(set[str]().union(*(stream.loss.losses for stream in self._streams.values())))
        if self._shown_there:
            yield "prints a secret in a form that the platform does not mask, as in base64 or line by line"

    def _compare(self, secret: bytes) -> None:
        """Notice if the platform would have shown a part of what is masked here."""
        for line in () if self._shown_there else secret.decode(errors="replace").splitlines():
            left = masks.apply(line, self._masks).replace(masks.REPLACEMENT, "")
            self._shown_there |= len(left) >= masks.MIN_BYTES

    def say(self, text: str) -> None:
        """Add a text of the harness itself, as the platform's agent does; names in it may not be UTF-8."""
        shown = _UNDECODED.sub("\N{REPLACEMENT CHARACTER}", text)
        self._add("stdout", self._masker.mask(shown).splitlines())

    def masked(self, text: str) -> str:
        """Return `text` without the job's secrets."""
        return masks.apply(self._masker.mask(text), self._masks)

    def _add(self, stream: Literal["stdout", "stderr"], lines: Iterable[str]) -> None:
        for text in lines:
            line = LogLine(stream, masks.apply(text, self._masks), time.monotonic() - self._began)
            self.lines.append(line)
            self._kept += len(line.text) + 1
            while self._kept > KEPT:
                self._kept -= len(self.lines.popleft().text) + 1
            self._listener(line)
