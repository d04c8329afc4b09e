"""Keys, policies and verdicts: what every plugin that uses cosign shares."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk import Findings, Reference, Secret, Tool, ToolError
from gocdnext_sdk.errors import TimedOut
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.runner import ProcessRunner
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.tools.cosign import (
    Policy,
    annotation_flags,
    key_kind,
    key_reference,
    kms_environ,
    verify,
    verify_attestation,
)

SUBJECT = Reference.parse("ghcr.io/org/app@sha256:" + "a" * 64)
PRIVATE = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJ\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"
PUBLIC = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"


def pem(kind: str) -> str:
    return f"-----BEGIN {kind}-----\nMFkw\n-----END {kind}-----\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PRIVATE, "private"),
        (PRIVATE.replace("\n", "\r\n"), "private"),
        (pem("ENCRYPTED COSIGN PRIVATE KEY"), "private"),
        (PUBLIC, "public"),
    ],
)
def test_a_key_tells_which_half_it_is(text: str, kind: str) -> None:
    assert key_kind(text) == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PRIVATE.replace("\n", " "), "lost its line breaks"),
        (PRIVATE.replace("\n", "\\n"), "lost its line breaks"),
        (PRIVATE.rpartition("\n")[0], "lost its line breaks or its end"),
        (pem("RSA PRIVATE KEY"), "import-key-pair"),
        (pem("CERTIFICATE"), "CERTIFICATE"),
        ("canary", "is not PEM"),
    ],
)
def test_what_is_no_cosign_key_is_refused_without_showing_it(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        key_kind(text)
    assert "canary" not in str(caught.value)
    assert "eyJ" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["cosign.key", "keys/cosign.pub", "awskms:///alias/x", "hashivault://release"]
)
def test_a_key_is_a_path_or_a_kms_uri(text: str) -> None:
    assert key_reference(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PRIVATE, "key-content"),
        (PRIVATE.replace("\n", ""), "key-content"),
        ("env://COSIGN_KEY", '"env://" is not supported'),
        ("https://keys.example/cosign.pub", '"https://" is not supported'),
        ("../cosign.key", "outside the workspace"),
    ],
)
def test_a_key_that_is_neither_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        key_reference(text)
    assert "eyJ" not in str(caught.value)


def test_only_the_kms_of_the_key_sees_the_cloud() -> None:
    environ = {
        "AWS_REGION": "eu-1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "VAULT_TOKEN": "token",
        "DB_PASSWORD": "x",
    }
    assert kms_environ("cosign.key", environ) == {}
    assert kms_environ(None, environ) == {}
    assert kms_environ("awskms:///alias/x", environ) == {
        "AWS_REGION": "eu-1",
        "AWS_SECRET_ACCESS_KEY": Secret("secret"),
    }
    assert kms_environ("hashivault://x", environ) == {"VAULT_TOKEN": Secret("token")}


def test_a_policy_by_key() -> None:
    assert Policy(key="k.pub", trusted_root="root.json").argv() == [
        *("--key", "k.pub"),
        *("--trusted-root", "root.json"),
    ]
    # By key nothing but the log needs a word; certificates play no part.
    assert Policy(key="k.pub", insecure=True).argv() == ["--key", "k.pub", "--allow-http-registry"]
    assert Policy(key="k.pub", tlog=False, sct=False).argv() == ["--key", "k.pub", "--insecure-ignore-tlog"]


def test_a_policy_by_identity() -> None:
    assert Policy(identity="https://ci/x", issuer="https://ci").argv() == [
        *("--certificate-identity", "https://ci/x"),
        *("--certificate-oidc-issuer", "https://ci"),
    ]


def test_an_expression_has_to_match_the_whole_identity() -> None:
    argv = Policy(identity_regexp="https://ci/a|https://ci/b", issuer_regexp="https://ci").argv()
    assert argv == [
        *("--certificate-identity-regexp", "^(?:https://ci/a|https://ci/b)$"),
        *("--certificate-oidc-issuer-regexp", "^(?:https://ci)$"),
    ]


def test_a_certificate_without_a_log_needs_a_timestamp() -> None:
    argv = Policy(identity="i", issuer="s", tlog=False, sct=False).argv()
    assert argv[-3:] == ["--insecure-ignore-sct", "--insecure-ignore-tlog", "--use-signed-timestamps"]


def test_annotations_survive_being_read_as_csv() -> None:
    flags = list(annotation_flags([("commit", "abc"), ("title", 'Fix "a", b')]))
    assert flags == ["--annotations", "commit=abc", "--annotations", '"title=Fix ""a"", b"']


@pytest.fixture
def cosign(tmp_path: Path) -> Iterator[Tool]:
    """A cosign that answers as `answer` says, to test verdicts on what the real one was seen to say.

    What `answer` names "then.json" is its second answer.
    """
    script = tmp_path / "cosign"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys\n"
        "file = pathlib.Path(sys.argv[0]).with_name('answer.json')\n"
        "answer, then = json.loads(file.read_text()), file.with_name('then.json')\n"
        "then.replace(file) if then.exists() else None\n"
        "print(answer['stdout']); print(answer['stderr'], file=sys.stderr); sys.exit(answer['code'])\n"
    )
    script.chmod(0o755)
    with SecretFiles() as files, Signals() as signals:
        yield Tool(str(script), {"PATH": os.defpath}, ProcessRunner(Masker(), files, signals, tmp_path))


def answer(cosign: Tool, code: int, stdout: object = "", stderr: str = "", name: str = "answer.json") -> None:
    content = {"code": code, "stdout": json.dumps(stdout), "stderr": stderr}
    Path(cosign.path).with_name(name).write_text(json.dumps(content))


def signature(kind: str) -> list[dict[str, object]]:
    return [{"critical": {"type": kind}, "optional": {}}]


@pytest.mark.parametrize("kind", ["https://sigstore.dev/cosign/sign/v1", "cosign container image signature"])
def test_a_signature_verifies(cosign: Tool, kind: str) -> None:
    answer(cosign, 0, signature(kind))
    verify(cosign, Policy(key="k"), SUBJECT)


def test_an_attestation_is_no_signature(cosign: Tool) -> None:
    answer(cosign, 0, signature("https://cosign.sigstore.dev/attestation/v1"))
    with pytest.raises(Findings, match="no signature"):
        verify(cosign, Policy(key="k"), SUBJECT)


@pytest.mark.parametrize(
    ("code", "stderr"),
    [
        (10, "Error: no signatures found"),
        (12, "Error: no matching signatures: invalid signature"),
        (1, "Error: no matching attestations: failed to verify signature"),
        (1, "Error: none of the attestations matched the predicate type: spdxjson"),
    ],
)
def test_a_refusal_is_a_finding(cosign: Tool, code: int, stderr: str) -> None:
    answer(cosign, code, stderr=stderr)
    with pytest.raises(Findings, match="not verified"):
        verify(cosign, Policy(key="k"), SUBJECT)
    with pytest.raises(Findings, match="not verified"):
        verify_attestation(cosign, Policy(key="k"), SUBJECT, "spdxjson")


UNREAD = (
    "Error: no matching signatures: GET http://r/v2/a/blobs/sha256:1: unexpected status code 401 Unauthorized"
)


@pytest.mark.parametrize(
    "stderr", ["Error: no signatures found", "Error: no matching attestations: ", UNREAD]
)
def test_nothing_found_is_looked_for_again_since_it_may_not_have_been_read(cosign: Tool, stderr: str) -> None:
    answer(cosign, 10, stderr=stderr)
    answer(cosign, 0, signature("https://sigstore.dev/cosign/sign/v1"), name="then.json")
    verify(cosign, Policy(key="k"), SUBJECT)


@pytest.mark.parametrize(
    "stderr",
    [
        "Error: getting trusted root from TUF: no such host",
        "Error: UNAUTHORIZED: authentication required",
        UNREAD,
        'Error: no matching signatures: Get "http://r/v2/a/blobs/sha256:1": EOF',
        "Error: no matching signatures: error verifying sha256 checksum after reading 9 bytes",
    ],
)
def test_not_having_been_able_to_look_is_a_failure(cosign: Tool, stderr: str) -> None:
    answer(cosign, 1, stderr=stderr)
    with pytest.raises(ToolError, match="could not verify"):
        verify(cosign, Policy(key="k"), SUBJECT)


def test_a_registry_that_never_answers_is_named(tmp_path: Path) -> None:
    cosign = tmp_path / "cosign"
    cosign.write_text("#!/bin/sh\nexec sleep 30\n")
    cosign.chmod(0o755)
    with SecretFiles() as files, Signals() as signals:
        tool = Tool(str(cosign), {"PATH": os.defpath}, ProcessRunner(Masker(), files, signals, tmp_path))
        named = pytest.raises(TimedOut, match=r"verifying ghcr\.io/org/app")
        with named, signals.cancelling(), signals.limited(0.3):
            verify(tool, Policy(key="k"), SUBJECT)


def test_an_answer_that_is_not_understood_verifies_nothing(cosign: Tool) -> None:
    answer(cosign, 0, {"verified": True})
    with pytest.raises(ToolError, match="JSON of an unknown form"):
        verify(cosign, Policy(key="k"), SUBJECT)
