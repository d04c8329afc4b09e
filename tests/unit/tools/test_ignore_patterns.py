"""What patterns of ignore files match. tests/e2e/test_dockerignore.py asks BuildKit."""

from __future__ import annotations

import pytest

from gocdnext_sdk.tools.ignore_patterns import leaves_out, read


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        *(
            ("a", "a", True),
            ("a", "a/b", False),
            ("a.b", "axb", False),
            ("a*", "ab", True),
            ("a*", "a/b", False),
        ),
        *(("**/a", "a", True), ("**/a", "x/y/a", True), ("**/a", "xa", False), ("**a", "xa", True)),
        *(
            ("a**", "a/b", True),
            ("**/a?", "x/ab", True),
            ("a/**/b", "a/b", True),
            ("a/**/b", "a/x/y/b", True),
        ),
        *((r"\*", "*", True), (r"\*", "a", False), ("[a-c]x", "bx", True), ("[^a]", "a", False)),
    ],
)
def test_a_path_matches(pattern: str, path: str, matches: bool) -> None:
    assert read(pattern).matches(path) is matches


@pytest.mark.parametrize(
    "pattern", ["!", "[", "[]", "[]a]", "[a-]", "a\\", r"\d", "a|b", "^a", "a{2}", "[z-a]", "[:"]
)
def test_what_is_no_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a pattern"):
        read(pattern)


def test_a_pattern_counts_below_a_directory_only_where_it_made_a_difference() -> None:
    patterns = [read("**/*.log"), read("!keep")]
    out, counted = leaves_out(patterns, "keep")
    assert (out, counted) == (False, [False, False])
    assert leaves_out(patterns, "keep/x.log", counted)[0]
    patterns = [read("keep"), read("!keep")]
    out, counted = leaves_out(patterns, "keep")
    assert not out
    assert not leaves_out(patterns, "keep/x.log", counted)[0]
