"""`test_reports` and `coverage_report`: read as the platform's agent reads them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.harness.results import collect, coverage, globs, junit
from gocdnext_sdk.host.harness.results.coverage import Coverage
from gocdnext_sdk.host.harness.results.unreadable import UnreadableReport
from gocdnext_sdk.host.pipeline import PipelineError, quantities

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest">
  <testcase classname="tests.test_a" name="test_one" time="0.1"/>
  <testcase classname="tests.test_a" name="test_two"><failure message="no">trace</failure></testcase>
  <testcase name="test_three"><error/></testcase>
  <testcase name="test_four"><skipped/></testcase>
</testsuite></testsuites>
"""
GO = "mode: atomic\nm/a/a.go:1.2,3.4 2 1\nm/a/a.go:5.2,6.4 1 0\nm/a/a.go:5.2,6.4 1 3\nm/b/b.go:1.1,2.2 1 0\n"
LCOV = (
    "TN:\nSF:src/a.js\nDA:1,1\nDA:2,0\nLF:4\nLH:3\nend_of_record\n"
    "SF:src/b.js\nDA:1,0\nDA:2,5\nend_of_record\n"
)
COBERTURA = """<coverage><packages><package name="a"><classes><class><lines>
<line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes>
</package></packages></coverage>"""
JACOCO = """<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd">
<report name="x"><package name="p"><class><counter type="LINE" missed="9" covered="9"/></class>
<counter type="BRANCH" missed="5" covered="5"/><counter type="LINE" missed="1" covered="3"/>
</package></report>"""


@pytest.mark.parametrize(
    ("format_", "text", "found"),
    [
        ("go-cover", GO, Coverage(3, 4)),
        ("lcov", LCOV, Coverage(4, 6)),
        ("cobertura", COBERTURA, Coverage(1, 2)),
        ("jacoco", JACOCO, Coverage(3, 4)),
    ],
)
def test_each_format_is_counted_as_the_agent_counts(format_: str, text: str, found: Coverage) -> None:
    assert coverage.read(format_, text.encode()) == found
    for other, content in (("go-cover", LCOV), ("lcov", GO), ("cobertura", JACOCO), ("jacoco", COBERTURA)):
        with pytest.raises(UnreadableReport):
            coverage.read(other, content.encode())


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("go-cover", "mode: set\n"),
        ("go-cover", "mode: set\na.go:1 x 1\n"),
        ("lcov", "SF:a\nLF:1\nLH:2\nend_of_record\n"),
        ("lcov", "SF:a\nLF:x\nend_of_record\n"),
        ("cobertura", "<coverage>"),
        ("cobertura", "<coverage/>"),
        ("jacoco", '<report><package><counter type="LINE" missed="-1" covered="3"/></package></report>'),
        # Numbers are Go's ParseInt: ASCII digits, of 64 bits.
        ("go-cover", "mode: set\na.go:1 1_0 1\n"),
        ("go-cover", "mode: set\na.go:1 ٣ 1\n"),
        ("go-cover", "mode: set\na.go:1 -3 1\nb.go:1 5 1\n"),
        ("go-cover", f"mode: set\na.go:1 1 {'9' * 5000}\n"),
        ("go-cover", f"mode: set\na.go:1 1 {2**63}\n"),
        ("lcov", "SF:a\nLF: 1\nend_of_record\n"),
        ("lcov", "SF:a\nDA:1,1\nLH:1\nend_of_record\n"),
        ("lcov", "SF:\nDA:1,1\nend_of_record\n"),
        ("cobertura", COBERTURA.replace('hits="1"', 'hits="²"')),
        ("cobertura", COBERTURA.replace('hits="1"', f'hits="{"9" * 5000}"')),
        ("cobertura", f'<?xml version="1.0" encoding="ISO-8859-1"?>{COBERTURA}'),
        ("cobertura", f'<?xml version="1.0" encoding="foo"?>{COBERTURA}'),
        ("cobertura", f"<?xml version='1.1'?>{COBERTURA}"),
        ("jacoco", JACOCO.replace('missed="1"', 'missed="1_0"')),
        ("jacoco", JACOCO.replace('missed="5"', 'missed="x"')),
        ("jacoco", JACOCO.replace('missed="1"', f'missed="{2**63 - 1}"')),
    ],
)
def test_a_broken_report_is_said_to_be_so(format_: str, text: str) -> None:
    with pytest.raises(UnreadableReport):
        coverage.read(format_, text.encode())


