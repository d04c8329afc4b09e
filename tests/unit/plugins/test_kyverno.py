"""The policy that cosign's log has for Kyverno: what it names, and that Kyverno knows the fields."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.unit.plugins.test_cosign import PACKAGE, PRIVATE, PUBLIC, SERVICES, SUBJECT, signer, token

from gocdnext_sdk.tools.signing import PublicKey
from gocdnext_sdk.tools.sigstore import NOBODY, PUBLIC_LOG

KYVERNO = sys.modules[f"{PACKAGE}.kyverno"]
SCHEMA = yaml.safe_load(Path(__file__).with_name("kyverno.yaml").read_text())
SIGNED = "https://sigstore.dev/cosign/sign/v1"
STATED = {"cert-identity": "https://ci.example/x", "cert-oidc-issuer": "https://ci.example"}
IDENTITY = {"subject": "https://ci.example/x", "issuer": "https://ci.example"}


def raw(text: str) -> dict[str, str]:
    return {"rawBytes": base64.b64encode(text.encode()).decode()}


def pem(what: str, text: str) -> str:
    return f"-----BEGIN {what}-----\n{raw(text)['rawBytes']}\n-----END {what}-----\n"


def certificate(*names: str) -> str:
    return "".join(pem("CERTIFICATE", each) for each in names)


OWN = {
    **NOBODY,
    "certificateAuthorities": [{"certChain": {"certificates": [raw("intermediate"), raw("root")]}}],
    "tlogs": [{"baseUrl": "https://log.example", "publicKey": raw("log")}],
    "timestampAuthorities": [{"certChain": {"certificates": [raw("stamp"), raw("stamp root")]}}],
}
KEYLESS = {"identity-token": token(), **STATED}
PRIVATE_SIGSTORE = {**KEYLESS, "trusted-root": json.dumps(OWN), **SERVICES}
ROOTS, LOG = certificate("intermediate", "root"), pem("PUBLIC KEY", "log")


def printed(with_: dict[str, str], **environ: str) -> tuple[list[str], dict[str, Any]]:
    """The notes and the check of the policy, which Kyverno's server would take."""
    made = signer(with_, environ=environ)
    if "key-content" in with_:
        made.cosign.known = PublicKey("cosign.pub", PUBLIC)
    lines = list(KYVERNO.kyverno_policy(made, [SUBJECT]))
    policy = yaml.safe_load("".join(f"{line}\n" for line in lines))
    jsonschema.validate(policy, SCHEMA)
    (check,) = policy["spec"]["rules"][0]["verifyImages"]
    assert check["failureAction"] == "Enforce"
    assert check["imageReferences"] == ["ghcr.io/org/app:*", "ghcr.io/org/app@*"]
    for attestor in attestors(check):
        has_rekor(attestor)
    return [each for each in lines if each.startswith("#")], check


def has_rekor(attestor: dict[str, Any]) -> None:
    """Kyverno refuses what has neither a log nor roots; its command knows no default for the log's URL."""
    (kind,) = attestor.keys() - {"annotations"}
    assert attestor[kind]["rekor"], kind
    assert kind == "keys" or attestor[kind]["rekor"]["url"]


