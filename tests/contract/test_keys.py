from __future__ import annotations

import pytest

from gocdnext_sdk.contract import keys


@pytest.mark.parametrize("name", ["image", "build-args", "known_hosts", "s3-bucket", "a1"])
def test_both_engines_agree_on_portable_names(name: str) -> None:
    assert keys.is_portable(name)
    assert keys.shared_key(name) == keys.isolated_key(name)


@pytest.mark.parametrize("name", ["", "targetEnv", "a--b", "-x", "x-", "a.b", "1a", "API", "é"])
def test_other_names_are_not_portable(name: str) -> None:
    assert not keys.is_portable(name)


def test_letters_whose_upper_case_is_two_letters_stay_as_in_go() -> None:
    assert keys.shared_key("straße") == "STRAßE"
    assert keys.shared_key("ﬁx") == "ﬁX"
    assert keys.isolated_key("café") == "CAFé"


def test_the_variable_of_an_input() -> None:
    assert keys.variable("cache-from") == "PLUGIN_CACHE_FROM"
    assert keys.variable("targetEnv", "isolated") == "PLUGIN_TARGETENV"


def test_names_that_share_a_variable_are_found() -> None:
    assert keys.collisions(["tags", "a-b", "A_B", "a.b"]) == [("a-b", "A_B", "a.b")]
    assert keys.collisions(["tags", "image"]) == []
