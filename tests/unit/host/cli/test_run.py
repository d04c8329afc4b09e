"""`gocdnext-plugin run` on the command line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli import local_run
from gocdnext_sdk.host.cli.run import command


@pytest.mark.parametrize(
    ("place", "why"), [("lost/report", "there is no directory lost"), (".", "it is a directory")]
)
@pytest.mark.parametrize("form", ["json", "html", "junit", "markdown"])
def test_a_report_without_a_place_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, place: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_run, "run_prepared", lambda *_, **__: pytest.fail("it ran"))
    monkeypatch.setattr(local_run, "local_engine", lambda: pytest.fail("it asked for the engine"))
    Path("ci.yaml").write_text("stages: [s]\njobs:\n  a: {stage: s, image: i, script: [x]}\n")
    result = CliRunner().invoke(command, ["ci.yaml", f"--{form}", place])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"{place}: cannot be written: {why}"
