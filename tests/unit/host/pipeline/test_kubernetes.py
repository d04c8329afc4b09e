"""What Kubernetes makes of text in a pod's specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.host.pipeline.kubernetes import environ, expand, is_variable

VALUES = {"A": "va", "B": "$(A)", "E": "", "X Y": "blank"}

# Answers of Kubernetes' own function: v1.34.4, third_party/forked/golang/expansion, Expand, run with VALUES.
ANSWERS = {
    "": "",
    "$": "$",
    "$$": "$",
    "$$$": "$$",
    "$$$$": "$$",
    "$$$(A)": "$va",
    "$$(A)": "$(A)",
    "$(": "$(",
    "$( A )": "$( A )",
    "$($$)": "$($$)",
    "$()": "$()",
    "$(A": "$(A",
    "$(A\n)": "$(A\n)",
    "$(A$(A))": "$(A$(A))",
    "$(A)": "va",
    "$(B)": "$(A)",
    "$(E)": "",
    "$(NO)": "$(NO)",
    "$(X Y)": "blank",
    "$A": "$A",
    "$x$$": "$x$",
    "${A}": "${A}",
    "${{ A }}": "${{ A }}",
    "a$": "a$",
    "echo $$; f=$(date); g=$(A)": "echo $; f=$(date); g=va",
    "p@$$w": "p@$w",
    "x$(A)y$(A)": "xvayva",
    "é$$é$(A)ü": "é$évaü",
}


@pytest.mark.parametrize("text", ANSWERS)
def test_text_is_expanded_as_kubernetes_does(text: str) -> None:
    assert expand(text, VALUES) == ANSWERS[text]


@given(st.text(alphabet="ab(){} \n"))
def test_text_without_a_dollar_stays(text: str) -> None:
    assert expand(text, VALUES) == text


@given(st.text(alphabet="$(A)b"))
def test_doubling_every_dollar_escapes_a_text(text: str) -> None:
    assert expand(text.replace("$", "$$"), VALUES) == text


def test_a_variable_sees_others_and_keeps_its_place() -> None:
    given_ = {
        "URL": "http://$(HOST)/",
        "HOST": "db",
        "PASSWORD": "p@$$w",
        "SELF": "$(SELF)",
        "DATE": "$(date)",
    }
    found = environ(given_)
    assert found == {
        "URL": "http://db/",
        "HOST": "db",
        "PASSWORD": "p@$w",
        "SELF": "$(SELF)",
        "DATE": "$(date)",
    }
    assert [*found] == [*given_]


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        ("PLUGIN_A", True),
        ("PLUGIN_CHANNEL.NAME", True),
        ("PLUGIN_FOO BAR", True),
        ("PLUGIN_CAFé", False),
        ("A=B", False),
        ("", False),
        ("A\n", False),
    ],
)
def test_names_that_a_pod_may_have(name: str, is_taken: bool) -> None:
    assert is_variable(name) is is_taken
