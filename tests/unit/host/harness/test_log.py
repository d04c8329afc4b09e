"""A container's bytes become masked lines."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.host.harness import log as harness_log
from gocdnext_sdk.host.harness.engine.interface import Chunk
from gocdnext_sdk.host.harness.log import Log
from gocdnext_sdk.host.harness.report.interface import LogLine


def lines(*chunks: Chunk, masks: tuple[str, ...] = (), secrets: tuple[str, ...] = ()) -> list[LogLine]:
    heard: list[LogLine] = []
    log = Log(masks, secrets, heard.append)
    log.follow(chunks)
    assert list(log.lines) == heard
    return heard


def test_lines_are_put_together_per_stream_and_the_last_needs_no_newline() -> None:
    assert lines(
        Chunk("stdout", b"one li"),
        Chunk("stderr", b"error\r\nsecond"),
        Chunk("stdout", b"ne\n\nend"),
    ) == [
        LogLine("stderr", "error"),
        LogLine("stdout", "one line"),
        LogLine("stdout", ""),
        LogLine("stdout", "end"),
        LogLine("stderr", "second"),
    ]


def test_a_character_cut_in_two_arrives_whole_and_what_is_no_text_does_no_harm() -> None:
    arrow = "→".encode()
    assert [
        line.text for line in lines(Chunk("stdout", arrow[:1]), Chunk("stdout", arrow[1:] + b"\xff\n"))
    ] == ["→\ufffd"]


def test_the_platforms_masks_apply_in_their_order() -> None:
    found = lines(Chunk("stdout", b"abcdef\n"), masks=("abcd", "abcdef"))
    assert found == [LogLine("stdout", "***ef")]


def test_what_the_harness_says_is_masked_too() -> None:
    log = Log((), ("hunter2!",), lambda line: None)
    log.say("$ login hunter2!\nnext")
    assert [line.text for line in log.lines] == ["$ login ***", "next"]


def test_a_line_without_end_is_cut_before_the_platform_would_lose_the_rest() -> None:
    found = lines(Chunk("stdout", b"x" * 3_000_000), Chunk("stdout", b"\nlast\n"))
    assert max(len(line.text) for line in found) < 1 << 20
    assert found[-1].text == "last"


def test_a_job_that_does_not_stop_talking_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness_log, "KEPT", 20)
    heard: list[LogLine] = []
    log = harness_log.Log((), (), heard.append)
    log.follow([Chunk("stdout", b"line %d\n" % number) for number in range(9)])
    assert [line.text for line in heard] == [f"line {number}" for number in range(9)]
    assert [line.text for line in log.lines] == ["line 7", "line 8"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"caf\xe9\n", "UTF-8"),
        (b"\xe2\x86", "UTF-8"),  # a character that never ends
        (b"a\0b\n", "NUL"),
        (b"x" * (1 << 20) + b"y\n", "1 MiB"),
    ],
)
@pytest.mark.parametrize("size", [1 << 30, 70_000, 3])
def test_what_the_platform_would_lose_is_known(data: bytes, word: str, size: int) -> None:
    if size == 3 and len(data) > 100:
        size = 4096
    log = Log((), (), lambda line: None)
    log.follow(Chunk("stderr", data[at : at + size]) for at in range(0, len(data), size))
    (loss,) = log.losses()
    assert word in loss
    assert "\0" not in "".join(line.text for line in log.lines)


def test_what_it_carries_is_no_loss() -> None:
    log = Log((), (), lambda line: None)
    log.follow([Chunk("stdout", "→ \x1b[1mok\x1b[0m\r\n".encode()), Chunk("stdout", b"x" * (1 << 20))])
    assert list(log.losses()) == []
    assert log.lines[0].text == "→ \x1b[1mok\x1b[0m"


@given(
    st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=40)), max_size=8),
    st.lists(st.text("ab\n\u2192", min_size=4, max_size=8), max_size=2),
)
def test_pieces_give_what_the_whole_gives(pieces: list[Any], secrets: list[str]) -> None:
    def told(chunks: list[Any]) -> dict[str, list[str]]:
        found = lines(*chunks, masks=("abab",), secrets=tuple(secrets))
        return {name: [each.text for each in found if each.stream == name] for name in ("stdout", "stderr")}

    whole = [
        Chunk(stream, b"".join(data for name, data in pieces if name == stream))  # type: ignore[arg-type]
        for stream in ("stdout", "stderr")
    ]
    assert told([Chunk(*piece) for piece in pieces]) == told(whole)


KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END KEY-----\n"
WORD = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (f"the word {WORD} and again {WORD}", False),
        (base64.b64encode(WORD.encode()).decode(), True),
        (KEY, True),
        (KEY.splitlines()[1], True),
        ("nothing", False),
    ],
    ids=["as it is", "base64", "a key", "a line of it", "none"],
)
@pytest.mark.parametrize("size", [7, 4096])
def test_what_the_platform_would_show_of_a_secret_is_told(printed: str, told: bool, size: int) -> None:
    log = Log((WORD, KEY), (WORD, KEY), lambda line: None)
    data = f"{printed}\n".encode()
    log.follow(Chunk("stdout", data[at : at + size]) for at in range(0, len(data), size))
    assert bool([*log.losses()]) is told
    assert not any(each in line.text for line in log.lines for each in (WORD, KEY.splitlines()[1]))
