"""What holds for any text: it is read or refused in words, and what comes out of it are tags."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk import Ci, Invalid
from gocdnext_sdk.inputs.tagging.evaluate import evaluate
from gocdnext_sdk.inputs.tagging.rules import Flavor, TagRules
from gocdnext_sdk.oci.reference import is_tag

PIECES = st.sampled_from(
    [
        *("type=", "semver", "pep440", "match", "raw", "sha", "ref", "schedule", "edge", ",", "\n", '"', "#"),
        *("pattern=", "value=", "prefix=", "enable=", "event=tag", "group=", "match=", "priority=", "="),
        *(
            "{{version}}",
            "{{",
            "}}",
            "{{{raw}}}",
            "{{date 'YYYY' tz='UTC'}}",
            "{{sha}}",
            "{{is_default_branch}}",
        ),
        *("(", ")", "[", "\\", "*", "/i", "/", "$", "v1.2.3", "1", "-", ".", "é", "\0", " "),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
RUNS = st.sampled_from(
    [
        Ci(),
        Ci(branch="feat/x", commit="0" * 40, default_branch="main", event="push"),
        Ci(tag="v1.2.3-rc.1+x", commit="0" * 40, event="tag"),
        Ci(branch="main", event="schedule"),
    ]
)


@given(TEXTS, TEXTS, RUNS)
def test_only_tags_come_out_of_any_text(text: str, flavor: str, ci: Ci) -> None:
    try:
        found = evaluate(TagRules.parse(text), Flavor.parse(flavor), ci)
    except ValueError as error:  # `Invalid`, or a list of nothing
        assert isinstance(error, Invalid) or "empty list" in str(error)
        return
    assert all(map(is_tag, found.tags))
    assert len(set(found.tags)) == len(found.tags)


@given(TEXTS)
def test_the_text_of_rules_means_the_same(text: str) -> None:
    try:
        rules = TagRules.parse(text)
    except ValueError:
        return
    assert [rule.text for rule in TagRules.parse(str(rules)).rules] == [rule.text for rule in rules.rules]
