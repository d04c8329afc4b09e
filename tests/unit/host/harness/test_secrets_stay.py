"""Whatever copies the checkout leaves the secrets file out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli.commands import group
from gocdnext_sdk.host.harness.engine import docker as docker_engine

PLUGIN = Path(__file__).parents[4] / "plugins" / "trivy"
PIPELINE = "stages: [a]\njobs:\n  x: {stage: a, uses: one/x@v1, secrets: [TOKEN]}\n"


@pytest.mark.parametrize(
    "command",
    [
        ["run", ".gocdnext/test.yaml"],
        ["exec", str(PLUGIN), "--use-image", "one/x:v1", "--with", "scan-type=fs"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("named", ["secrets.env", "link.env"])
def test_no_container_gets_the_secrets_file(
    command: list[str], named: str, engine: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".gocdnext" / "test.yaml").write_text(PIPELINE)
    (project / "secrets.env").write_text("TOKEN=canary-9dK2\n")
    (project / "link.env").symlink_to("secrets.env")
    monkeypatch.setattr(docker_engine, "DockerEngine", lambda: engine)
    monkeypatch.chdir(project)
    files: dict[str, bytes] = {}
    engine.behaviours["one/x:v1"] = lambda box: files.update(box.files)
    result = CliRunner().invoke(group, [*command, "--secrets-file", named], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "source.txt" in files
    assert not any(b"canary" in content for content in files.values())
