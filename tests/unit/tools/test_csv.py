from __future__ import annotations

import csv

import pytest

from gocdnext_sdk.tools.csv import comma_separated


@pytest.mark.parametrize("field", ["a=1", "a=1,2", 'a="b"', "a=b c"])
def test_fields_survive_commas_and_quotes(field: str) -> None:
    assert list(csv.reader([comma_separated([field, "x=y"])], strict=True)) == [[field, "x=y"]]