@pytest.mark.parametrize(
    ("format_", "text", "found"),
    [
        ("go-cover", "mode: set\r\na\x85b.go:1 1 1\r\n", Coverage(1, 1)),
        ("cobertura", f'\n<?xml version="1.0"?>{COBERTURA}\n', Coverage(1, 2)),
        ("lcov", f"SF:a\nDA:1,²\nDA:2,{'9' * 5000}\nDA:3,+1\nend_of_record\n", Coverage(1, 3)),
        (
            "cobertura",
            COBERTURA.replace('hits="1"', 'hits=" 3 "').replace('hits="0"', 'hits=""'),
            Coverage(1, 2),
        ),
        ("cobertura", f'\ufeff<?xml version="1.0" encoding="Utf-8"?>{COBERTURA}', Coverage(1, 2)),
    ],
)
def test_what_the_agent_takes_is_taken(format_: str, text: str, found: Coverage) -> None:
    assert coverage.read(format_, text.encode()) == found


@pytest.mark.parametrize(
    ("covered", "total", "limit", "lacks"),
    [(8, 10, 80, False), (7, 10, 80, True), (7, 10, 0, False), (0, 0, 1, True), (0, 0, 0, False)],
)
def test_a_gate_holds_from_its_limit_on(covered: int, total: int, limit: float, lacks: bool) -> None:
    assert bool(Coverage(covered, total).lacks(limit)) is lacks


def test_tests_are_counted_over_all_files_and_bad_files_are_named() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1 or str()};" * 10}">' for n in range(1, 12)
    )
    reports = [
        ("a.xml", JUNIT.encode()),
        ("b.xml", b"<testsuite><testcase name='x'/></testsuite>"),
        ("c.xml", b"<html/>"),
        ("d.xml", b"<"),
        ("e.xml", f"{bomb}]><testsuite>&a11;</testsuite>".encode()),
        *(
            (f"{name}.xml", f'<?xml version="1.0" encoding="{name}"?><testsuite/>'.encode())
            for name in ("foo", "shift_jis", "utf-7", "latin-1")
        ),
        ("x.xml", b"<testsuite name='\xe9'/>"),
    ]
    found, wrong = junit.read(reports)
    assert found is not None
    assert (found.passed, found.failed, found.skipped, found.files) == (2, 2, 1, 2)
    assert found.failures == ("tests.test_a.test_two", "test_three")
    assert [each.partition(" ")[0] for each in wrong] == [
        *("c.xml", "d.xml", "e.xml", "foo.xml", "shift_jis.xml", "utf-7.xml", "latin-1.xml", "x.xml")
    ]
    assert junit.read([]) == (None, [])


def test_cases_are_counted_where_the_agent_looks_for_them() -> None:
    case = "<testcase name='x'/>"
    nested = f"<testsuite>{case}<testsuite>{case}</testsuite></testsuite>"
    named = f"<testsuites xmlns='urn:x'><testsuite>{case}</testsuite></testsuites>"
    for text in (nested, f"<testsuites>{case}{nested}</testsuites>", named):
        found, wrong = junit.read([("a.xml", text.encode())])
        assert found is not None, wrong
        assert found.passed == 1


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**/*.xml", "a.xml", True),
        ("**/*.xml", "x/y/a.xml", True),
        ("*.xml", "x/a.xml", False),
        ("x/**/r/*.xml", "x/r/a.xml", True),
        ("x/**", "x/y/z", True),
        ("./x/?.xml", "x/a.xml", True),
        ("{a,b}/r.xml", "b/r.xml", True),
        ("a,b.xml", "a,b.xml", True),
        ("[!a].xml", "b.xml", True),
        ("[!a].xml", "a.xml", False),
        ("a.xml", "aXxml", False),
        ("a**b", "a/b", False),
        ("a**b", "axb", True),
        ("a**", "a/b", False),
        ("**a", "x/a", False),
        ("a/**b", "a/xb", True),
        ("{**/x,y}.xml", "x.xml", True),
        ("{**/x,y}.xml", "a/b/x.xml", True),
        ("{a/,b}**/c", "a/x/y/c", True),
        ("{a/,b}**/c", "bx/c", True),
        ("{a/,b}**/c", "bx/y/c", False),
        ("{a,b{c,d}}.xml", "bd.xml", True),
        ("x{,-y}.xml", "x.xml", True),
        (r"\{a,b\}", "{a,b}", True),
        ("[[:alpha:]]", "a]", True),
        ("[a-c]", "b", True),
        ("[c-a]", "b", False),
        ("[^a]b", "/b", False),
        ("a&&[b&&c]", "a&&&", True),
        ("/x/*.xml", "x/a.xml", True),
        ("x//./y/../*.xml", "x/a.xml", True),
    ],
)
def test_globs_are_those_of_doublestar(pattern: str, path: str, fits: bool) -> None:
    with warnings.catch_warnings(action="error"):
        assert bool(globs.compiled(pattern).fullmatch(path)) is fits


@pytest.mark.parametrize("pattern", ["{a", "a}", "{a,{b}", "[a", "[]", "[!]", "a\\", "{a,b}" * 20])
def test_what_is_no_glob_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"it has|nothing|no character"):
        globs.compiled(pattern)
    assert collect.tests(["a.xml", pattern], lambda path: iter(()))[1][0].startswith("glob error: ")