def attestors(check: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in check.get("attestations", [check]):
        yield from each["attestors"][0]["entries"]


def test_a_field_that_kyverno_does_not_know_would_be_seen() -> None:
    policy = yaml.safe_load("\n".join(KYVERNO.kyverno_policy(signer(KEYLESS), [SUBJECT])))
    (check,) = policy["spec"]["rules"][0]["verifyImages"]
    next(attestors(check))["keyless"]["identity"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="identity"):
        jsonschema.validate(policy, SCHEMA)


@pytest.mark.parametrize("format_", ["bundle", "both", "legacy"])
def test_a_key_is_all_that_is_needed_without_a_log(format_: str) -> None:
    notes, check = printed({"key-content": PRIVATE, "tlog": "false", "format": format_})
    assert check["type"] == ("SigstoreBundle" if format_ == "bundle" else "Cosign")
    (entry,) = attestors(check)
    trust = {"rekor": {"ignoreTlog": True}, "ctlog": {"ignoreSCT": True}}  # else the public ones are fetched
    assert entry == {"keys": {"publicKeys": PUBLIC, **trust}}
    assert [("1.19" in each) for each in notes] == [True] * (format_ == "bundle")


@pytest.mark.parametrize(
    ("with_", "kind"),
    [
        ({}, SIGNED),
        ({"format": "legacy"}, None),
        ({"action": "attest", "predicate-type": "vuln"}, "https://cosign.sigstore.dev/attestation/vuln/v1"),
        (
            {"action": "attest", "predicate-type": "https://a.example/b", "format": "legacy"},
            "https://a.example/b",
        ),
    ],
)
@pytest.mark.parametrize("by", [{"key-content": PRIVATE}, KEYLESS])
def test_an_attestation_is_no_signature(
    with_: dict[str, str],
    kind: str | None,
    by: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of bundles, Kyverno takes any by the signer for a signature, unless the policy names the type."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "statement.json").write_text("{}")
    statement = {"predicate": "statement.json"} if with_.get("action") == "attest" else {}
    _, check = printed({**by, **with_, **statement})
    assert [each["type"] for each in check.get("attestations", ())] == ([kind] if kind else [])
    assert ("attestors" in check) == (kind is None)


@pytest.mark.parametrize("format_", ["bundle", "legacy"])
def test_of_the_public_sigstore_kyverno_knows_all(format_: str) -> None:
    notes, check = printed({**KEYLESS, "format": format_})
    (entry,) = attestors(check)
    assert entry == {"keyless": {**IDENTITY, "rekor": {"url": "https://rekor.sigstore.dev"}}}
    assert not notes


def test_a_bundle_of_a_sigstore_of_ones_own_takes_flags_of_kyverno() -> None:
    notes, check = printed(PRIVATE_SIGSTORE)
    (entry,) = attestors(check)
    assert entry == {"keyless": {**IDENTITY, "rekor": {"url": "https://rekor.example"}}}
    (note,) = notes
    assert "--tufMirror" in note


def test_for_the_older_form_the_policy_has_what_to_trust_of_it() -> None:
    notes, check = printed({**PRIVATE_SIGSTORE, "format": "both"})
    (entry,) = attestors(check)
    trust = {"roots": ROOTS, "rekor": {"url": "https://rekor.example", "pubkey": LOG}}
    assert entry == {"keyless": {**IDENTITY, **trust, "ctlog": {"ignoreSCT": True}}}
    assert not notes


def test_certificates_are_looked_up_in_the_log_of_the_authority() -> None:
    own = {**OWN, "ctlogs": [{"baseUrl": "https://ct.example", "publicKey": raw("ct")}]}
    _, check = printed({**PRIVATE_SIGSTORE, "format": "both", "trusted-root": json.dumps(own)})
    (entry,) = attestors(check)
    assert entry["keyless"]["ctlog"] == {"pubkey": pem("PUBLIC KEY", "ct")}


def test_without_a_log_the_time_is_by_the_timestamp_authority() -> None:
    services = {key: url for key, url in PRIVATE_SIGSTORE.items() if key != "rekor-url"}
    notes, check = printed({**services, "tlog": "false", "format": "legacy"})
    (entry,) = attestors(check)
    stamped = {"ignoreSCT": True, "tsaCertChain": certificate("stamp", "stamp root")}
    no_log = {"url": PUBLIC_LOG, "ignoreTlog": True}
    assert entry == {"keyless": {**IDENTITY, "roots": ROOTS, "rekor": no_log, "ctlog": stamped}}
    assert not notes
    empty = {**services, "trusted-root": json.dumps(NOBODY), "tlog": "false", "format": "legacy"}
    (note,) = printed(empty)[0]
    assert "tsaCertChain" in note


@pytest.mark.parametrize("signs", [True, False])
def test_the_log_is_the_one_that_is_written_or_else_the_trusted_one(signs: bool) -> None:
    given = {**STATED, "trusted-root": json.dumps(OWN)}
    given |= {"identity-token": token(), "rekor-version": "2", **SERVICES} if signs else {"action": "verify"}
    (entry,) = attestors(printed(given)[1])
    assert entry["keyless"]["rekor"] == {"url": "https://rekor.example" if signs else "https://log.example"}


@pytest.mark.parametrize(("format_", "expected"), [("bundle", "newest"), ("both", "first-version")])
def test_of_several_logs_it_is_the_one_that_is_written_now(format_: str, expected: str) -> None:
    logs = [
        {"url": "https://retired.example", "majorApiVersion": 1, "validFor": {"end": "2020-01-01T00:00:00Z"}},
        {"url": "https://first-version.example", "major_api_version": "1"},
        {"url": "https://newest.example", "majorApiVersion": 2},
    ]
    config = {"rekor_tlog_urls": logs, "ca_urls": [{"url": "https://ca.example", "majorApiVersion": 1}]}
    given = {**KEYLESS, "trusted-root": json.dumps(OWN), "signing-config": json.dumps(config)}
    (entry,) = attestors(printed({**given, "format": format_})[1])
    assert entry["keyless"]["rekor"]["url"] == f"https://{expected}.example"


def test_of_several_keys_it_is_the_one_that_signs_now() -> None:
    def log(name: str, start: str) -> dict[str, Any]:
        return {"base_url": "https://ct.example", "public_key": {**raw(name), "valid_for": {"start": start}}}

    logs = [log("new", "2024-01-01T00:00:00Z"), log("old", "2020-01-01T00:00:00Z")]
    own = json.dumps({**OWN, "ctlogs": logs})
    (entry,) = attestors(printed({**PRIVATE_SIGSTORE, "format": "both", "trusted-root": own})[1])
    assert entry["keyless"]["ctlog"] == {"pubkey": pem("PUBLIC KEY", "new")}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"cert-identity-regexp": "a|b"}, {"subjectRegExp": "^(?:a|b)$", "issuer": "https://ci.example"}),
        (
            {"cert-identity": "x", "cert-oidc-issuer-regexp": r"https://.*\.example"},
            {"subject": "x", "issuerRegExp": r"^(?:https://.*\.example)$"},
        ),
        # In the older form, Kyverno takes `?` and `*` in a text for any characters.
        (
            {"cert-identity": "https://ci.example/?ref=*"},
            {"subjectRegExp": r"^(?:https://ci\.example/\?ref=\*)$", "issuer": "https://ci.example"},
        ),
    ],
)
def test_the_identity_is_the_whole_of_it_and_nothing_else(
    stated: dict[str, str], expected: dict[str, str]
) -> None:
    given = {"identity-token": token(), "cert-oidc-issuer": "https://ci.example", "format": "legacy"} | stated
    if "cert-oidc-issuer-regexp" in stated:
        del given["cert-oidc-issuer"]
    (entry,) = attestors(printed(given)[1])
    assert entry == {"keyless": {**expected, "rekor": {"url": "https://rekor.sigstore.dev"}}}


