"""A certificate is issued to who shows a token and holds the key, and it says what the token says."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from gocdnext_sdk.contract.id_tokens import Identity, claims
from gocdnext_sdk.host.harness.issuer import SigningKey
from local_sigstore.authority import Authority, identity
from local_sigstore.server import server
from local_sigstore.tokens import Issuer, Refused

KEY = SigningKey.generate()
ISSUER = Issuer("http://issuer.test", KEY.jwks())
JOB = Identity(
    project_slug="shop",
    project_id="1",
    pipeline="release",
    pipeline_id="2",
    job="sign",
    run_id="run-3",
    run_counter="4",
    cause="webhook",
    ref_type="branch",
    ref="main",
    sha="a" * 40,
)


def stated(job: Identity = JOB, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return claims(job, issuer=ISSUER.url, audiences=["sigstore"], now=now, token_id="5") | changes


def request(claimed: dict[str, Any], proven: str | None = None) -> dict[str, Any]:
    """Ask for a certificate for a new key, proven by a signature of `proven`."""
    key = ec.generate_private_key(ec.SECP256R1())
    proof = key.sign((proven or claimed["sub"]).encode(), ec.ECDSA(SHA256()))
    return {
        "credentials": {"oidcIdentityToken": KEY.sign(claimed)},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": pem(key.public_key())},
            "proofOfPossession": base64.b64encode(proof).decode(),
        },
    }


def pem(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificates(answer: dict[str, Any]) -> list[x509.Certificate]:
    chain = answer["signedCertificateDetachedSct"]["chain"]["certificates"]
    return [x509.load_pem_x509_certificate(each.encode()) for each in chain]


def extension(certificate: x509.Certificate, number: int) -> bytes:
    oid = ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
    value = certificate.extensions.get_extension_for_oid(oid).value
    assert isinstance(value, x509.UnrecognizedExtension)
    return value.value


def test_a_certificate_names_the_pipeline_and_lives_ten_minutes() -> None:
    authority = Authority(ISSUER)
    leaf, root = certificates(authority.issue(request(stated())))
    assert root == authority.root
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    uri = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    assert uri == ["http://issuer.test/shop/release@branch/main"]
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() <= 605
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CODE_SIGNING]
    assert extension(leaf, 1) == b"http://issuer.test"
    texts = {number: extension(leaf, number) for number in (8, 13, 14, 20, 21)}
    assert texts == {
        8: b"\x0c\x12http://issuer.test",
        13: b"\x0c\x28" + b"a" * 40,
        14: b"\x0c\x04main",
        20: b"\x0c\x07webhook",
        21: b"\x0c\x05run-3",
    }


def test_a_long_claim_is_encoded_with_a_long_length() -> None:
    leaf, _ = certificates(Authority(ISSUER).issue(request(stated(replace(JOB, ref="b" * 300)))))
    assert extension(leaf, 14) == b"\x0c\x82\x01\x2c" + b"b" * 300


@pytest.mark.parametrize(
    ("job", "name"),
    [
        (JOB, "shop/release@branch/main"),
        (replace(JOB, cause="tag", ref_type="tag", ref="v1.2+3"), "shop/release@tag/v1.2+3"),
        (replace(JOB, cause="pull_request", pr_number="7"), "shop/release@pull_request/7"),
        (replace(JOB, ref_type="", ref=""), "shop/release@none/none"),
        (replace(JOB, pipeline="my release"), "shop/my%20release@branch/main"),
    ],
)
def test_an_identity_is_made_of_the_claims(job: Identity, name: str) -> None:
    assert identity(stated(job)) == f"http://issuer.test/{name}"


def test_a_forks_main_is_not_the_projects_main() -> None:
    fork = replace(JOB, cause="pull_request", pr_number="7", ref_type="branch", ref="main")
    assert identity(stated(fork)) != identity(stated(JOB))


def test_without_possession_of_the_key_there_is_no_certificate() -> None:
    with pytest.raises(Refused, match="proof of possession"):
        Authority(ISSUER).issue(request(stated(), proven="somebody else"))


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [
        (stated(exp=time.time() - 30), "expired"),
        (stated(aud="vault"), "aud"),
        (stated(iss="http://other.test"), "iss"),
    ],
)
def test_without_a_valid_token_there_is_no_certificate(claimed: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        Authority(ISSUER).issue(request(claimed))


def test_a_key_of_another_kind_is_refused() -> None:
    asked = request(stated())
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    asked["publicKeyRequest"]["publicKey"]["content"] = pem(other)
    with pytest.raises(Refused, match="not an ECDSA key"):
        Authority(ISSUER).issue(asked)


@contextmanager
def serving() -> Iterator[HTTPConnection]:
    with server(("127.0.0.1", 0), ISSUER, Authority(ISSUER)) as own:
        thread = Thread(target=own.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        connection = HTTPConnection("127.0.0.1", own.server_port)
        try:
            yield connection
        finally:
            connection.close()
            own.shutdown()
            thread.join()


def ask(method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    with serving() as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_the_issuer_publishes_its_keys() -> None:
    status, found = ask("GET", "/.well-known/openid-configuration")
    assert (status, found["issuer"]) == (200, "http://issuer.test")
    assert found["jwks_uri"] == "http://issuer.test/.well-known/jwks.json"
    assert ask("GET", "/.well-known/jwks.json") == (200, KEY.jwks())


def test_a_client_may_send_its_token_as_a_header() -> None:
    asked = request(stated())
    token = asked.pop("credentials")["oidcIdentityToken"]
    status, answer = ask("POST", "/api/v2/signingCert", json.dumps(asked), Authorization=f"Bearer {token}")
    assert status == 200
    assert len(certificates(answer)) == 2


@pytest.mark.parametrize("body", ["", "[]", "{}", "no json", '{"credentials": 1}'])
def test_a_bad_request_is_answered_with_a_reason(body: str) -> None:
    status, answer = ask("POST", "/api/v2/signingCert", body)
    assert status == 400
    assert answer["message"].startswith("the request")


def test_there_is_nothing_else() -> None:
    assert ask("GET", "/api/v2/trustBundle")[0] == 404
    assert ask("POST", "/")[0] == 404
