"""`WWW-Authenticate` by its grammar (RFC 9110 §11.6.1), not by its usual form."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.oci.challenges import Challenge, parse_challenges

BEARER = Challenge("bearer", {"realm": "https://auth.example/t", "service": "s"})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), ()),
        (("",), ()),
        (("Negotiate", 'Basic realm="x"'), (Challenge("negotiate"), Challenge("basic", {"realm": "x"}))),
        (('Negotiate, Basic realm="x"',), (Challenge("negotiate"), Challenge("basic", {"realm": "x"}))),
        (('Basic realm="x", Negotiate',), (Challenge("basic", {"realm": "x"}), Challenge("negotiate"))),
        (("NTLM,Negotiate",), (Challenge("ntlm"), Challenge("negotiate"))),
        (
            ('Bearer realm="https://auth.example/t",service="s", Basic realm="x"',),
            (BEARER, Challenge("basic", {"realm": "x"})),
        ),
        (('bearer realm="https://auth.example/t", service=s',), (BEARER,)),
        (("Bearer realm=https://auth.example/t,service=s",), (BEARER,)),
        (('Bearer service = "s" ,\t realm\t="https://auth.example/t"',), (BEARER,)),
        (('BEARER REALM="https://auth.example/t",Service="s"',), (BEARER,)),
        ((r'Basic realm="a \"b\", \\c"',), (Challenge("basic", {"realm": r'a "b", \c'}),)),
        (
            ("Negotiate oRQwEqADCgEBoQsGCSqGSIb3EgECAg==",),
            (Challenge("negotiate", {}, "oRQwEqADCgEBoQsGCSqGSIb3EgECAg=="),),
        ),
        (
            ('Negotiate YWJj=, Basic realm="x"',),
            (Challenge("negotiate", {}, "YWJj="), Challenge("basic", {"realm": "x"})),
        ),
        ((', , Basic realm="x", ,',), (Challenge("basic", {"realm": "x"}),)),
        (('Basic realm=""',), (Challenge("basic", {"realm": ""}),)),
        (('Basic realm="x", realm="y"',), (Challenge("basic", {"realm": "x"}),)),
        (("Basic",), (Challenge("basic"),)),
        # RFC 9110's own example: a comma and a scheme's name within a parameter.
        (
            ('Basic realm="simple", Newauth realm="apps", type=1, title="To \\"apps\\", Basic realm=x"',),
            (
                Challenge("basic", {"realm": "simple"}),
                Challenge("newauth", {"realm": "apps", "type": "1", "title": 'To "apps", Basic realm=x'}),
            ),
        ),
        # Not of the grammar: what follows is still read.
        (('Basic realm="open, Negotiate',), (Challenge("basic"), Challenge("negotiate"))),
        (('=x, Basic realm="x"',), (Challenge("basic", {"realm": "x"}),)),
    ],
)
def test_every_form(fields: tuple[str, ...], expected: tuple[Challenge, ...]) -> None:
    assert parse_challenges(fields) == expected


_TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-", min_size=1, max_size=12)
_CHALLENGES = st.builds(
    Challenge,
    _TOKENS.map(str.lower),
    st.dictionaries(_TOKENS.map(str.lower), st.text(max_size=30), max_size=4),
)


@given(st.lists(_CHALLENGES, max_size=4))
def test_what_is_written_is_read_back_in_one_field_or_in_several(challenges: list[Challenge]) -> None:
    fields = list(map(str, challenges))
    assert parse_challenges(fields) == tuple(challenges)
    assert parse_challenges([", ".join(fields)]) == tuple(challenges)


@given(st.text())
def test_anything_may_stand_there(text: str) -> None:
    for each in parse_challenges([text]):
        assert each.scheme == each.scheme.lower()


def test_so_many_challenges_and_no_more() -> None:
    assert len(parse_challenges(["a " * 8_000] * 20)) == 32
    assert [each.scheme for each in parse_challenges(["x," * 31 + "Basic"])][-1] == "basic"