def test_a_name_in_a_bundle_is_no_pattern() -> None:
    (entry,) = attestors(printed({**KEYLESS, "cert-identity": "https://ci.example/?ref=*"})[1])
    assert entry["keyless"]["subject"] == "https://ci.example/?ref=*"


def test_an_identity_that_the_authority_chooses_is_left_to_be_filled_in() -> None:
    notes, check = printed({"identity-token": token(), "cert-oidc-issuer": "https://ci.example"})
    assert next(attestors(check))["keyless"]["subject"] == "IDENTITY"
    assert ["IDENTITY" in each for each in notes] == [True]


@pytest.mark.parametrize("format_", ["bundle", "legacy"])
def test_annotations_are_demanded_where_kyverno_sees_them(format_: str) -> None:
    notes, check = printed({**KEYLESS, "annotations": "commit=abc", "format": format_})
    (entry,) = attestors(check)
    assert entry.get("annotations") == (None if format_ == "bundle" else {"commit": "abc"})
    assert ["annotations" in each for each in notes] == [True] * (format_ == "bundle")


def test_it_says_where_older_signatures_are_and_that_kyverno_looks_for_no_bundles_there() -> None:
    elsewhere = {"COSIGN_REPOSITORY": "ghcr.io/org/signatures"}
    notes, check = printed({**KEYLESS, "format": "legacy"}, **elsewhere)
    assert check["repository"] == "ghcr.io/org/signatures"
    assert not any("COSIGN_REPOSITORY" in each for each in notes)
    notes, check = printed(KEYLESS, **elsewhere)
    assert "repository" not in check
    assert any("COSIGN_REPOSITORY" in each for each in notes)
