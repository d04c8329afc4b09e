"""The laws of the contract, for whatever text a pipeline holds."""

from __future__ import annotations

import math
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.contract import ContractError, keys, outputs, refs, scalars
from gocdnext_sdk.contract.scalars import Scalar
from gocdnext_sdk.host.pipeline.yaml import MappingNode, ScalarNode, compose

TEXT = st.text(max_size=60)
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=60)
# Values as an operating system hands them over: bytes that are not UTF-8 are surrogates.
BYTES = st.binary(max_size=40).map(
    lambda data: data.translate(None, b"\n\r\0").decode(errors="surrogateescape")
)
KEYS = st.sampled_from(["K", "_", "KEY_2", "lower", "A1"])

NAMES = st.text(st.sampled_from(string.ascii_letters + string.digits + "-_. ßéÀǅ"), max_size=12)
NUMERALS = st.text(st.sampled_from("0123456789_+-.eExXob aAfFinN"), max_size=12) | st.text(
    st.sampled_from("0123456789"), min_size=300, max_size=400
)


@given(st.dictionaries(KEYS, LINES | BYTES, max_size=5))
def test_outputs_are_read_back_as_they_were_written(values: dict[str, str]) -> None:
    assert outputs.parse(outputs.render(values).encode("utf-8", "surrogateescape")) == values


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ContractError, match="output K: has half a character"):
        outputs.render({"K": "\ud800"})


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_stands_in_the_outputs_file_is_read_or_refused(data: bytes) -> None:
    try:
        found = outputs.parse(data)
    except ContractError:
        return
    assert outputs.parse(outputs.render(found).encode("utf-8", "surrogateescape")) == found


@given(NAMES)
def test_a_name_that_may_be_used_means_the_same_on_every_engine(name: str) -> None:
    if keys.is_portable(name):
        assert keys.shared_key(name) == keys.isolated_key(name)
        assert outputs.KEY.fullmatch(keys.variable(name))


@given(st.lists(NAMES, max_size=4))
def test_names_collide_if_and_only_if_they_share_a_variable(names: list[str]) -> None:
    names = list(dict.fromkeys(names))
    for transform in keys.TRANSFORMS:
        variables = [keys.variable(name, transform) for name in names]
        groups = keys.collisions(names, transform)
        assert bool(groups) == (len(set(variables)) < len(variables))
        assert all(len({keys.variable(name, transform) for name in group}) == 1 for group in groups)


@given(TEXT.filter(lambda text: "\0" not in text))
def test_a_quoted_text_reaches_its_field_as_it_is(text: str) -> None:
    node = compose(yaml.safe_dump({"key": text}, default_style='"', allow_unicode=True), "test.yaml")
    assert isinstance(node, MappingNode)
    value = node.entries[0][1]
    assert isinstance(value, ScalarNode)
    assert scalars.as_text(value.scalar) == text
    assert scalars.is_string(value.scalar)


TAGS = st.none() | st.sampled_from(["!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!x", "!"])
SCALARS = st.builds(
    Scalar,
    TEXT | NUMERALS | st.sampled_from(["", "~", "null", "yes", "True", ".inf", "-.INF", ".nan", "0x1F"]),
    TAGS,
    st.booleans(),
)


@pytest.mark.parametrize("read", [scalars.as_text, scalars.as_bool, scalars.as_int, scalars.as_float])
@given(scalar=SCALARS)
def test_a_scalar_is_read_or_refused(read: object, scalar: Scalar) -> None:
    try:
        value = read(scalar)  # type: ignore[operator]
    except ContractError as error:
        assert str(error)
        return
    assert type(value) is {"as_text": str, "as_bool": bool, "as_int": int, "as_float": float}[read.__name__]  # type: ignore[attr-defined]
    if scalars.is_null(scalar):
        assert not value


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_is_read_as_it_is_printed(number: int) -> None:
    for text in (str(number), hex(number), oct(number), bin(number), f"{number:_}"):
        assert scalars.as_int(Scalar(text)) == number
    assert scalars.as_text(Scalar(str(number))) == str(number)


@given(st.integers(2**63, 2**90) | st.integers(-(2**90), -(2**63) - 2**12))
def test_a_whole_number_that_the_platform_cannot_hold_is_refused(number: int) -> None:
    with pytest.raises(ContractError):
        scalars.as_int(Scalar(str(number)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_it_is_printed(number: float) -> None:
    assert math.isclose(scalars.as_float(Scalar(repr(number))), number, rel_tol=1e-15)


@given(
    st.lists(
        st.sampled_from(["${{ A }}", "${A}", "${{", "}}", "${", "}", "$", " ", "A", "\n", "é"]), max_size=8
    ).map("".join)
)
def test_a_text_without_references_is_no_business_of_the_passes(text: str) -> None:
    for name in refs.soft_references(text):
        assert f"${{{name}}}" in text
    for body in refs.references(text):
        assert body in text
    if "${" not in text:
        assert refs.references(text) == refs.soft_references(text) == []
