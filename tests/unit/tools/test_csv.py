from __future__ import annotations

import csv

import pytest

from gocdnext_sdk.tools.csv import comma_separated, fields


@pytest.mark.parametrize("field", ["a=1", "a=1,2", 'a="b"', "a=b c"])
def test_fields_survive_commas_and_quotes(field: str) -> None:
    line = comma_separated([field, "x=y"])
    assert list(csv.reader([line], strict=True)) == [[field, "x=y"]]
    assert fields(line) == (field, "x=y")


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("a=1", ("a=1",)),
        ("a=1,", ("a=1", "")),
        (",", ("", "")),
        ('"a,b",c\n', ("a,b", "c")),
        ('"a ""b""",\'c', ('a "b"', "'c")),
        (" a, b", (" a", " b")),
        ("a\nb,c", ("a\nb", "c")),
    ],
)
def test_a_line_is_split_as_go_splits_it(line: str, read: tuple[str, ...]) -> None:
    assert fields(line) == read


@pytest.mark.parametrize("line", ["", "\n", 'a="b"', 'a,b"', '"a"b,c', '"a', '"a,b', ' "a"'])
def test_what_go_refuses_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"quote|empty"):
        fields(line)
