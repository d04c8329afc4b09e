"""Signing configs made from URLs, and what a trusted root holds."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509.oid import NameOID

from gocdnext_sdk.tools.sigstore import (
    PUBLIC,
    certificates,
    hosts,
    lacking,
    log_keys,
    signing_config,
    urls,
    without_log,
)


def test_exactly_the_named_services_are_in_it() -> None:
    config = signing_config(rekor="https://rekor.example/", rekor_version=2)
    assert set(config) == {"mediaType", "rekorTlogUrls", "rekorTlogConfig", "tsaConfig"}
    (log,) = config["rekorTlogUrls"]
    assert (log["url"], log["majorApiVersion"]) == ("https://rekor.example", 2)
    assert config["rekorTlogConfig"] == {"selector": "ANY"}
    assert config["tsaConfig"] == {}


def test_the_log_can_be_taken_out() -> None:
    config = signing_config(fulcio="https://fulcio.example", rekor="https://rekor.example")
    stripped = without_log(config)
    assert stripped["rekorTlogUrls"] == []
    assert stripped["rekorTlogConfig"] == {}
    assert stripped["caUrls"] == config["caUrls"]
    assert config["rekorTlogUrls"], "the original is left alone"


def test_the_services_are_named_by_their_hosts() -> None:
    config = signing_config(
        fulcio="https://user:secret@fulcio.example/",
        rekor="http://localhost:3000",
        tsa="http://localhost:3000/t",
    )
    assert hosts(config) == ["fulcio.example", "localhost:3000"]
    assert hosts({"caUrls": [7, {"url": "not a url"}, {}], "tsaUrls": 7, "rekorTlogUrls": "abc"}) == []


def test_without_a_signing_config_the_public_services_sign() -> None:
    assert urls(None) == list(PUBLIC)
    assert urls(signing_config(tsa="https://tsa.example")) == ["https://tsa.example"]


def test_what_a_trusted_root_holds_is_pem_that_others_read() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, start, start + timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def raw(der: bytes) -> dict[str, str]:
        return {"rawBytes": base64.b64encode(der).decode()}

    chain = {"certChain": {"certificates": [raw(certificate.public_bytes(Encoding.DER))] * 2}}
    root = {
        "certificateAuthorities": [chain, {}],
        "tlogs": [{"baseUrl": "https://a", "publicKey": raw(public)}],
    }
    (found,) = certificates(root, "certificateAuthorities")
    assert x509.load_pem_x509_certificates(found.encode()) == [certificate] * 2
    assert load_pem_public_key(log_keys(root, "tlogs")["https://a"].encode()) == key.public_key()


@pytest.mark.parametrize("strange", [{}, {"tlogs": "x"}, {"tlogs": [1]}, {"tlogs": [{}]}])
def test_of_a_strange_trusted_root_nothing_is_known(strange: dict[str, Any]) -> None:
    assert log_keys(strange, "tlogs") == {}
    assert certificates(strange, "tlogs") == []


@pytest.mark.parametrize(
    ("keyless", "tlog", "missing"),
    [
        (False, False, ()),
        (False, True, ("rekorTlogUrls",)),
        (True, True, ("rekorTlogUrls", "caUrls")),
        (True, False, ("caUrls", "tsaUrls")),
    ],
)
def test_what_signing_needs_depends_on_the_signer_and_the_log(
    keyless: bool, tlog: bool, missing: tuple[str, ...]
) -> None:
    assert lacking(signing_config(), keyless=keyless, tlog=tlog) == missing
    all_of_them = {"fulcio": "https://a", "rekor": "https://b", "tsa": "https://c"}
    assert lacking(signing_config(**all_of_them), keyless=keyless, tlog=tlog) == ()
