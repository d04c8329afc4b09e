from __future__ import annotations

import pytest

from gocdnext_sdk.contract import ContractError, outputs

VALUES = ["", "v", " v ", "a=b", '"v"', "'v'", "'", '"', "'v\"", "# x", "ü", "\\n", "''", "a\tb", "\u2028"]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_reads_back_the_same(value: str) -> None:
    assert outputs.parse(outputs.render({"KEY": value}).encode()) == {"KEY": value}


def test_an_empty_file_and_no_outputs_are_one_thing() -> None:
    assert outputs.render({}) == ""
    assert outputs.parse(b"") == {}


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r", "a\0b"])
def test_a_value_that_no_line_can_carry_is_refused(value: str) -> None:
    with pytest.raises(ContractError, match="output KEY"):
        outputs.render({"KEY": value})


@pytest.mark.parametrize("key", ["", "1A", "A-B", "A B", "ü"])
def test_a_key_that_is_no_variable_is_refused(key: str) -> None:
    with pytest.raises(ContractError, match="variable"):
        outputs.render({key: "v"})


def test_the_file_is_limited_to_64_kib() -> None:
    room = outputs.MAX_BYTES - len("K=\nL=\n")
    fits = {"K": "x" * (room // 2), "L": "x" * (room // 2)}
    assert outputs.parse(outputs.render(fits).encode()) == fits
    with pytest.raises(ContractError, match="65538 bytes"):
        outputs.render(fits | {"K": "é" + fits["K"]})
    with pytest.raises(ContractError, match="limit"):
        outputs.parse(b"#" * (outputs.MAX_BYTES + 1))


def test_one_line_may_not_fill_the_readers_buffer() -> None:
    line = b"K=" + b"x" * (outputs.MAX_BYTES - 3)
    assert len(outputs.parse(line)["K"]) == outputs.MAX_BYTES - 3
    with pytest.raises(ContractError, match="line 1"):
        outputs.parse(line + b"x")


def test_a_missing_output_is_named_with_its_key() -> None:
    with pytest.raises(ContractError, match=r"digest \(DIGEST\), tags \(TAGS\)"):
        outputs.collect(b"X=1\n", {"digest": "DIGEST", "tags": "TAGS"})


def test_only_declared_outputs_are_collected_and_nothing_is_read_without_any() -> None:
    assert outputs.collect(b"A=1\nB=2\n", {"b": "B"}) == {"b": "2"}
    assert outputs.collect(b"not an outputs file", {}) == {}


def test_bytes_that_are_not_utf8_survive() -> None:
    value = outputs.parse(b"K=\xff")["K"]
    assert outputs.render({"K": value}).encode("utf-8", "surrogateescape") == b"K=\xff\n"
