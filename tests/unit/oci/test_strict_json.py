"""JSON that all programs read alike."""

from __future__ import annotations

import pytest

from gocdnext_sdk.oci.strict_json import check_names, parse_any, parse_json


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": [{"c": 1, "c": 2}]}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 200_000,
        b"[]",
        b"{} {}",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_programs_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(body)


def test_any_value_is_one() -> None:
    assert parse_any(b'[{"a": "\xc3\xa9"}]') == [{"a": "é"}]


@pytest.mark.parametrize("key", ["Digest", "DIGEST", "\u017fize"])
def test_a_name_has_one_spelling(key: str) -> None:
    with pytest.raises(ValueError, match="read differently"):
        check_names({key: 1}, ("digest", "size"))


@pytest.mark.parametrize("key", ["digest", "d\u0131gest", "other"])
def test_what_is_no_name_in_another_case_may_stay(key: str) -> None:
    check_names({key: 1}, ("digest", "size"))
