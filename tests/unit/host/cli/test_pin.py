"""`gocdnext-plugin pin`: what it leaves as it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli.pin import command
from gocdnext_sdk.oci.client import RegistryClient


def test_the_ends_of_the_lines_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "sha256:" + "0" * 64
    monkeypatch.setattr(RegistryClient, "resolve", lambda *_: SimpleNamespace(digest=digest))
    file = tmp_path / "ci.yaml"
    text = "stages: [s]\r\njobs:\r\n  a: {stage: s, uses: ghcr.io/o/p:v1}\r\n"
    file.write_bytes(text.encode())
    assert CliRunner().invoke(command, [str(file)]).exit_code == 0
    assert file.read_bytes().decode() == text.replace("p:v1", f"p:v1@{digest}")
