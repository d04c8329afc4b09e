"""What a line of `tags` or `flavor` may say, and which mistakes are found before anything runs."""

from __future__ import annotations

import pytest

from gocdnext_sdk import Ci, Invalid
from gocdnext_sdk.inputs.tagging.evaluate import evaluate
from gocdnext_sdk.inputs.tagging.rules import Flavor, TagRules
from gocdnext_sdk.runtime.ci import PullRequest

PUSH = Ci(event="push", branch="feat/x", commit="0123456789abcdef", default_branch="main")
TAG = Ci(event="tag", tag="v1.2.3", commit="0123456789abcdef")


def tags(text: str, ci: Ci = PUSH, flavor: str = "") -> list[str]:
    return list(evaluate(TagRules.parse(text), Flavor.parse(flavor), ci).tags)


def reasons(text: str, ci: Ci = PUSH) -> list[str]:
    return [str(each) for each in evaluate(TagRules.parse(text), Flavor(), ci).dropped]


class TestPlainTags:
    def test_they_stay_as_they_were(self) -> None:
        assert tags("v1, v1.2\nlatest feat/x\n# none\nv1") == ["v1", "v1.2", "latest", "feat-x"]

    def test_they_stand_beside_rules(self) -> None:
        assert tags("stable, v1\ntype=sha\ntype=ref,event=branch") == [
            "feat-x",
            "stable",
            "v1",
            "sha-0123456",
        ]

    @pytest.mark.parametrize("text", ["a:b", "${CI_TAG_NAME", "-x", "x" * 129, "é"])
    def test_they_have_to_be_tags(self, text: str) -> None:
        with pytest.raises(Invalid):
            TagRules.parse(text)

    @pytest.mark.parametrize("word", ["${CI_TAG_NAME}", "v${CI_TAG_NAME}"])
    def test_one_that_names_what_the_run_lacks_is_left_out(self, word: str) -> None:
        text = f"latest, {word}\ntype=sha"
        assert tags(text) == ["latest", "sha-0123456"]
        assert reasons(text) == [f"{word}: this run has no CI_TAG_NAME"]

    def test_one_that_names_what_no_run_has_is_a_mistake(self) -> None:
        with pytest.raises(Invalid, match="NOT_DEFINED"):
            tags("latest ${NOT_DEFINED}")

    def test_their_text_is_given_back(self) -> None:
        assert str(TagRules.parse("a b\nc")) == "a,b,c"
        assert str(TagRules.parse("a b\ntype=sha")) == "a\nb\ntype=sha"


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("type=semvr,pattern={{version}}", 'did you mean "semver"?'),
        ("type=semver", "has no pattern"),
        ("type=semver,pattern={{verson}}", "means nothing"),
        ("type=semver,pattern={{version", "does not end"),
        ("type=semver,pattern={{#if major}}x{{/if}}", "not an expression"),
        ("type=semver,pattern={{version}},match=v.*", "no group"),
        ("type=semver,pattern={{branch}}", "means nothing"),
        ("type=ref", "has no event"),
        ("type=ref,event=push", "event is none of"),
        ("type=sha,format=medium", "format is none of"),
        ("type=sha,prefx=x", 'did you mean "prefix"?'),
        ("type=sha,foo", '"foo" is no attribute'),
        (r"type=match,pattern=\d{1,3}", '"3}" is no attribute; quote a whole attribute'),
        ("type=semver,pattern={{version}},v1.2.3", '"v1.2.3" is no attribute'),
        ("type=sha,prefix=a,prefix=b", "prefix twice"),
        ("type=sha,priority=high", "priority"),
        ("type=sha,enable=yes", "enable"),
        ("type=raw", "has no value"),
        ("type=raw,value={{date}}", "write it as"),
        ("type=raw,value={{date 'YYYY' zone='UTC'}}", "means nothing"),
        ("type=raw,value={{sha 'x'}}", "not an expression"),
        ("type=match,pattern=(", "regular expression"),
        ("type=match,pattern=/a/q", "flags"),
        ("type=match,pattern=a,group=first", "number of a group"),
        ('type=match,"pattern=a', "quote"),
        ('type=raw,value="nightly",prefix=x', "quote"),
        ('type=match, "pattern=a,b"', "quote"),
        ('type=raw,"value=a"b', "quote"),
        ("type=schedule,pattern={{version}}", "means nothing"),
    ],
)
def test_a_mistake_is_found_without_a_run(line: str, part: str) -> None:
    with pytest.raises(Invalid) as caught:
        TagRules.parse(line)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "latest=maybe",
        "latest",
        "prefix=a,onlatest=maybe",
        "onlatest=true",
        "sufix=a",
        "latest=true\nlatest=false",
        'prefix="a"',
    ],
)
def test_a_mistake_in_the_flavor(text: str) -> None:
    with pytest.raises(Invalid):
        Flavor.parse(text)


