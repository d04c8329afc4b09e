from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from gocdnext_sdk.contract import ContractError, scalars
from gocdnext_sdk.contract.scalars import Scalar


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_is_an_empty_text_unless_quoted_or_tagged(text: str) -> None:
    assert scalars.as_text(Scalar(text)) == ""
    assert scalars.as_text(Scalar(text, plain=False)) == text
    assert scalars.as_text(Scalar(text, tag="!!str")) == text
    assert scalars.as_text(Scalar(text, tag="!foo")) == text


def test_binary_is_decoded_and_may_hold_any_byte() -> None:
    assert scalars.as_text(Scalar("aGk=", "tag:yaml.org,2002:binary")) == "hi"
    assert scalars.as_text(Scalar("/w==", "!!binary")).encode("utf-8", "surrogateescape") == b"\xff"
    with pytest.raises(ContractError, match="base64"):
        scalars.as_text(Scalar("a", "!!binary"))


def test_a_core_tag_must_fit_its_text() -> None:
    assert scalars.as_text(Scalar("0x1F", "!!int")) == "0x1F"
    assert scalars.as_text(Scalar("1", "!!float")) == "1"
    for text, tag in [("x", "!!int"), ("x", "!!null"), ("yes", "!!bool"), ("x", "!!float")]:
        with pytest.raises(ContractError, match=tag):
            scalars.as_text(Scalar(text, tag))


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "yes", "on", "Y"])
def test_true(text: str) -> None:
    assert scalars.as_bool(Scalar(text)) is True


@pytest.mark.parametrize("text", ["false", "False", "no", "OFF", "n", "", "~"])
def test_false(text: str) -> None:
    assert scalars.as_bool(Scalar(text)) is False


def test_quoted_true_is_text_but_quoted_yes_is_not() -> None:
    assert scalars.as_bool(Scalar("yes", plain=False)) is True
    with pytest.raises(ContractError, match="remove the quotes"):
        scalars.as_bool(Scalar("true", plain=False))
    for text in ("maybe", "1", "tRue"):
        with pytest.raises(ContractError, match="use true or false"):
            scalars.as_bool(Scalar(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-1", -1),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("~", 0),
        ("1.9", 1),
        ("08", 8),
    ],
)
def test_integers(text: str, value: int) -> None:
    assert scalars.as_int(Scalar(text)) == value


def test_numbers() -> None:
    assert scalars.as_float(Scalar("82.5")) == 82.5
    assert scalars.as_float(Scalar("80")) == 80.0
    assert scalars.as_float(Scalar(".inf")) == math.inf
    for text in ("x", "1s"):
        with pytest.raises(ContractError, match="number"):
            scalars.as_float(Scalar(text))
    for scalar in (Scalar("3", plain=False), Scalar("x"), Scalar(".inf"), Scalar(".nan")):
        with pytest.raises(ContractError, match="whole number"):
            scalars.as_int(scalar)


def test_what_is_a_text_by_its_own_type() -> None:
    texts = [Scalar("prod"), Scalar("1", plain=False), Scalar("1", tag="!!str"), Scalar("1.2.3")]
    others = [Scalar("1"), Scalar("true"), Scalar("1.5"), Scalar("2024-01-02"), Scalar("~")]
    assert [scalars.is_string(s) for s in texts] == [True] * 4
    assert [scalars.is_string(s) for s in others] == [False] * 5


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (scalars.as_int, str(2**63)),
        (scalars.as_int, "9" * 400),
        (scalars.as_float, "9" * 400),
        (scalars.as_float, "1e400"),
    ],
)
def test_a_number_that_go_cannot_hold_is_refused(read: Callable[[Scalar], float], text: str) -> None:
    with pytest.raises(ContractError):
        read(Scalar(text))


def test_binary_that_is_not_even_ascii_is_refused() -> None:
    with pytest.raises(ContractError, match="not base64"):
        scalars.as_text(Scalar("é", "!!binary"))
