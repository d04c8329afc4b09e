"""What the page about plans says of reports in the workspace is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli.commands import group
from gocdnext_sdk.host.planning.plan_pipeline import JobPlan
from gocdnext_sdk.host.planning.text import lines
from gocdnext_sdk.host.testing.fixtures import FakeTools

ROOT = Path(__file__).parents[3]
FIRST, _, TEXT = (ROOT / "docs" / "plan.md").read_text().partition("## A report in the workspace")
BY_TOOL, BY_PLUGIN = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```text\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]


def test_the_plan_on_the_page_is_that_of_the_published_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # which is no Git checkout, hence the <commit>
    pipeline = tmp_path / ".gocdnext" / "release.yaml"
    pipeline.parent.mkdir()
    pipeline.write_text((ROOT / "examples" / "recipe" / "release.yaml").read_text())
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    result = CliRunner().invoke(group, ["plan", ".gocdnext/release.yaml"])
    assert result.exit_code == 0, result.output
    (shown,) = re.findall(r"^```text\n(.*?)^```$", FIRST, re.MULTILINE | re.DOTALL)
    assert shown in result.output


def test_what_a_tool_writes_lets_the_plan_go_on(example: Any) -> None:
    found = example.plan(BY_TOOL)
    assert not found.ends
    assert found.steps[0].words == ("linter", "--output", "report.json", "ghcr.io/org/app:v1")


def test_what_the_plugin_writes_is_shown_and_the_plan_goes_on(example: Any) -> None:
    found = example.plan(BY_PLUGIN)
    shown = [line for line in lines(JobPlan(name="x", stage="x", run=found)) if "only a run" not in line]
    wanted = SHOWN.splitlines()
    assert not found.ends
    assert [line for line in shown if line in wanted] == wanted
    assert not list(example.workspace.iterdir())


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        ("(job.workspace / 'report.json').write_text('{}')", "run() writes report.json"),
        ("(job.workspace / 'reports').mkdir(exist_ok=True)", "run() writes reports"),
        ("(job.workspace / 'report.json').read_text()", "which only a run writes"),
        ("(job.scratch() / 'report.json').write_text('{}')", ""),
    ],
)
def test_what_else_ends_a_plan(lines: str, ends: str, example: Any) -> None:
    found = example.plan(lines + "\n").ends
    assert found.endswith(ends) if ends else not found


@pytest.mark.parametrize("text", [BY_TOOL, BY_PLUGIN], ids=["tool", "plugin"])
@pytest.mark.parametrize("code", [0, 1])
def test_both_report_and_judge(text: str, code: int, example: Any, fake_tools: FakeTools) -> None:
    report = '{"found": ["x"]}' if code else '{"found": []}'
    to_file = "> report.json" if text == BY_TOOL else ""
    fake_tools.add("linter", script=f"echo '{report}' {to_file}; exit {code}")
    result = example.run(text).exited(code)
    assert "report.json" in result.changed
