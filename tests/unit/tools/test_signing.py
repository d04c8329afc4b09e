"""Cosign as it signs: what is opened when, and what a wrong password ends. The real one is in tests/e2e."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk import Completed, Job, Secret
from gocdnext_sdk.errors import InputMismatch, ToolError
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.tools import signing
from gocdnext_sdk.tools.signing import SigningTool

PRIVATE = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJ\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"
PUBLIC = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"

MEET = f"""
[ $1 = sign ] && other=public-key || other=sign
touch $1
for i in $(seq 200); do [ -e $other ] && echo "{PUBLIC}" && exit; sleep 0.01; done
exit 7
"""
"""Each waits for the other, so that one after the other they would fail."""


class Bench:
    """A job, and a cosign that a test makes."""

    def __init__(self, folder: Path, files: SecretFiles) -> None:
        self.workspace, self._bin = folder / "workspace", folder / "bin"
        self.workspace.mkdir()
        self._bin.mkdir()
        environ = {"PATH": f"{self._bin}:{os.environ['PATH']}"}
        self.job = Job(environ, self.workspace, Masker(), files, Signals(), OutputFile(environ))

    def cosign(self, script: str, content: str = PRIVATE) -> SigningTool:
        path = self._bin / "cosign"
        path.write_text(f"#!/bin/sh\necho $1 >> {self.workspace}/calls\n{script}\n")
        path.chmod(0o755)
        return SigningTool.ready(self.job, {}, Credentials(), content=Secret(content))

    @property
    def calls(self) -> list[str]:
        return (self.workspace / "calls").read_text().split()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(signing, "OPENING_BYTES", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    with SecretFiles() as files:
        yield Bench(tmp_path, files)


def test_the_public_key_is_asked_for_beside_the_first_signature_and_once(bench: Bench) -> None:
    cosign = bench.cosign(MEET)
    cosign.sign("sign", "an image")
    cosign.sign("sign", "another")
    found = cosign.public_key()
    assert found is not None
    assert found.pem == f"{PUBLIC}\n"
    assert Path(found.path).read_text() == found.pem
    assert sorted(bench.calls) == ["public-key", "sign", "sign"]


def test_where_there_is_no_room_for_both_one_comes_after_the_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    cosign = bench.cosign(f'echo "{PUBLIC}"')
    cosign.sign("sign", "an image")
    assert cosign.public_key() is not None
    assert bench.calls == ["sign", "public-key"]


def test_a_password_that_does_not_open_the_key_is_the_reason_of_the_failure(bench: Bench) -> None:
    cosign = bench.cosign("echo 'Error: decrypt: encrypted: decryption failed' >&2; exit 1")
    with pytest.raises(InputMismatch) as caught:
        cosign.sign("sign", "an image")
    assert caught.value.key == "key-password"
    assert sorted(bench.calls) == ["public-key", "sign"]


def test_a_failure_of_another_kind_is_cosigns_own(bench: Bench) -> None:
    cosign = bench.cosign(
        f'[ $1 = public-key ] && echo "{PUBLIC}" || {{ echo "Error: denied" >&2; exit 1; }}'
    )
    with pytest.raises(ToolError, match="cosign failed"):
        cosign.sign("sign", "an image")


def test_a_public_key_that_was_lost_is_asked_for_again(bench: Bench) -> None:
    killed = f'[ $1 = sign ] || [ -e killed ] || {{ touch killed; kill -9 $$; }}; echo "{PUBLIC}"'
    cosign = bench.cosign(killed)
    assert isinstance(cosign.attempt("sign", "an image"), Completed)
    assert cosign.public_key() is not None
    assert sorted(bench.calls) == ["public-key", "public-key", "sign"]


def test_with_a_public_key_nothing_is_asked(bench: Bench) -> None:
    found = bench.cosign("exit 1", PUBLIC).public_key()
    assert found is not None
    assert found.pem == PUBLIC
