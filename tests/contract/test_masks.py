from __future__ import annotations

from gocdnext_sdk.contract import masks


def test_masks_apply_in_order_so_an_early_prefix_leaves_a_tail() -> None:
    assert masks.apply("abcdef", ["abcd", "abcdef"]) == "***ef"


def test_length_counts_in_bytes() -> None:
    assert masks.apply("éé abc", ["éé", "abc"]) == "*** abc"