def test_a_whole_attribute_may_be_in_quotes() -> None:
    assert tags('"type=raw","value=a""b,c"') == ["a-b-c"]


class TestWhatDoesNotApply:
    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("type=semver,pattern={{version}}", "not for a tag"),
            ("type=pep440,pattern={{version}}", "not for a tag"),
            ("type=match,pattern=v(.*)", "not for a tag"),
            ("type=ref,event=tag", "not for a tag"),
            ("type=ref,event=pr", "not for a pull request"),
            ("type=schedule", "not started by a schedule but by push"),
            ("type=edge", "the branch is feat/x, not main"),
            ("type=raw,value=x,enable={{is_default_branch}}", "enable is false"),
            ("type=raw,value={{tag}}", "empty"),
            ("type=raw,value=${CI_TAG_NAME}", "this run has no CI_TAG_NAME"),
            ("type=semver,pattern={{version}},value=main", "not a semantic version"),
            ("type=match,pattern=v(x)?,group=1,value=v", "no group 1"),
        ],
    )
    def test_it_is_left_out_with_a_reason(self, line: str, why: str) -> None:
        (reason,) = reasons(line)
        assert reason.startswith(f"{line}: ")
        assert why in reason

    def test_a_run_without_a_commit_has_no_tag_of_it(self) -> None:
        assert "commit" in reasons("type=sha", Ci(branch="main"))[0]

    def test_a_pull_request_whose_number_is_not_known_is_no_branch(self) -> None:
        pull_request = Ci(branch="main", pull_request=PullRequest(source="main"))
        assert len(reasons("type=ref,event=pr\ntype=ref,event=branch", pull_request)) == 2


class TestWhatTheRunDoesNotTell:
    @pytest.mark.parametrize(
        "line",
        [
            "type=edge",
            "type=raw,value=latest,enable={{is_default_branch}}",
            "type=raw,value={{commit_date 'YYYY'}}",
            "type=raw,value={{sha}}",
            "type=raw,value=x-${NOT_DEFINED}",
            "type=raw,value={{date 'YYYY' tz='Mars/Olympus'}}",
            "type=raw,value=x,enable={{branch}}",
        ],
    )
    def test_it_is_no_guess(self, line: str) -> None:
        with pytest.raises(Invalid):
            tags(line, Ci(branch="main"))

    def test_a_tag_is_not_on_the_default_branch_whatever_that_is(self) -> None:
        assert tags("type=raw,value=x,enable={{is_not_default_branch}}", TAG) == ["x"]

    def test_what_cannot_be_a_tag_is_no_tag(self) -> None:
        with pytest.raises(Invalid):
            tags("type=ref,event=branch", Ci(branch="x" * 129))
        with pytest.raises(Invalid):
            tags("type=ref,event=branch", Ci(branch=".x"))


def test_a_host_without_time_zones_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    with pytest.raises(Invalid, match="tzdata"):
        tags("type=raw,value={{date 'YYYY' tz='Asia/Tokyo'}}")
    assert tags("type=raw,value=y{{date '[x]' tz='UTC'}}") == ["yx"]


@pytest.mark.parametrize(
    ("branch", "default", "made"),
    [
        ("main", "main", ["latest"]),
        ("dev", "main", ["other"]),
        ("dev", None, ["latest"]),
        (None, "main", ["latest"]),
    ],
)
def test_a_schedule_is_for_the_default_branch_unless_the_run_says_otherwise(
    branch: str | None, default: str | None, made: list[str]
) -> None:
    text = (
        "type=raw,value=latest,enable={{is_default_branch}}\n"
        "type=raw,value=other,enable={{is_not_default_branch}}"
    )
    assert tags(text, Ci(event="schedule", branch=branch, default_branch=default)) == made


def test_latest_is_there_once_and_follows_a_release_only() -> None:
    lines = "type=semver,pattern={{version}}\nlatest"
    assert tags(lines, TAG) == ["1.2.3", "latest"]
    assert tags("type=semver,pattern={{version}}", Ci(tag="v2.0.0-rc.1")) == ["2.0.0-rc.1"]
    assert tags("type=sha", flavor="latest=true") == ["sha-0123456", "latest"]