PIPELINE = """
stages: [a, b]
jobs:
  unit:
    stage: a
    uses: one/unit@v1
    test_reports: ["**/junit-*.xml", "out/more.xml"]
    coverage_report: {path: out/cover.out, format: go-cover, fail_under: %s}
    cache: [{key: k, paths: [out/]}]
  later: {stage: b, uses: one/later@v1}
"""


def run(engine: MemoryEngine, project: Path, limit: float, code: int = 0, **files: str) -> RunReport:
    def unit(box: MemoryContainer) -> int:
        box.files |= {name: text.encode() for name, text in files.items()}
        return code

    engine.behaviours["one/unit:v1"] = unit
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(PIPELINE % limit)
    with Session(engine) as session:
        return run_pipeline(file, RunOptions(), session=session)


GOOD = {"deep/er/junit-1.xml": JUNIT, "out/more.xml": JUNIT, "out/cover.out": GO, "out/junit.xml": "<"}


def test_a_run_sums_up_what_its_jobs_report(engine: MemoryEngine, project: Path) -> None:
    report = run(engine, project, 75, **GOOD)
    assert report.passed
    unit = report["unit"]
    assert unit.tests is not None
    assert (unit.tests.passed, unit.tests.failed, unit.tests.files) == (2, 4, 2)
    assert unit.coverage == Coverage(3, 4)
    assert "test_reports: 2 passed, 4 failed, 2 skipped in 2 files\n" in unit.text
    assert "coverage_report: 75.0% (3/4 lines)\n" in unit.text


def test_reports_that_cannot_be_read_end_no_run(engine: MemoryEngine, project: Path) -> None:
    broken = '<?xml version="1.0" encoding="foo"?><testsuites/>'
    files = {"junit-1.xml": broken, "junit-\udce9.xml": broken, "out/cover.out": "mode: set\na.go:1 1 ²\n"}
    unit = run(engine, project, 0, **files)["unit"]
    assert unit.status == "passed"
    assert (unit.tests, unit.coverage) == (None, None)
    assert "test_reports: junit-1.xml " in unit.text
    assert "test_reports: junit-\N{REPLACEMENT CHARACTER}.xml " in unit.text
    assert "coverage_report: out/cover.out cannot be read as go-cover" in unit.text
    assert run(engine, project, 1, **files)["unit"].status == "failed"


def test_too_little_coverage_fails_the_job_and_what_comes_after(engine: MemoryEngine, project: Path) -> None:
    report = run(engine, project, 75.1, **GOOD)
    assert report["unit"].status == "failed"
    assert report["unit"].reason == "coverage 75.0% is below fail_under 75.1%"
    assert report["later"].status == "canceled"


def test_a_gate_without_its_report_fails_and_no_gate_does_not(engine: MemoryEngine, project: Path) -> None:
    assert run(engine, project, 1)["unit"].reason == "coverage_report: out/cover.out is not there"
    assert run(engine, project, 0).passed


def test_tests_of_a_failed_job_are_read_and_its_coverage_is_not(engine: MemoryEngine, project: Path) -> None:
    unit = run(engine, project, 99, code=1, **GOOD)["unit"]
    assert unit.tests is not None
    assert unit.coverage is None
    assert unit.reason == "exited with 1"


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", 0.5), ("2", 2), ("1.5", 1.5), ("256Mi", 256 << 20), ("1G", 10**9), ("1e3", 1000), ("1k", 1000)],
)
def test_quantities_are_those_of_kubernetes(text: str, number: float) -> None:
    assert quantities.parse(text) == number


def test_limits_are_the_containers(engine: MemoryEngine, project: Path) -> None:
    text = """
stages: [a]
jobs: {it: {stage: a, uses: one/it@v1, resources: {limits: {cpu: 500m, memory: %s}}}}
"""
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(text % "64Mi")
    with Session(engine) as session:
        assert run_pipeline(file, RunOptions(), session=session).passed
    (box,) = engine.containers.values()
    assert (box.spec.cpus, box.spec.memory) == (0.5, 64 << 20)
    file.write_text(text % "64MB")
    with Session(engine) as session, pytest.raises(PipelineError, match="64MB"):
        run_pipeline(file, RunOptions(), session=session)


def test_a_report_outside_of_the_workspace_is_not_read(engine: MemoryEngine, project: Path) -> None:
    asked: list[Any] = []
    original = engine.get

    def get(container: str, path: str) -> Any:
        asked.append(path)
        return original(container, path)

    engine.get = get  # type: ignore[method-assign]
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(
        'stages: [a]\njobs: {it: {stage: a, uses: one/it@v1, test_reports: ["../etc/*", "/etc/p*"]}}\n'
    )
    with Session(engine) as session:
        run_pipeline(file, RunOptions(), session=session)
    assert all(path.startswith("/workspace") for path in asked)
