"""What a job gives a plugin, beyond what its tools, outputs and secrets have tests of their own for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk import Secret, ToolError
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.runtime import orphans
from gocdnext_sdk.runtime.daemon import DockerDaemon
from gocdnext_sdk.runtime.job import Job, digest_left_by_tool
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals


@pytest.mark.parametrize("content", [None, "", "latest", f"sha256:{'0' * 63}"])
def test_a_tool_that_left_no_digest_is_told_of(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "digest"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ToolError, match=r"app:1$"):
        digest_left_by_tool("app:1", file.read_text)


def test_the_digest_that_a_tool_left() -> None:
    assert digest_left_by_tool("app:1", lambda: f"sha256:{'0' * 64}") == f"sha256:{'0' * 64}"


def test_further_authorities_are_trusted_beside_those_of_the_job(tmp_path: Path) -> None:
    public = tmp_path / "public.pem"
    public.write_text("the public ones\n")
    masker, files = Masker(), SecretFiles()
    job = Job({"SSL_CERT_FILE": str(public)}, tmp_path, masker, files, Signals(), OutputFile({}))
    with files:
        job.trust(None)
        assert job.environ["SSL_CERT_FILE"] == str(public)
        job.trust("our own\n")
        assert job.roots is not None
        assert job.roots.read_text().split("\n") == ["the public ones", "", "our own", ""]
        assert job.tool("true").environ["SSL_CERT_FILE"] == str(job.roots)
    assert not job.roots.exists()


def test_it_says_what_a_killed_job_had_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(DockerDaemon, "ping", lambda daemon: None)
    monkeypatch.setattr(orphans, "remove_orphans", lambda daemon: ["one", "two"])
    Job({}, tmp_path, Masker(), SecretFiles(), Signals(), OutputFile({})).daemon()
    assert capsys.readouterr().out.splitlines() == [
        f"==> removed the BuildKit {each}, which a killed job had left" for each in ("one", "two")
    ]


def test_who_asks_again_with_the_same_logins_gets_the_same_client(tmp_path: Path) -> None:
    """So that a job logs in once at each registry, however many of its parts ask there."""

    def credentials(password: str) -> Credentials:
        return Credentials([Credential(Registry.parse("ghcr.io"), "bot", Secret(password))])

    job = Job({}, tmp_path, Masker(), SecretFiles(), Signals(), OutputFile({}))
    plain = [Registry.parse("registry.test:5000")]
    client = job.registry(credentials("s3cret-of-bot"), plain)
    assert job.registry(credentials("s3cret-of-bot"), list(plain)) is client
    others = [
        job.registry(credentials("another-password"), plain),
        job.registry(credentials("s3cret-of-bot")),
        job.registry(credentials("s3cret-of-bot"), plain, for_tool="cosign"),
    ]
    assert client not in others
