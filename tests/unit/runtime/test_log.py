"""What is printed harms nobody: not the platform's agent, not its database, not a terminal."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gocdnext_sdk.runtime.log import MAX_LINE, LineBreaker, LineDecoder, MaskedText, MaskedWriter, TextDecoder
from gocdnext_sdk.runtime.masking import Masker


def written(masker: Masker, pieces: list[bytes]) -> bytes:
    sink = io.BytesIO()
    writer = MaskedWriter(masker, sink)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return sink.getvalue()


def text_of(*pieces: bytes) -> str:
    decoder = TextDecoder()
    return b"".join([*map(decoder.decode, pieces), decoder.flush()]).decode()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\xff\n", "\ufffd\n"),
        (b"caf\xe9 latin-1", "caf\ufffd latin-1"),
        (b"a\0b\0", "a\ufffdb\ufffd"),
        (b"bell \a, backspace \b, delete \x7f", "bell \ufffd, backspace \ufffd, delete \ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),  # a surrogate
        ("\x9b2J\x85".encode(), "\ufffd2J\ufffd"),  # C1
        (b"\x1b]52;c;Y3VybA==\a", "\ufffd]52;c;Y3VybA==\ufffd"),  # sets the clipboard
        (b"\x1b[2J\x1b[1A\x1bc", "\ufffd[2J\ufffd[1A\ufffdc"),  # clears what stands above
        (b"half \xe2\x82", "half \ufffd"),
        (b"half a colour \x1b[1;3", "half a colour \ufffd[1;3"),
    ],
)
def test_what_would_harm_is_replaced(raw: bytes, shown: str) -> None:
    assert text_of(raw) == shown
    assert text_of(*(bytes([byte]) for byte in raw)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain\ttext\r\n",
        "10 %\r20 %\r",
        "\x1b[1;31mred\x1b[0m\x1b[K",
        "\x1b[38:2::1:2:3mtrue",
        "für 10 € 🎉\n",
    ],
)
def test_text_lines_colours_and_progress_bars_are_left_as_they_are(text: str) -> None:
    assert text_of(text.encode()) == text
    assert text_of(*(bytes([byte]) for byte in text.encode())) == text


BYTES = st.lists(
    st.sampled_from(
        [b"\x1b", b"[", b"1;", b"m", b"K", b"\xe2", b"\x82", b"\xac", b"\xff", b"\0", b"a", b"\n", b"9" * 20]
    )
).map(b"".join)


@given(BYTES, st.lists(st.integers(0, 200)))
@settings(max_examples=100, deadline=None)
def test_however_it_is_cut_it_is_the_text_of_the_whole(raw: bytes, borders: list[int]) -> None:
    pieces = [raw[a:b] for a, b in pairwise([0, *sorted(borders), len(raw)])]
    shown = text_of(*pieces)
    assert shown == text_of(raw)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\[[0-9;:]*[mK])", shown)


@pytest.mark.parametrize("size", [1000, 65536, 10**9])
@pytest.mark.parametrize("letter", ["x", "é", "€", "🎉"])
def test_no_line_is_longer_than_the_platform_takes_and_no_character_is_cut(letter: str, size: int) -> None:
    line = letter.encode() * (2 * MAX_LINE // len(letter.encode()) + 10) + b"\n"
    out = written(Masker(), [line[at : at + size] for at in range(0, len(line), size)])
    lines = out.decode().split("\n")
    assert MAX_LINE - 4 < max(len(each.encode()) for each in lines) <= MAX_LINE
    assert out.replace(b"\n", b"") == line.strip()


@given(st.lists(st.sampled_from(["a" * (MAX_LINE - 1), "é", "a", "\n", "🎉" * 70_000]), max_size=8))
@settings(max_examples=50, deadline=None)
def test_lines_are_broken_at_the_same_places_however_they_come(texts: list[str]) -> None:
    breaker, whole = LineBreaker(), LineBreaker()
    pieces = b"".join(breaker.decode(text.encode()) for text in texts)
    assert pieces == whole.decode("".join(texts).encode())
    assert breaker.column == whole.column


@given(st.lists(st.sampled_from([b"a", b"b\r", b"\n", b"\r\n", b""])))
def test_lines_end_at_newlines(pieces: list[bytes]) -> None:
    decoder = LineDecoder()
    lines = [line for piece in pieces for line in decoder.decode(piece)] + decoder.flush()
    *whole, rest = b"".join(pieces).decode().split("\n")
    assert lines == [line.removesuffix("\r") for line in (*whole, *([rest] if rest else []))]


def test_what_no_encoding_has_is_printed_escaped() -> None:
    sink = io.BytesIO()
    print("lone \ud800", file=MaskedText(MaskedWriter(Masker(), sink)))
    assert sink.getvalue() == b"lone \\ud800\n"


def test_a_progress_bar_of_carriage_returns_is_one_line_to_the_platform() -> None:
    bar = b"".join(b"\r%7d of 9999999" % n for n in range(40_000))
    out = written(Masker(), [bar])
    assert max(len(line) for line in out.split(b"\n")) <= MAX_LINE
    assert out.replace(b"\n", b"") == bar
