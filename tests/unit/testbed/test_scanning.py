"""The scan of what is released: which jobs it makes of the release's own gate, and what it calls wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import debian, rehearsal, scanning
from testbed.pins import Pin
from testbed.scanning import Found, pipeline, version, wrong

from gocdnext_sdk.host.harness import RunReport
from gocdnext_sdk.host.harness.report.interface import JobReport, Status

GATE = yaml.safe_load(rehearsal.PIPELINE.read_text())["jobs"][".scan"]
IMAGE = {"scan-type": "image", "target": "localhost:1/base:scan"}
LOCKS = {"scan-type": "fs", "target": "locks"}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "stand_ins", lambda: [Pin("kaniko", path="/kaniko/executor")])
    monkeypatch.setattr(debian, "outdated", lambda installed: {"libc6": "9"} if "libc6" in installed else {})


def test_the_gate_is_the_releases_own() -> None:
    jobs = pipeline("localhost:1/db:2", {"base": IMAGE}, {})["jobs"]
    assert jobs["gate-base"]["with"] == {**GATE["with"], **IMAGE, "skip-files": "/kaniko/executor"}
    assert {**jobs["gate-base"], "with": None} == {**GATE, "with": None}


def test_everything_is_seen_beside_it_with_nothing_accepted() -> None:
    inputs = pipeline("localhost:1/db:2", {"base": IMAGE}, {})["jobs"]["all-base"]["with"]
    assert inputs["exit-code"] == "0"
    assert not {"ignorefile", "skip-files"} & inputs.keys()
    assert inputs["severity"] == GATE["with"]["severity"]


def test_for_files_the_login_is_the_databases() -> None:
    jobs = pipeline("localhost:1/db:2", {"locks": LOCKS}, {"lock": LOCKS})["jobs"]
    for name in ("gate-locks", "all-locks", "control-lock"):
        assert jobs[name]["with"]["db-username"] == GATE["with"]["username"]
        assert "username" not in jobs[name]["with"]
    assert "ignorefile" not in jobs["control-lock"]["with"]


def report(**status: Status) -> RunReport:
    jobs = (
        JobReport(name=name.replace("_", "-"), stage="scan", status=each) for name, each in status.items()
    )
    return RunReport("scan", tuple(jobs), 1.0)


SEEN = Found(Counter(gobinary=3), (), {"zlib1g": "1"})


def told(found: Found = SEEN, **status: Status) -> list[str]:
    passed = {"gate_base": Status.PASSED, "control_lock": Status.FAILED}
    return list(wrong(report(**(passed | status)), ["base"], ["lock"], {"base": found}))


def test_nothing_is_wrong_where_all_pass_and_the_controls_do_not() -> None:
    assert told() == []


def test_each_way_to_be_wrong_is_told() -> None:
    assert len(told(gate_base=Status.FAILED)) == 1
    assert len(told(gate_base=Status.ERROR)) == 1
    assert len(told(control_lock=Status.PASSED)) == 1
    assert len(told(control_lock=Status.ERROR)) == 1
    assert len(told(Found(Counter(), (), {}))) == 1
    assert len(told(Found(Counter(debian=1), (), {"libc6": "8"}))) == 1


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"Version": "2.41", "Release": "12+deb13u5"}, "2.41-12+deb13u5"),
        ({"Version": "1.3", "Release": "1", "Epoch": 1}, "1:1.3-1"),
        ({"Version": "20250419"}, "20250419"),
    ],
)
def test_a_debian_version_is_put_together_again(parts: dict[str, Any], expected: str) -> None:
    assert version(parts) == expected


def test_a_report_is_counted_by_kind_and_each_finding_knows_its_file(tmp_path: Path) -> None:
    results = [
        {
            "Target": "debian",
            "Class": "os-pkgs",
            "Type": "debian",
            "Packages": [{"Name": "libc6", "Version": "2", "Release": "1"}],
        },
        {
            "Target": "kaniko/executor",
            "Class": "lang-pkgs",
            "Type": "gobinary",
            "Packages": [{"Name": "stdlib"}, {"Name": "x"}],
            "Vulnerabilities": [{"VulnerabilityID": "CVE-1"}],
        },
    ]
    (tmp_path / "report.json").write_text(json.dumps({"Results": results}))
    found = Found.read(tmp_path / "report.json")
    assert found.packages == {"debian": 1, "gobinary": 2}
    assert found.system == {"libc6": "2-1"}
    assert found.vulnerabilities == ({"VulnerabilityID": "CVE-1", "Target": "kaniko/executor"},)
