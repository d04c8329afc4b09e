"""An issuer accepts its own tokens, for the right audience, at the right time, and no others."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.utils import base64url_decode, base64url_encode

from gocdnext_sdk.host.harness.issuer import SigningKey
from local_sigstore.tokens import Issuer, Refused

URL = "http://issuer.test"
KEY = SigningKey.generate()
ISSUER = Issuer(URL, KEY.jwks())


def stated(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": URL, "sub": "me", "aud": "sigstore", "nbf": now - 60, "exp": now + 3600, **changes}


def encoded(part: dict[str, Any]) -> str:
    return base64url_encode(json.dumps(part).encode()).decode()


def test_a_token_of_the_issuer_is_accepted() -> None:
    claims = stated(aud=["vault", "sigstore"])
    assert ISSUER.verify(KEY.sign(claims)) == claims


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        (stated(iss="http://other.test"), "iss"),
        (stated(aud="vault"), "aud"),
        (stated(aud=None), "aud"),
        (stated(exp=time.time() - 1), "expired"),
        (stated(nbf=time.time() + 3600), "not valid yet"),
        ({"iss": URL, "sub": "me", "aud": "sigstore"}, "no exp"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(claims: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        ISSUER.verify(KEY.sign(claims))


def test_another_issuers_key_is_refused_even_under_the_same_name() -> None:
    other = SigningKey(generate_private_key(public_exponent=65537, key_size=2048))
    with pytest.raises(Refused, match="does not publish"):
        ISSUER.verify(other.sign(stated()))
    header = encoded({"alg": "RS256", "kid": KEY.id, "typ": "JWT"})
    _, payload, signature = other.sign(stated()).split(".")
    with pytest.raises(Refused, match="signature is not the issuer's"):
        ISSUER.verify(f"{header}.{payload}.{signature}")


def test_a_changed_claim_is_refused() -> None:
    header, payload, signature = KEY.sign(stated()).split(".")
    forged = encoded(json.loads(base64url_decode(payload)) | {"sub": "you"})
    with pytest.raises(Refused, match="signature"):
        ISSUER.verify(f"{header}.{forged}.{signature}")


def test_no_algorithm_but_the_issuers_is_accepted() -> None:
    _, payload, signature = KEY.sign(stated()).split(".")
    for algorithm in ("none", "HS256", "ES256"):
        header = encoded({"alg": algorithm, "kid": KEY.id})
        with pytest.raises(Refused, match="alg"):
            ISSUER.verify(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("text", ["", "a.b.c", "a.b", "....", "bnVsbA.bnVsbA.e30"])
def test_what_is_no_token_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Refused, match="the token is not a signed JWT") as refusal:
        ISSUER.verify(text)
    assert str(refusal.value) == "the token is not a signed JWT"


def test_a_token_without_a_key_and_a_signature_is_refused() -> None:
    with pytest.raises(Refused, match="does not publish"):
        ISSUER.verify("e30.e30.")
