"""What can be said about an identity token before anybody is asked to accept it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gocdnext_sdk import Secret
from gocdnext_sdk.tools.identity_token import SKEW, IdentityToken

NOW = 1_800_000_000.0


def encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(algorithm: str | None = "RS256", **claims: Any) -> Secret:
    payload = {
        "iss": "https://ci.example",
        "sub": "project:team:pipeline:release:ref_type:branch:ref:main",
        "aud": "sigstore",
        "iat": NOW,
        "nbf": NOW - 60,
        "exp": NOW + 3600,
    } | claims
    parts = ({"alg": algorithm}, {name: value for name, value in payload.items() if value is not None})
    return Secret(".".join((*map(encode, parts), "c2lnbmF0dXJl")))


def problems(secret: Secret, *, audience: str = "sigstore", issuers: tuple[str, ...] = ()) -> list[str]:
    decoded = IdentityToken.decode(secret)
    found = decoded.problems(audience=audience, issuers=issuers, now=NOW)
    return [f"{what}; {advice}" for what, advice in found]


def test_a_token_as_the_platform_makes_it_has_no_problems() -> None:
    assert problems(token(), issuers=("https://ci.example",)) == []


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": NOW - 720}, "exp: the token expired 12 minutes ago, at 2027-01-15T07:48:00Z"),
        ({"exp": NOW - SKEW - 1}, "a difference of 60 s between clocks is allowed"),
        ({"exp": None}, "exp: the token does not say when it expires"),
        ({"exp": "soon"}, "exp: the token does not say when it expires"),
        ({"nbf": NOW + 7200}, "nbf: the token is valid from 2027-01-15T10:00:00Z, in 2 hours"),
        ({"aud": "vault"}, 'aud: the token is for "vault", not for "sigstore"'),
        ({"aud": ["a", "b"]}, 'aud: the token is for "a", "b", not for "sigstore"'),
        ({"aud": None}, "aud: the token is for null"),
        ({"sub": None}, "sub: the token names no subject"),
        ({"algorithm": "HS256"}, 'alg: the token is signed with "HS256"'),
        ({"algorithm": "none"}, 'alg: the token is signed with "none"'),
        ({"algorithm": None}, "alg: the token is signed with null"),
    ],
)
def test_a_mismatch_is_told_by_its_claim(claims: dict[str, Any], message: str) -> None:
    (found,) = problems(token(**claims))
    assert message in found


def test_all_mismatches_show_at_once() -> None:
    found = problems(token("none", exp=NOW - 720, aud="vault"), issuers=("https://other.example",))
    assert [each.partition(":")[0] for each in found] == ["alg", "exp", "aud", "iss"]


def test_clocks_may_differ_a_little() -> None:
    assert problems(token(exp=NOW - SKEW + 1, nbf=NOW + SKEW - 1)) == []


def test_one_of_several_audiences_is_enough() -> None:
    assert problems(token(aud=["vault", "sigstore"])) == []


def test_a_federated_token_counts_for_the_issuer_behind_it_too() -> None:
    secret = token(iss="https://dex.example", federated_claims={"connector_id": "https://accounts.example"})
    assert IdentityToken.decode(secret).issuer == "https://accounts.example"
    assert problems(secret, issuers=("https://dex.example", "https://accounts.example")) == []
    assert len(problems(secret, issuers=("https://other.example",))) == 1


HEADER = encode({"alg": "RS256"})


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        "canary.canary",
        "canary.canary.canary",
        f"{HEADER}.canary!.canary",
        f"{HEADER}.{encode(['canary'])}.canary",
        f"{HEADER}..canary",
        f"{HEADER}.{encode({})}.canary.canary.canary",
    ],
)
def test_what_is_no_token_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="JWT") as caught:
        IdentityToken.decode(Secret(text))
    assert "canary" not in str(caught.value)


def test_a_decoded_token_does_not_hold_the_token() -> None:
    secret = token()
    shown = repr(IdentityToken.decode(secret))
    assert not any(part in shown for part in secret.reveal().split("."))
