"""What stays after a run: its record, and the forms that are made of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import JobReport, LogLine, RunOptions, RunReport, Session, Status, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.harness.report import html, junit, markdown, record
from gocdnext_sdk.host.harness.report.interface import Notice
from gocdnext_sdk.host.harness.report.json import SCHEMA, as_dict, from_dict
from gocdnext_sdk.host.harness.report.outcome import result, steps

HOSTILE = (
    "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\x07]]>&amp;`|\u2028@you"
)

PIPELINE = """
stages: [build, scan, sign]
jobs:
  build:
    stage: build
    uses: one/build@v1
    secrets: [TOKEN]
    with: {image: "localhost:5000/app", token: "${{ TOKEN }}"}
    outputs: {digest: DIGEST}
  scan:
    stage: scan
    uses: one/scan@v1
    with: {target: "app@${{ needs.build.outputs.digest }}"}
    needs: [build]
  sign: {stage: sign, uses: one/sign@v1}
"""


def build(box: MemoryContainer) -> None:
    box.print(f"preparing with {box.env['PLUGIN_TOKEN']}\n==> building localhost:5000/app\n")
    box.print("layer 1\nlayer 2\n")
    box.print("a warning\n", "stderr")
    box.print("==> pushed localhost:5000/app with the tags v1, latest\n")
    box.set_outputs("DIGEST=sha256:1234567890\n")


def scan(box: MemoryContainer) -> int:
    box.print(f"==> scanning\n{HOSTILE}\n")
    box.print("error: findings: 1 HIGH, 1 MEDIUM in app\n", "stderr")
    return 1


@pytest.fixture
def recorder(engine: MemoryEngine, project: Path, tmp_path: Path) -> record.Recorder:
    engine.behaviours |= {"one/build:v1": build, "one/scan:v1": scan}
    file = project / ".gocdnext" / "release.yaml"
    file.write_text(PIPELINE)
    recorder = record.Recorder(tmp_path / "runs")
    options = RunOptions(secrets={"TOKEN": "hunter2-hunter2"})
    with Session(engine) as session:
        run_pipeline(file, options, session=session, listener=recorder)
    recorder.close()
    return recorder


@pytest.fixture
def report(recorder: record.Recorder) -> RunReport:
    return record.load(recorder.folder.parent, "")


def test_a_job_says_its_result_itself(report: RunReport) -> None:
    assert report["scan"].reason == "findings: 1 HIGH, 1 MEDIUM in app"
    assert report["build"].result == "pushed localhost:5000/app with the tags v1, latest"
    assert [step.title for step in report["build"].steps] == [
        "building localhost:5000/app",
        "pushed localhost:5000/app with the tags v1, latest",
    ]


def test_a_record_has_everything_and_no_secret(recorder: record.Recorder, report: RunReport) -> None:
    live = recorder.report
    assert live is not None
    assert as_dict(live) == as_dict(report)
    assert [len(job.log) for job in live.jobs] == [len(job.log) for job in report.jobs]
    assert report["build"].inputs == {"image": "localhost:5000/app", "token": "***"}
    assert report["scan"].inputs["target"] == "app@***"
    assert report["scan"].began >= report["build"].began + report["build"].seconds - 0.01
    files = [path for path in recorder.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"run.json", "00-build.log", "01-scan.log"}
    assert all("hunter2" not in path.read_text() for path in files)
    assert recorder.folder.stat().st_mode & 0o077 == 0


def test_the_json_is_what_its_schema_says(report: RunReport) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(as_dict(report), schema)
    documented = schema["$defs"]["job"]["properties"]
    assert set(documented) == set(as_dict(report)["jobs"][0])
    assert set(schema["properties"]) == set(as_dict(report))
    assert as_dict(from_dict(as_dict(report))) == as_dict(report)


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_strangers_words_as_words(report: RunReport) -> None:
    page = html.render(report)
    found = Elements()
    found.feed(page)
    assert found.open == []
    assert "script" not in found.names
    assert not {"img", "link", "iframe", "object"} & set(found.names)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert [value for name, value in found.attributes if name in {"src", "href"}] == [
        f"#job-{at}" for at in range(3)
    ]
    assert "<script>alert(1)</script>" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)
    assert "http" not in page.replace("http-equiv", "")


def test_the_page_tells_of_every_job(report: RunReport) -> None:
    page = html.render(report)
    for text in (
        "1 HIGH, 1 MEDIUM",
        "with the tags v1, latest",
        "layer 2",
        "token",
        "***",
        "stage scan failed",
    ):
        assert text in page
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page


def hostile() -> RunReport:
    job = JobReport(
        name=HOSTILE,
        stage=HOSTILE,
        status=Status.FAILED,
        image=HOSTILE,
        reason=HOSTILE,
        inputs={HOSTILE: HOSTILE},
        outputs={HOSTILE: HOSTILE},
        written=(HOSTILE,),
        log=(
            LogLine("stdout", HOSTILE),
            LogLine("stderr", f"==> {HOSTILE}"),
            LogLine("stdout", "\ud800 ```"),
        ),
        steps=steps((LogLine("stdout", HOSTILE), LogLine("stderr", f"==> {HOSTILE}"))),
    )
    return RunReport(
        HOSTILE, (job,), 1.0, branch=HOSTILE, commit=HOSTILE, notices=(Notice(HOSTILE, HOSTILE),)
    )


def test_no_form_is_broken_by_what_it_holds(tmp_path: Path) -> None:
    report = hostile()
    found = Elements()
    found.feed(html.render(report))
    assert not {"script", "img"} & set(found.names)
    root = ET.fromstring(junit.render(report).encode())
    assert root.find(".//failure") is not None
    text = markdown.render(report)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {6}
    assert "<script" not in "\n".join(table)
    assert "@you" not in "\n".join(table)
    assert "````text" in text
    record.write_logs(report, tmp_path / "logs")
    (log,) = (tmp_path / "logs").iterdir()
    assert log.name.startswith("00-")
    assert "\x1b" not in log.read_text()


def test_junit_counts_what_it_lists(report: RunReport) -> None:
    root = ET.fromstring(junit.render(report).encode())
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == (
        "3",
        "1",
        "0",
        "1",
    )
    assert [case.get("name") for case in root.iter("testcase")] == ["build", "scan", "sign"]
    (failure,) = root.iter("failure")
    assert "1 HIGH" in (failure.get("message") or "")


def lines(*texts: str) -> list[LogLine]:
    return [LogLine("stdout", text) for text in texts]


def test_a_result_is_one_line() -> None:
    assert result(lines("a", "==> pushed", "b"), passed=True) == "pushed"
    assert result(lines("a"), passed=True) == ""
    assert (
        result(lines("error: with.a: bad", "error: with.b: bad"), passed=False) == "with.a: bad (and 1 more)"
    )
    assert result(lines("cat: x: No such file", ""), passed=False) == "cat: x: No such file"
    assert result((), passed=False) == ""
    assert len(result(lines("x" * 1000), passed=False)) == 300


def test_old_runs_go_and_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    for number in range(record.KEPT + 3):
        (tmp_path / f"2020-{number:04}").mkdir()
    recorder = record.Recorder(tmp_path)
    assert len(list(tmp_path.iterdir())) == record.KEPT
    assert not (tmp_path / "2020-0000").exists()
    recorder.close()
    assert not recorder.folder.exists()


def command(state: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gocdnext_sdk.host.cli", *argv],
        env={**os.environ, "XDG_STATE_HOME": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_finds_runs_and_writes_every_form(recorder: record.Recorder, tmp_path: Path) -> None:
    runs = tmp_path / "state" / "gocdnext-plugin" / "runs"
    runs.parent.mkdir(parents=True)
    recorder.folder.parent.rename(runs)
    listed = command(tmp_path / "state", "report", "--list")
    assert listed.stdout.split()[:2] == [recorder.id, "failed"]
    shown = command(tmp_path / "state", "report", recorder.id[:15])
    assert "1 HIGH, 1 MEDIUM" in shown.stdout
    forms = {name: tmp_path / name for name in ("html", "json", "junit", "markdown", "log-dir")}
    done = command(
        tmp_path / "state", "report", *(part for name, to in forms.items() for part in (f"--{name}", str(to)))
    )
    assert done.returncode == 0, done.stderr
    assert all(path.exists() for path in forms.values())
    assert command(tmp_path / "state", "report", "nosuch").returncode == 2
    assert command(tmp_path / "empty", "report").returncode == 2
    assert json.loads(command(tmp_path, "report", "--schema").stdout)["title"]


def test_a_record_of_another_version_is_one_line(recorder: record.Recorder) -> None:
    file = recorder.folder / "run.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(UsageError, match="another version"):
        record.load(recorder.folder.parent, "")
