"""Rules between inputs, with the `with:` keys in the messages."""

from __future__ import annotations

import pytest

from gocdnext_sdk.inputs.constraints import (
    Always,
    AtLeastOne,
    Constraint,
    Given,
    MutuallyExclusive,
    OnlyWith,
    RequiredIf,
    RequiredTogether,
)


def broken(rule: Constraint, *given: str, defaults: tuple[str, ...] = ()) -> list[str]:
    chosen = dict(each.split("=") for each in given)
    texts = dict(each.split("=") for each in defaults) | chosen
    return [str(each) for each in rule.problems(Given(texts, chosen))]


@pytest.mark.parametrize("given", [(), ("key=k",), ("key-content=c",), ("other=x", "key=k")])
def test_one_of_exclusive_inputs_is_fine(given: tuple[str, ...]) -> None:
    assert broken(MutuallyExclusive("key", "key-content"), *given) == []


def test_each_further_exclusive_input_is_a_mistake() -> None:
    assert broken(MutuallyExclusive("a", "b", "c"), "c=3", "a=1", "b=2") == [
        'with.b: cannot be combined with "a"; keep one of the two',
        'with.c: cannot be combined with "a"; keep one of the two',
    ]


@pytest.mark.parametrize("given", [(), ("username=u", "password=p")])
def test_all_or_none_is_fine(given: tuple[str, ...]) -> None:
    assert broken(RequiredTogether("username", "password"), *given) == []


def test_a_part_alone_is_a_mistake_on_the_other() -> None:
    rule = RequiredTogether("username", "password")
    assert broken(rule, "username=u") == ['with.password: is required with "username"; is the secret set?']
    assert broken(rule, "password=p")[0].startswith("with.username: is required")


def test_at_least_one() -> None:
    rule = AtLeastOne("key", "identity")
    assert broken(rule, "identity=me") == []
    assert broken(rule) == ['with.key: is required; give "key" or "identity"']


def test_required_if() -> None:
    rule = RequiredIf("predicate", "action", "attest", "verify-attestation")
    assert broken(rule, "action=sign") == []
    assert broken(rule, "action=attest", "predicate=sbom.json") == []
    assert broken(rule, "action=attest") == ["with.predicate: is required with action: attest"]


def test_rules_are_values() -> None:
    assert RequiredIf("a", "b", "1", "2") == RequiredIf("a", "b", "2", "1")
    assert len({RequiredTogether("a", "b"), RequiredTogether("a", "b"), AtLeastOne("a", "b")}) == 2


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ((), []),
        (("mirror=m",), []),
        (("mirror=m", "user=u", "password=p"), []),
        (("user=u",), ["user"]),
        (("user=u", "password=p", "action=sign"), ["user", "password"]),
    ],
)
def test_what_counts_beside_another_only(given: tuple[str, ...], keys: list[str]) -> None:
    found = broken(OnlyWith(("user", "password"), "mirror"), *given, defaults=("action=push",))
    assert found == [f'with.{key}: has no effect without "mirror"; leave it out' for key in keys]


def test_what_counts_beside_one_of_several() -> None:
    rule = OnlyWith("key-password", ("key", "key-content"))
    assert broken(rule, "key-password=p", "key-content=k") == []
    assert broken(rule, "key-password=p") == [
        'with.key-password: has no effect without "key" or "key-content"; leave it out'
    ]


def test_what_counts_with_some_values_of_another() -> None:
    rule = OnlyWith(("predicate", "replace"), "action", "attest")
    assert broken(rule, "predicate=p", "action=attest") == []
    assert broken(rule, "predicate=p", defaults=("action=attest",)) == []
    assert broken(rule, "replace=true", "action=sign") == [
        "with.replace: has no effect with action: sign; leave it out"
    ]
    assert broken(rule, "predicate=p")[0].startswith("with.predicate: has no effect without action: attest")


def test_what_another_one_says_may_be_no_text_for_a_log() -> None:
    rule = OnlyWith("tags", "action", "push")
    (line,) = broken(rule, "tags=v1", "action=https://u:hunter2@host/x")
    assert line == "with.tags: has no effect with action: the value (24 characters); leave it out"


def test_what_counts_without_another_only() -> None:
    rule = OnlyWith("qemu-image", "builder", "")
    assert broken(rule, "qemu-image=q", defaults=("driver=auto",)) == []
    assert broken(rule, "qemu-image=q", "builder=tcp://b:1") == [
        'with.qemu-image: has no effect with "builder"; leave it out'
    ]


def test_a_default_may_stand_anywhere_and_does_not_count_as_given() -> None:
    rule = OnlyWith("cache-ttl", "cache")
    assert broken(rule, defaults=("cache-ttl=336h", "cache=false")) == []
    assert broken(rule, "cache-ttl=6h", defaults=("cache=false",)) != []
    assert broken(rule, "cache-ttl=6h", "cache=true") == []


def test_a_value_that_only_the_run_knows_may_be_the_one() -> None:
    assert broken(OnlyWith("predicate", "action", "attest"), "predicate=p", "action=${{ ACTION }}") == []
    assert broken(OnlyWith("cache-ttl", "cache"), "cache-ttl=6h", defaults=("cache=${{ C }}",)) == []


def test_what_a_mistake_leaves_unclear_may_be_the_one() -> None:
    given = Given({"predicate": "p", "action": "atest"}, ["predicate", "action"], unclear=["action"])
    assert list(OnlyWith("predicate", "action", "attest").problems(given)) == []


def test_a_default_is_neither_one_too_many_nor_a_part_without_the_rest() -> None:
    assert broken(MutuallyExclusive("a", "b"), "b=2", defaults=("a=1",)) == []
    assert broken(MutuallyExclusive("a", "b"), defaults=("a=1", "b=2")) == []
    assert broken(RequiredTogether("a", "b"), defaults=("a=1",)) == []
    assert broken(RequiredTogether("a", "b"), "b=2", defaults=("a=1",)) == []


def test_what_always_counts_breaks_nothing() -> None:
    assert broken(Always("image"), "image=i") == []
