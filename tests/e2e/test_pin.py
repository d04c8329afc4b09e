"""`gocdnext-plugin pin` against a real registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers import olareg

PIPELINE = """
stages: [a]
jobs:
  scan: {stage: a, uses: "PLUGIN@v1", with: {target: "."}}
"""


def test_a_tag_gets_its_digest_and_a_check_sees_that_it_has_moved(tmp_path: Path) -> None:
    file = tmp_path / "release.yaml"

    def pin(*argv: str) -> int:
        command = [sys.executable, "-m", "gocdnext_sdk.host.cli", "pin", *argv, str(file)]
        return subprocess.run(command, check=False).returncode

    def push(content: str) -> str:
        (tmp_path / "layer.tar").write_text(content)
        subprocess.run(["crane", "append", "-f", tmp_path / "layer.tar", "-t", f"{plugin}:v1"], check=True)
        return subprocess.run(
            ["crane", "digest", f"{plugin}:v1"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()

    with olareg() as address:
        plugin = f"{address}/org/plugin"
        file.write_text(PIPELINE.replace("PLUGIN", plugin))
        digest = push("one")
        assert pin("--check") == 1
        assert pin() == 0
        assert f"{plugin}:v1@{digest}" in file.read_text()
        assert pin("--check") == 0
        moved = push("two")
        assert moved != digest
        assert pin("--check") == 1
        assert pin() == 0
        assert f"{plugin}:v1@{moved}" in file.read_text()
