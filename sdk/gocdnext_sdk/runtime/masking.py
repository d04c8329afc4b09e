"""Keep secrets out of everything that is printed, at the speed at which it is copied.

The platform masks whole values line by line (`contract.masks`); a PEM, a base64 form or a value split over
two writes passes it. `Masker` knows those forms (`runtime.spellings`), and `MaskingDecoder` holds back what
may be the beginning of one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, KeysView

from gocdnext_sdk.contract.masks import REPLACEMENT
from gocdnext_sdk.runtime.spellings import is_run, spellings

_MASK = REPLACEMENT.encode()

_ANCHOR, _ANCHOR_OF_URL = 8, 12
"""Bytes of a form that the automaton looks for; the rest is compared where they are found.

So it stays small, is made in a millisecond or two, and can afford the quickest kind, a DFA, whose table fits
into the processor's caches. Of a URL, the first eight are `https://`.
"""


_WORD = re.compile(rb"[\w\x80-\xff]")
"""What a secret like `0000` must not touch: it is masked as a word of its own, and not in every number."""


class _Forms:
    """All forms of all secrets, ready to be looked for. It has at least one."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

        self.sorted = sorted(forms)
        self.runs = frozenset(filter(is_run, self.sorted))
        by_anchor: dict[bytes, list[bytes]] = {}
        for form in self.sorted:
            by_anchor.setdefault(_anchor(form), []).append(form)
        self._by_anchor = list(by_anchor.values())
        self._automaton = BytesAhoCorasick(
            list(by_anchor), matchkind=MatchKind.Standard, implementation=Implementation.DFA
        )

    def candidates(self, data: bytes) -> Iterator[tuple[int, list[bytes]]]:
        """Yield where a form may begin, and which, in the order of the text."""
        found = self._automaton.find_matches_as_indexes(data, overlapping=True)
        # They come in the order of their ends.
        return ((start, self._by_anchor[which]) for start, which in sorted((s, w) for w, s, _ in found))

    def begins_with(self, tail: bytes) -> bool:
        """Whether a form begins with `tail` and goes on."""
        # The least text that sorts behind `tail`; what begins with it follows.
        at = bisect_right(self.sorted, tail)
        return at < len(self.sorted) and self.sorted[at].startswith(tail)


def _anchor(form: bytes) -> bytes:
    return form[: _ANCHOR_OF_URL if form.startswith(b"http") else _ANCHOR]


class Masker:
    """Replaces every known form of every known secret by ``***``; overlapping ones by a single one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = dict.fromkeys(secrets)
        self._new = list(self._secrets)
        self._spelt: set[bytes] = set()
        self._forms: _Forms | None = None

    def add(self, secret: str) -> None:
        """Mask `secret` from now on. Values under `MIN_BYTES` bytes are left alone.

        Raises:
            TypeError: it is no text, such as an optional input that is not given.
        """
        if not isinstance(secret, str):
            raise TypeError(
                f"what is masked is a text or a Secret, and {type(secret).__name__} is not a text"
            )
        if secret not in self._secrets:
            self._secrets[secret] = None
            self._new.append(secret)

    @property
    def secrets(self) -> KeysView[str]:
        """What is masked, as it was added."""
        return self._secrets.keys()

    def forms(self) -> _Forms | None:
        """Return what to look for: made at the first use, and anew after a secret has been added."""
        if self._new:
            new, self._new = self._new, []
            known = len(self._spelt)
            self._spelt.update(form for secret in new for form in spellings(secret))
            if len(self._spelt) > known:
                self._forms = _Forms(self._spelt)
        return self._forms

    def mask(self, text: str) -> str:
        """Return `text` with every secret replaced."""
        return self.mask_bytes(text.encode(errors="surrogateescape")).decode(errors="replace")

    def mask_bytes(self, data: bytes, on_mask: Callable[[bytes], object] = len) -> bytes:
        """Return `data` with every secret replaced; `on_mask` as for `MaskingDecoder`."""
        decoder = MaskingDecoder(self, on_mask)
        return decoder.decode(data) + decoder.flush()


class MaskingDecoder:
    """Masks a stream: whatever it is cut into, the result is that of the whole.

    Args:
        masker: knows the secrets.
        on_mask: gets what each mask takes the place of; of one that is cut in two, each piece.
    """

    def __init__(self, masker: Masker, on_mask: Callable[[bytes], object] = len) -> None:
        self._masker = masker
        self._on_mask = on_mask
        self._held = b""
        self._covered = 0  # bytes of what is held that a mask already stands for
        self._before = b""  # the byte before it

    def decode(self, data: bytes) -> bytes:
        """Return what is certain of all that came so far. A tail that may grow into a secret is held back."""
        return self._decode(data, final=False)

    def flush(self) -> bytes:
        """Return the rest. Nothing more will come."""
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, *, final: bool) -> bytes:
        forms = self._masker.forms()
        data = self._held + data
        if forms is None:
            self._held, self._before = b"", data[-1:] or self._before
            return data
        hold = len(data)
        # One mask for all that overlap: of two secrets, one ending in the other's beginning, nothing is left.
        masks = [[0, self._covered]] if self._covered else []
        for start, candidates in forms.candidates(data):
            end = 0
            for form in candidates:
                stop = start + len(form)
                if stop > len(data):
                    if form.startswith(data[start:]):
                        hold = min(hold, start)
                elif not data.startswith(form, start):
                    continue
                elif form not in forms.runs:
                    end = max(end, stop)
                elif not _WORD.match(data[start - 1 : start] if start else self._before):
                    if stop == len(data) and not final:
                        hold = min(hold, start)
                    elif not _WORD.match(data, stop):
                        end = max(end, stop)
            if end and masks and start < masks[-1][1]:
                masks[-1][1] = max(masks[-1][1], end)
            elif end:
                masks.append([start, end])
        for start in range(max(0, len(data) - _ANCHOR_OF_URL + 1), hold):
            if forms.begins_with(data[start:]):
                hold = start
                break
        return self._emit(data, masks, len(data) if final else hold)

    def _emit(self, data: bytes, masks: list[list[int]], hold: int) -> bytes:
        written: list[bytes] = []
        done = 0
        covered = 0
        if self._covered:  # its mask is written
            done = masks.pop(0)[1]
        for start, end in masks:
            if start >= hold:
                break
            written += (data[done:start], _MASK)
            self._on_mask(data[start:end])
            done = end
        if done > hold:
            covered = done - hold
        else:
            written.append(data[done:hold])
        self._before = data[hold - 1 : hold] or self._before
        self._held, self._covered = data[hold:], covered
        return b"".join(written)
