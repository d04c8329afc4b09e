"""One way to read each kind of text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gocdnext_sdk.inputs.parsers import (
    parse_boolean,
    parse_duration,
    parse_items,
    parse_lines,
    parse_pairs,
    parse_words,
)


@pytest.mark.parametrize(
    "text", ["true", "True", "TRUE", "yes", "Yes", "on", "ON", "y", "1", " true ", "true\n"]
)
def test_true_in_every_spelling(text: str) -> None:
    assert parse_boolean(text) is True


@pytest.mark.parametrize("text", ["false", "False", "no", "NO", "off", "n", "0", "\tno"])
def test_false_in_every_spelling(text: str) -> None:
    assert parse_boolean(text) is False


@pytest.mark.parametrize("text", ["maybe", "", "2", "t", "enabled", "true false", "~"])
def test_anything_else_is_no_boolean(text: str) -> None:
    with pytest.raises(ValueError, match='is not a boolean; write "true" or "false"'):
        parse_boolean(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("one", ("one",)),
        ("one, with comma\ntwo\n", ("one, with comma", "two")),
        ("  one\r\n\r\n# a comment\n\ttwo  ", ("one", "two")),
        ("a # no comment", ("a # no comment",)),
        ("same\nsame", ("same", "same")),
        ("form\x0cfeed and\u2028separator", ("form\x0cfeed and\u2028separator",)),
    ],
)
def test_lines(text: str, expected: tuple[str, ...]) -> None:
    assert parse_lines(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("a,b", ("a", "b")),
        ("a, b ,\nc\n", ("a", "b", "c")),
        ("a b, c", ("a b", "c")),
        ("b,a,b", ("b", "a")),
        ("a # the first\nb#2\n# none", ("a", "b#2")),
        ("a, # two, three\nb", ("a", "b")),
    ],
)
def test_items(text: str, expected: tuple[str, ...]) -> None:
    assert parse_items(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1\nlatest\n", ("v1", "latest")),
        ("v1,latest", ("v1", "latest")),
        ("v1 latest,\tv1", ("v1", "latest")),
        ("v1 # not latest\nv2", ("v1", "v2")),
    ],
)
def test_words(text: str, expected: tuple[str, ...]) -> None:
    assert parse_words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", (("A", "1"),)),
        ("A=1\nB=2\n", (("A", "1"), ("B", "2"))),
        ("A=", (("A", ""),)),
        ("A", (("A", None),)),
        ("A=b=c", (("A", "b=c"),)),
        ("A=x, y and \"z\" 'q' $HOME -v", (("A", "x, y and \"z\" 'q' $HOME -v"),)),
        ("NO_PROXY=localhost,127.0.0.1", (("NO_PROXY", "localhost,127.0.0.1"),)),
        ("OPTS=-X a,B=2", (("OPTS", "-X a,B=2"),)),
        ("A=1,B=2", (("A", "1"), ("B", "2"))),
        ("A=1,B=2\nC=3", (("A", "1,B=2"), ("C", "3"))),
        ("# why\nA=1", (("A", "1"),)),
        ("org.opencontainers.image.title=x", (("org.opencontainers.image.title", "x"),)),
    ],
)
def test_pairs(text: str, expected: tuple[tuple[str, str | None], ...]) -> None:
    assert parse_pairs(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=1", "item 1 has no name"),
        ("X=1\nA B=1", "item 2 has no name"),
        ("--flag=1", "item 1 has no name"),
        ("9LIVES=1", "item 1 has no name"),
        ("A=1\nA=2", "item 2 repeats an earlier name"),
    ],
)
def test_what_is_no_pair(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_pairs(text)


def test_a_message_quotes_nothing_of_what_may_be_a_secret() -> None:
    with pytest.raises(ValueError, match="item 1 has no name") as caught:
        parse_pairs("canary+and/more=")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("parse", [parse_items, parse_lines, parse_pairs, parse_words])
def test_a_list_that_is_not_given_is_empty(parse: Callable[[str], tuple[object, ...]]) -> None:
    assert parse("") == parse(" \n\t") == ()


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse, text) for parse in (parse_items, parse_words) for text in (",", " , ,\n", ",\n,", "# v1")),
        *((parse, text) for parse in (parse_lines, parse_pairs) for text in ("# A=1", "\n # A\n#B\n")),
    ],
)
def test_one_that_is_given_and_holds_nothing_is_a_mistake(
    parse: Callable[[str], tuple[object, ...]], text: str
) -> None:
    with pytest.raises(ValueError, match="is an empty list"):
        parse(text)


@pytest.mark.parametrize("parse", [parse_lines, parse_items, parse_words, parse_pairs])
@pytest.mark.parametrize("text", ['["a=1", "b=2"]', '{"org.a": "1=2"}', ' [{"from_secret": "n"}, "b"]'])
def test_json_is_no_list_made_of_its_commas(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        parse(text)


def test_a_pattern_is_no_json() -> None:
    assert parse_words("[0-9]* [1]") == ("[0-9]*", "[1]")
    assert parse_lines('["a') == ('["a',)


@pytest.mark.parametrize("text", ["2562048h", "9" * 400 + "h", "0.0s", "0.0000001ms"])
def test_a_time_that_go_does_not_know_is_none(text: str) -> None:
    """Its durations are whole nanoseconds in 64 bits; no timer takes what is beyond."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_the_longest_time() -> None:
    assert parse_duration("2562047h") == 2562047 * 3600
