"""The picture of the house is the house."""

from __future__ import annotations

from docs.picture import SVG, Drawing, House


def test_the_picture_is_up_to_date() -> None:
    assert Drawing(House.read()).svg() == SVG.read_text(), "the imports have changed; run `make picture`"


def test_every_arrow_runs_down() -> None:
    house = House.read()
    assert all(house.rows[room] > house.rows[other] for room, other in house.arrows)


def test_an_arrow_that_others_imply_is_left_out() -> None:
    house = House({}, {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()})
    assert house.arrows == [("a", "b"), ("b", "c")]
