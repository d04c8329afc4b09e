"""Rules between inputs, with the `with:` keys in the messages."""

from __future__ import annotations

import pytest

from gocdnext_sdk.inputs.constraints import (
    AtLeastOne,
    Constraint,
    MutuallyExclusive,
    RequiredIf,
    RequiredTogether,
)


def broken(rule: Constraint, *given: str) -> list[str]:
    return [str(each) for each in rule.problems(dict(each.split("=") for each in given))]


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
