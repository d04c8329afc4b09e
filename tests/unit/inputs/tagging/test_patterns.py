"""Patterns mean what they mean in JavaScript, or are refused. Each result is Node.js 20's."""

from __future__ import annotations

import warnings

import pytest

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.inputs.tagging.patterns import JsPattern


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"v(\d+)\.(\d+)", "v1.2.3", ["v1.2", "1", "2"]),
        (r"/V(?<n>\d)-\k<n>/i", "v1-1", ["v1-1", "1"]),
        (r"(?:a|b)+?(?=c)(?!d)", "abc", ["ab"]),
        (r"(?<=v)\d(?<!2)", "v1", ["1"]),
        (r"\++", "a++", ["++"]),
        (r"[+*]+", "+*+", ["+*+"]),
        (r"a{2}b{1,}c{0,3}?", "aabccc", ["aab"]),
        ("[[:alpha:]]", "a]", ["a]"]),
        ("[[a]+]", "[[]", ["[[]"]),
        ("[a&&b]+", "a&b", ["a&b"]),
        ("[a||b~~]+", "a|~b", ["a|~b"]),
        (r"[\]\-a]+", "]-a", ["]-a"]),
        ("a]b}", "a]b}", ["a]b}"]),
    ],
)
def test_what_both_languages_have(pattern: str, text: str, found: list[str]) -> None:
    with warnings.catch_warnings(action="error"):
        assert JsPattern.parse(pattern).match(text) == found


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"\Av", r"v\Z", r"\a", r"\U00000041", r"\N{DIGIT ONE}", r"[\a]"),
        *("(?i)v", "(?i:v)", "(?P<x>v)", "(?P<x>v)(?P=x)", "(?#c)v", "(?>v)", "(v)?(?(1)a|b)", "(?-i:v)"),
        *("a++", "a*+", "a?+", "a{2}+", "a{,2}", "a{,}"),
        *("[]a]", "[^]a]", "[]", "[+--]", "/[[a]b]/v", "/[a&&b]/v"),
    ],
)
def test_what_python_alone_has_or_reads_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="not a regular expression"):
        JsPattern.parse(pattern)
