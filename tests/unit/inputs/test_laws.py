"""The laws of reading inputs, for whatever text a `with:` map holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import create_model

from gocdnext_sdk import Input, PluginInputs
from gocdnext_sdk.contract.keys import TRANSFORMS, variable
from gocdnext_sdk.inputs.parsers import parse_boolean, parse_items, parse_lines, parse_pairs, parse_words
from gocdnext_sdk.inputs.reader import env_names, read_inputs

T = TypeVar("T")

TEXT = st.lists(st.sampled_from([*"aZ9=,# \t\n\r\"'é\u2028", "KEY=", "\r\n", "# "]), max_size=20).map("".join)
WORD = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters=",#"), min_size=1, max_size=8)
FIELDS = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=1, max_size=3).map("_".join)


def read(parse: Callable[[str], T], text: str) -> T | None:
    """Return what `text` is, None if it is refused."""
    try:
        return parse(text)
    except ValueError:
        return None


@given(st.lists(WORD, max_size=6), st.sampled_from([",", " ", "\n", ", ", " ,\n", "\r\n"]))
def test_words_are_what_was_joined_each_once_in_their_order(words: list[str], between: str) -> None:
    assert parse_words(between.join(words)) == tuple(dict.fromkeys(words))


@given(st.lists(WORD, max_size=6), st.sampled_from([",", "\n", ", ", " ,\n", "\r\n"]))
def test_items_are_what_was_joined_each_once_in_their_order(items: list[str], between: str) -> None:
    assert parse_items(between.join(items)) == tuple(dict.fromkeys(items))


@given(st.lists(WORD, max_size=6), st.sampled_from(["\n", "\r\n", "\n\n", " \n\t"]))
def test_lines_are_what_was_joined(lines: list[str], between: str) -> None:
    assert parse_lines(between.join(lines)) == tuple(lines)


@pytest.mark.parametrize("parse", [parse_lines, parse_items, parse_words])
@given(text=TEXT)
def test_what_was_parsed_parses_to_itself(parse: Callable[[str], tuple[str, ...]], text: str) -> None:
    found = read(parse, text)
    if found is not None and not any(
        item.startswith("#") for item in found
    ):  # behind a comma it is no comment
        assert read(parse, "\n".join(found)) == found


@pytest.mark.parametrize("parse", [parse_lines, parse_items, parse_words])
@given(text=TEXT)
def test_a_list_that_is_given_has_an_item_or_is_refused(
    parse: Callable[[str], tuple[str, ...]], text: str
) -> None:
    assert bool(read(parse, text)) != (not text.strip() or read(parse, text) is None)


@given(TEXT)
def test_no_item_holds_what_separates(text: str) -> None:
    assert not any({",", "\n"} & set(item) or item != item.strip() for item in read(parse_items, text) or ())
    assert not any("," in word or word.split() != [word] for word in read(parse_words, text) or ())


@given(TEXT)
def test_pairs_are_read_or_refused_and_read_again_alike(text: str) -> None:
    try:
        pairs = parse_pairs(text)
    except ValueError as error:
        assert len(str(error)) < 100
        return
    assert len(dict(pairs)) == len(pairs)
    written = "\n".join(key if value is None else f"{key}={value}" for key, value in pairs)
    if len(pairs) != 1:  # a single line may be read in the bash plugins' way, as two
        assert parse_pairs(written) == pairs


@given(st.text(max_size=12))
def test_a_boolean_is_read_in_any_case_and_between_any_blanks_or_refused(text: str) -> None:
    if text.isascii():
        spellings = (text, text.upper(), text.lower(), f" {text}\t")
        assert len({read(parse_boolean, each) for each in spellings}) == 1


@given(FIELDS, st.sampled_from(["-", "_", ".", "camel"]), st.sampled_from(sorted(TRANSFORMS)))
def test_every_spelling_of_a_key_is_understood_on_every_engine(field: str, style: str, engine: str) -> None:
    model = create_model("Model", __base__=PluginInputs, **{field: (str, Input(description="x"))})  # type: ignore[call-overload]
    first, *rest = field.split("_")
    spelling = first + "".join(map(str.title, rest)) if style == "camel" else style.join([first, *rest])
    name = variable(spelling, engine)  # type: ignore[arg-type]
    assert env_names(model)[name] == field.replace("_", "-")
    assert getattr(read_inputs(model, {name: "value"}), field) == "value"
