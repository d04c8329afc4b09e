"""What the types of inputs refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gocdnext_sdk import PluginInputs, Regexp


class Inputs(PluginInputs):
    who: Regexp


@pytest.mark.parametrize(
    "text",
    [
        r"https://github\.com/org/.*@refs/(heads|tags)/v\d+",
        r"[]a-z[:alpha:]]+",
        r"\pL\Q(\E",
        r"(?P<a>x)(?<b>y)(?i:z)(?U)(?:)",
        r"\z",
        r"^*",
        r"\(?=a",
        r"[(?=]",
    ],
)
def test_what_go_reads_is_a_regular_expression(text: str) -> None:
    assert Inputs.model_validate({"who": text}).who == text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[", "unterminated character set"),
        ("(a|b", "unterminated subpattern"),
        ("a)|(.*", "unbalanced parenthesis"),
        ("a\\", "end of pattern"),
        ("(?!fork)org", "which has no (?!…)"),
        ("(?<=x)y", "which has no (?<=…)"),
    ],
)
def test_what_go_refuses_is_refused_before_anything_runs(text: str, what: str) -> None:
    with pytest.raises(ValidationError, match="is no regular expression") as refused:
        Inputs.model_validate({"who": text})
    assert what in str(refused.value)
