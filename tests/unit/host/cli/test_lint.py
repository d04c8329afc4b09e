"""`gocdnext-plugin lint`, as people and machines call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gocdnext_sdk.errors import Error
from gocdnext_sdk.host.cli.commands import group
from gocdnext_sdk.host.lint.rule import RULES

GOOD = "stages: [s]\njobs:\n  a: {stage: s, image: alpine, script: [make]}\n"
WARNED = "stages: [s]\njobs:\n  a: {stage: s, uses: ghcr.io/org/plugin}\n"
WRONG = "stages: [s]\njobs:\n  a: {stage: s, uses: ghcr.io/a/gocdnext-plugin-trivy@v1, with: {nope: 1}}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".gocdnext").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / ".gocdnext" / name).write_text(text)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["lint", *arguments])


class TestExitCode:
    def test_nothing_wrong(self, project: Path) -> None:
        write(project, "ci.yaml", GOOD)
        result = call()
        assert (result.exit_code, result.output) == (0, "nothing found in 1 pipeline\n")

    def test_warnings_fail_on_demand(self, project: Path) -> None:
        write(project, "ci.yml", WARNED)
        assert call().exit_code == 0
        result = call("--strict")
        assert result.exit_code == 1
        assert result.output.startswith(".gocdnext/ci.yml:3:23: warning: ")
        assert result.output.endswith("\n1 warning, 1 note in 1 pipeline\n")

    @pytest.mark.parametrize("text", [WRONG, "a: [", "", "stages: 1", b"\xff\xfe"])
    def test_an_error_fails(self, project: Path, text: str | bytes) -> None:
        path = project / ".gocdnext/ci.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = call()
        assert result.exit_code == 1
        assert ".gocdnext/ci.yaml:" in result.output

    @pytest.mark.parametrize(
        "arguments",
        [("missing.yaml",), ("--format", "xml"), ("--explain", "GP999"), ("--plugins", "missing")],
    )
    def test_a_wrong_command(self, project: Path, arguments: tuple[str, ...]) -> None:
        write(project, "ci.yaml", GOOD)
        assert call(*arguments).exit_code == 2

    @pytest.mark.parametrize("arguments", [(), (".",), ("--plugins", ".")])
    def test_nothing_where_something_was_expected(self, project: Path, arguments: tuple[str, ...]) -> None:
        result = call(*arguments)
        assert isinstance(result.exception, Error)
        assert result.exception.exit_code == 2


def test_files_folders_and_projects_are_understood(project: Path) -> None:
    write(project, "a.yaml", GOOD)
    write(project, "b.yml", GOOD)
    (project / ".gocdnext/notes.txt").write_text("no pipeline")
    assert call(".", ".gocdnext", ".gocdnext/a.yaml").output == "nothing found in 2 pipelines\n"


def test_plugins_of_ones_own_are_checked_too(project: Path) -> None:
    write(project, "ci.yaml", WARNED.replace("plugin}", "hello@v1, with: {nme: a}}"))
    assert call().exit_code == 0
    (project / "plugins/hello").mkdir(parents=True)
    (project / "plugins/hello/plugin.yaml").write_text("name: hello\ninputs: {name: {required: true}}\n")
    for folder in ("plugins", "plugins/hello"):
        result = call("--plugins", folder)
        assert result.exit_code == 1
        assert "hello has no input `nme`; did you mean `name`? [GP101]" in result.output


def test_as_json(project: Path) -> None:
    write(project, "ci.yaml", WRONG)
    document = json.loads(call("--format", "json").output)
    assert document["files"] == 1
    assert document["summary"] == {"error": 1, "warning": 0, "note": 0}
    (finding,) = document["findings"]
    assert finding.pop("advice").startswith("the inputs are ")
    assert finding == {
        "rule": "GP101",
        "severity": "error",
        "title": RULES["GP101"].title,
        "file": ".gocdnext/ci.yaml",
        "line": 3,
        "column": 66,
        "message": "trivy has no input `nope`",
    }


def test_as_sarif(project: Path) -> None:
    write(project, "ci b.yaml", WRONG)
    document: dict[str, Any] = json.loads(call("--format", "sarif").output)
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == set(RULES)
    assert all(rule["defaultConfiguration"]["level"] in ("error", "warning", "note") for rule in rules)
    (result,) = run["results"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "GP101"
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == ".gocdnext/ci%20b.yaml"
    assert location["region"] == {"startLine": 3, "startColumn": 66}


def test_a_rule_is_explained() -> None:
    output = call("--explain", "gp205").output
    assert output.startswith("GP205 (error): The Docker socket on a job that carries a signing key\n")
    assert "\nWrong:\n\n    sign:\n" in output
    assert "ignore=GP205" in output


def test_the_rules_are_listed() -> None:
    assert call("--rules").output.split("\n")[0].split()[:2] == ["GP001", "error"]


def test_a_folder_below_the_pipelines_finds_them(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, "p.yaml", WRONG)
    (project / ".git").mkdir()
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    result = call()
    assert result.exit_code == 1
    assert result.output.startswith("../.gocdnext/p.yaml:3:")
    assert isinstance(call(".").exception, Error)


def test_what_cannot_be_read_is_a_finding_and_a_directory_is_no_pipeline(project: Path) -> None:
    write(project, "ci.yaml", GOOD)
    (project / ".gocdnext/old.yaml").mkdir()
    assert call().output == "nothing found in 1 pipeline\n"
    (project / ".gocdnext/lost.yaml").symlink_to("nowhere")
    result = call()
    assert result.exit_code == 1
    assert ".gocdnext/lost.yaml:1:1: error: cannot read the file: No such file" in result.output


def test_two_pipelines_of_a_project_have_one_name(project: Path) -> None:
    write(project, "a.yaml", f"name: release\n{GOOD}")
    write(project, "release.yml", GOOD)
    result = call()
    assert result.exit_code == 1
    assert (
        ".gocdnext/release.yml:1:1: error: the pipeline's name `release` is that of .gocdnext/a.yaml too"
        in (result.output)
    )
    (project / "elsewhere").mkdir()
    for name in ("a.yaml", "release.yml"):
        (project / ".gocdnext" / name).rename(project / "elsewhere" / name)
    assert call("elsewhere").exit_code == 0  # not of one project: these are examples, say
