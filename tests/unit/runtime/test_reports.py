"""Files and tables that a job leaves for people."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.planning import Placeholders, Step, plan_run
from gocdnext_sdk.host.testing import PluginRunner

SOURCE = '''
from gocdnext_sdk import *

class Inputs(PluginInputs):
    path: str = Input("reports/deep/out.json", description="Where.")
    group: str | None = Input(None, description="A title.")
    text: str = Input("", description="What to write.")
    token: Secret | None = Input(None, description="A token.")

class Reporter(Plugin[Inputs]):
    """Reports."""

    name = "gocdnext-plugin-reporter"
    inputs = Inputs
    outputs = {"A": "a"}

    def run(self, inputs, job):
        if inputs.group:
            with job.group(inputs.group):
                print("inside\\n::set-output name=a::b")
            print("after")
            return {}
        if inputs.text:
            job.report("report.json", inputs.text)
            job.write("signed.json", inputs.text.encode())
            return {}
        token = inputs.token.reveal() if inputs.token else ""
        job.report(inputs.path, f"found {token or 'nothing'}")
        job.summary(["rule", "lines"], [["a|b", 1], ["<script>", "x\\ny"], [token, 3]])
        return {"A": "1"}

if __name__ == "__main__":
    Reporter.main()
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "reporter"
    folder.mkdir()
    (folder / "plugin.py").write_text(SOURCE)
    return folder


def test_directories_are_made_and_secrets_are_not_written(
    plugin: Path, run_plugin: PluginRunner, workspace: Path
) -> None:
    result = run_plugin(plugin, {"token": "t0k3n-t0k3n"}).passed()
    assert result.changed == {"reports/deep/out.json"}
    assert (workspace / "reports/deep/out.json").read_text() == "found ***"


class TestAWordOfAReportThatIsASecretToo:
    """`postgres` is a package, and the password of a database that a test starts."""

    WORD, TEXT = "postgres", '{"name": "postgres", "purl": "pkg:deb/postgres@1"}'

    @pytest.fixture
    def log(self, plugin: Path, run_plugin: PluginRunner) -> str:
        return run_plugin(plugin, {"text": self.TEXT}, env={"DB_PASSWORD": self.WORD}, mode="function").log

    def test_is_masked_and_that_is_told(self, log: str, workspace: Path) -> None:
        assert (workspace / "report.json").read_text() == self.TEXT.replace(self.WORD, "***")
        assert "warning: report.json: 2 times" in log

    def test_stays_in_a_signed_file_and_that_is_told(self, log: str, workspace: Path) -> None:
        assert (workspace / "signed.json").read_text() == self.TEXT
        assert "warning: signed.json holds what is secret in this job, 2 times" in log
        assert self.WORD not in log

    def test_a_document_that_is_secret_breaks_no_report(
        self, plugin: Path, run_plugin: PluginRunner, workspace: Path
    ) -> None:
        report = json.dumps({"version": 1, "found": []}, indent=2)
        secret = json.dumps({"version": 1, "token": "hunter2-hunter2"}, indent=2)
        result = run_plugin(plugin, {"text": report, "token": secret}, mode="function").passed()
        assert json.loads((workspace / "report.json").read_text()) == json.loads(report)
        assert "warning" not in result.log


def test_a_file_that_is_there_is_replaced(plugin: Path, run_plugin: PluginRunner, workspace: Path) -> None:
    (workspace / "out.txt").write_text("a longer text than the new one")
    run_plugin(plugin, {"path": "out.txt"}).passed()
    assert (workspace / "out.txt").read_text() == "found nothing"


@pytest.mark.parametrize("path", ["../out.txt", "/etc/out.txt", "link/out.txt", "pipe", "folder"])
def test_nothing_is_written_elsewhere(
    plugin: Path, run_plugin: PluginRunner, workspace: Path, tmp_path: Path, path: str
) -> None:
    (tmp_path / "outside").mkdir()
    (workspace / "link").symlink_to(tmp_path / "outside")
    (workspace / "folder").mkdir()
    os.mkfifo(workspace / "pipe")
    result = run_plugin(plugin, {"path": path}).exited(3)
    assert len(result.errors) == 1
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_plan_shows_the_file_and_goes_on(plugin: Path, workspace: Path) -> None:
    planned = plan_run(load_plugin(plugin), {}, workspace, Placeholders())
    assert planned.steps == (Step("write", ("reports/deep/out.json",)),)
    assert (planned.ends, planned.outputs) == ("", {"A": "1"})
    assert list(workspace.iterdir()) == []


def test_a_table_is_in_the_log_where_there_is_no_summary(plugin: Path, run_plugin: PluginRunner) -> None:
    lines = run_plugin(plugin).passed().log.splitlines()
    assert lines == ["rule      lines", "a|b       1", "<script>  x y", "          3"]


def test_a_table_is_in_githubs_summary_as_it_is(
    plugin: Path, run_plugin: PluginRunner, workspace: Path, tmp_path: Path
) -> None:
    (workspace / "checked-out").touch()
    summary = tmp_path / "summary.md"
    env = {"GITHUB_STEP_SUMMARY": str(summary)}
    result = run_plugin(plugin, {"token": "t0k3n-t0k3n"}, env=env, as_="github").passed()
    assert "script" not in result.log
    table, outputs = summary.read_text().strip().split("\n\n")
    assert table.splitlines() == [
        "| rule | lines |",
        "| --- | --- |",
        "| <code>a&#124;b</code> | <code>1</code> |",
        "| <code>&lt;script&gt;</code> | <code>x<br>y</code> |",
        "| <code>***</code> | <code>3</code> |",
    ]
    assert "| A | <code>1</code> |" in outputs


@pytest.mark.parametrize(
    ("system", "begin", "end"),
    [
        ("docker", r"==> Scan 50%", ""),
        ("woodpecker", r"==> Scan 50%", ""),
        ("github", r"::group::Scan 50%25", "::endgroup::"),
        (
            "gitlab",
            r"section_start:\d{10}:gocdnext_1\[collapsed=true\]\r\x1b\[0KScan 50%",
            r"section_end:\d{10}:gocdnext_1\r\x1b\[0K",
        ),
    ],
)
def test_a_log_is_folded_where_it_can_be(
    plugin: Path, run_plugin: PluginRunner, workspace: Path, system: str, begin: str, end: str
) -> None:
    (workspace / "checked-out").touch()
    log = run_plugin(plugin, {"group": "Scan 50%"}, as_=system).passed().log
    inside = "::set-output name=a::b" if system == "docker" else ": :set-output name=a::b"
    lines = [begin, "inside", re.escape(inside), *([end] if end else []), "after"]
    assert re.fullmatch("".join(f"{line}\n" for line in lines), log), repr(log)


def test_a_title_gives_no_other_command_and_shows_no_secret(
    plugin: Path, run_plugin: PluginRunner, workspace: Path
) -> None:
    (workspace / "checked-out").touch()
    with_ = {"group": "t0k3n-t0k3n\n::set-output name=a::b", "token": "t0k3n-t0k3n"}
    first = run_plugin(plugin, with_, as_="github").passed().log.splitlines()[0]
    assert first == "::group::***%0A::set-output name=a::b"
