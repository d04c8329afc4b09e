"""What is checked before anything starts, once, from a pipeline that was read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli import local_run
from gocdnext_sdk.host.cli.run import command
from gocdnext_sdk.host.harness import NewRegistry, NewSigstore, RunOptions
from gocdnext_sdk.host.harness.engine import docker as docker_engine
from gocdnext_sdk.host.harness.prepare import prepare
from gocdnext_sdk.host.pipeline import PipelineError, parse_text

PUSH = """
stages: [a]
jobs:
  push:
    stage: a
    uses: one/push@v1
    secrets: [REGISTRY_USERNAME, REGISTRY_PASSWORD]
    id_tokens: {TOKEN: {aud: sigstore}}
    with:
      image: ${{ REGISTRY }}/team/app
      issuer: ${{ SIGSTORE_ISSUER }}
      root: ${{ SIGSTORE_TRUSTED_ROOT }}
      config: ${{ SIGSTORE_SIGNING_CONFIG }}
      login: ${{ REGISTRY_USERNAME }}:${{ REGISTRY_PASSWORD }}
"""


def test_what_will_be_started_is_known_by_its_names(project: Path) -> None:
    options = RunOptions(registry=NewRegistry(5000), sigstore=NewSigstore())
    prepared = prepare(parse_text(PUSH), options, project)
    assert prepared.options is options
    assert prepared.sources.secrets == {}
    assert "REGISTRY" not in prepared.graph.pipeline.variables  # what it stands for is known once it runs


def test_without_them_every_name_is_missing(project: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        prepare(parse_text(PUSH), RunOptions(), project)
    told = "\n".join(caught.value.lines())
    assert "REGISTRY_USERNAME" in told
    assert "--sigstore" in told


def test_the_command_reads_the_file_and_checks_it_once(
    project: Path, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    for name in ("parse_file", "prepare"):
        real = getattr(local_run, name)
        monkeypatch.setattr(local_run, name, lambda *args, n=name, r=real: (seen.append(n), r(*args))[1])
    monkeypatch.setattr(docker_engine, "DockerEngine", lambda: engine)
    (project / ".gocdnext" / "test.yaml").write_text("stages: [a]\njobs: {x: {stage: a, uses: one/x@v1}}\n")
    argv = [str(project / ".gocdnext" / "test.yaml")]
    result = CliRunner().invoke(command, argv, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert seen == ["parse_file", "prepare"]
