"""A container's bytes become masked lines."""

from __future__ import annotations

import pytest

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
