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

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.tools.sigstore import (
    NOBODY,
    PUBLIC,
    certificates,
    check_usable,
    hosts,
    lacking,
    log_keys,
    logs_certificates,
    normalised,
    service_url,
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


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"tlogs": "x"},
        {"tlogs": [1]},
        {"tlogs": [{}]},
        {"tlogs": [{"publicKey": "x", "certChain": "x"}]},
        {"tlogs": [{"publicKey": {}, "certChain": {"certificates": [1, {}]}}]},
    ],
)
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


def test_a_document_is_read_in_each_spelling_that_cosign_reads() -> None:
    service = {"url": "https://a", "major_api_version": "1", "valid_for": {"start": "2020-01-01T00:00:00Z"}}
    text = {"media_type": "x", "ca_urls": [service], "rekor_tlog_config": {"selector": "EXACT", "count": "2"}}
    assert normalised({**text, "oidcUrls": None}) == {
        "mediaType": "x",
        "caUrls": [{"url": "https://a", "majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}}],
        "rekorTlogConfig": {"selector": "EXACT", "count": 2},
    }
    chain = {"cert_chain": {"certificates": [{"raw_bytes": "AA=="}]}}
    root = normalised({"ctlogs": [], "timestamp_authorities": [chain], "certificate_authorities": [chain]})
    assert certificates(root, "timestampAuthorities") == certificates(root, "certificateAuthorities") != []
    assert not logs_certificates(root)


@pytest.mark.parametrize("written", ["1", "1.0", "1e0", 1.0, 1])
def test_a_version_is_a_number_however_it_is_written(written: object) -> None:
    assert normalised({"majorApiVersion": written}) == {"majorApiVersion": 1}


@pytest.mark.parametrize("strange", ["", "x", "1.5", "nan", "inf", [], {}, True])
def test_what_is_no_version_is_left_to_cosign(strange: object) -> None:
    assert normalised({"majorApiVersion": strange}) == {"majorApiVersion": strange}


def test_what_is_normal_stays_as_it_is() -> None:
    config = signing_config(fulcio="https://a", oidc="https://b", rekor="https://c", tsa="https://d")
    assert normalised(config) == config
    assert normalised(NOBODY) == NOBODY


@pytest.mark.parametrize("names", [("ca_urls", "caUrls"), ("caUrls", "ca_urls")])
@pytest.mark.parametrize("value", [[], None])
def test_both_spellings_of_one_name_are_a_mistake(names: tuple[str, str], value: object) -> None:
    with pytest.raises(Invalid, match="both spellings"):
        normalised({"oidcUrls": [dict.fromkeys(names, value)]})


def test_a_document_without_an_end_is_a_mistake() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(Invalid, match="deep"):
        normalised(deep)


def service(url: str, start: str | None = None, end: str | None = None, version: int = 1) -> dict[str, Any]:
    period = {name: text for name, text in (("start", start), ("end", end)) if text}
    return {"url": url, "majorApiVersion": version, **({"validFor": period} if period else {})}


PAST, EARLIER, FUTURE = "2021-01-12T11:53:27.000Z", "2020-01-12T12:53:27+01:00", "2221-01-12T11:53:27Z"


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ([service("https://a")], "https://a"),
        ([service("https://a"), service("https://b", PAST)], "https://b"),
        ([service("https://a", EARLIER), service("https://b", PAST)], "https://b"),
        ([service("https://a", PAST), service("https://b", EARLIER)], "https://a"),
        ([service("https://a", FUTURE), service("https://b", EARLIER)], "https://b"),
        ([service("https://a", EARLIER, PAST), service("https://b", EARLIER, FUTURE)], "https://b"),
        ([service("https://a", PAST), service("https://b", EARLIER, version=2)], "https://b"),
        ([service("https://a", PAST), service("https://b", EARLIER, PAST, version=2)], "https://a"),
        ([service("https://a", PAST), service("https://b", PAST, version=3)], "https://a"),
        ([service("https://a", "yesterday"), service("https://b", "2020-01-01T00:00:00")], None),
        ([service("https://a", FUTURE)], None),
        ([service("https://a", EARLIER, PAST)], None),
        ([service("https://a", version=3)], None),
        ([service("")], None),
        ([{}], None),
        ("x", None),
    ],
)
def test_a_service_is_the_one_that_cosign_would_ask(services: Any, expected: str | None) -> None:
    """Source: sigstore-go 1.2 `pkg/root/signing_config.go`, `SelectService`."""
    config = {"rekorTlogUrls": services}
    if expected is None:
        with pytest.raises(Invalid, match='"rekorTlogUrls" that is valid now and has version 1 or 2'):
            service_url(config, "rekorTlogUrls")
        assert urls(config) == []
    else:
        assert service_url(config, "rekorTlogUrls") == urls(config)[0] == expected


def test_a_service_of_one_version_only() -> None:
    config = {"rekorTlogUrls": [service("https://b", version=2), service("https://a", EARLIER)]}
    assert service_url(config, "rekorTlogUrls", (1,)) == "https://a"
    assert service_url(config, "caUrls") is None


@pytest.mark.parametrize(
    ("kind", "keyless", "tlog", "bad"),
    [
        ("caUrls", True, True, True),
        ("caUrls", False, True, False),
        ("rekorTlogUrls", False, True, True),
        ("rekorTlogUrls", True, False, False),
        ("tsaUrls", False, True, True),
    ],
)
def test_services_that_are_named_and_asked_must_answer(
    kind: str, keyless: bool, tlog: bool, bad: bool
) -> None:
    """By cosign, an authority for timestamps is asked whenever one is named."""
    config = {kind: [service("https://a", FUTURE)]}
    try:
        check_usable(config, keyless=keyless, tlog=tlog)
    except Invalid:
        assert bad
    else:
        assert not bad


def test_what_a_root_trusts_now_is_first() -> None:
    def log(name: str, *period: str) -> dict[str, Any]:
        key = {"rawBytes": name, "validFor": dict(zip(("start", "end"), period, strict=False))}
        return {"baseUrl": f"https://{name[0]}", "publicKey": key}

    root = {
        "tlogs": [log("aaaa", EARLIER, PAST), log("aaab", EARLIER), log("bbbb", PAST), log("cccc", FUTURE)]
    }
    assert list(log_keys(root, "tlogs")) == ["https://b", "https://a", "https://c"]
    assert "aaab" in log_keys(root, "tlogs")["https://a"]
    authorities = [
        {"certChain": {"certificates": [{"rawBytes": name}]}, "validFor": {"start": start}}
        for name, start in (("aaaa", EARLIER), ("bbbb", PAST), ("cccc", FUTURE))
    ]
    found = certificates({"timestampAuthorities": authorities}, "timestampAuthorities")
    assert [each.splitlines()[1] for each in found] == ["bbbb", "aaaa", "cccc"]


@pytest.mark.parametrize(("written", "expected"), [("-_-_", "+/+/"), ("-_8", "+/8="), ("+/8=", "+/8=")])
def test_bytes_become_the_base64_of_pem(written: str, expected: str) -> None:
    root = {"tlogs": [{"baseUrl": "https://a", "publicKey": {"rawBytes": written}}]}
    assert log_keys(root, "tlogs")["https://a"].splitlines()[1] == expected
