"""Waiting for an answer ends with it, with its error, or in time."""

from __future__ import annotations

import time

import pytest

from gocdnext_sdk.runtime.polling import poll


def test_the_first_answer_ends_it() -> None:
    answers = iter([None, None, 0, 1])
    assert poll(lambda: next(answers), within=60, every=0) == 0


def test_without_an_answer_it_ends_in_time() -> None:
    begun = time.monotonic()
    assert poll(lambda: None, within=0.2, every=0.05) is None
    assert 0.2 <= time.monotonic() - begun < 2


def test_an_error_ends_it() -> None:
    def ask() -> None:
        raise RuntimeError("over")

    with pytest.raises(RuntimeError, match="over"):
        poll(ask, within=60, every=0)
