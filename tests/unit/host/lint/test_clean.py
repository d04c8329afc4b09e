"""What people are shown has no errors: our examples, the published recipe, and the bash plugins' examples."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gocdnext_sdk.host.lint.check import lint_file
from gocdnext_sdk.host.lint.rule import Finding, Severity
from gocdnext_sdk.host.manifest.catalog import Catalog

ROOT = Path(__file__).parents[4]
Lint = Callable[[str], list[Finding]]

PIPELINES = sorted(ROOT.glob("examples/recipe/*.yaml")) + sorted(ROOT.glob("examples/*/.gocdnext/*.yaml"))
EXAMPLES = sorted(ROOT.glob("plugins/*/examples/*.yaml"))
UPSTREAM = yaml.safe_load((Path(__file__).parent / "upstream_examples.yaml").read_text())

WARNED = {
    "buildx without a push": set(),
    "cosign keyless": {"GP304", "GP410"},
    "cosign with a key file": {"GP304", "GP404"},
    "cosign attests an SBOM": {"GP304", "GP404", "GP410"},
    "docker-push from staging": {"GP202", "GP304"},
}
"""What the bash plugins' examples are rightly warned of."""


def problems(findings: list[Finding], *severities: Severity) -> list[str]:
    return [str(finding) for finding in findings if finding.rule.severity in severities]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pipeline_of_ours_has_no_errors(path: Path, catalog: Catalog) -> None:
    assert not problems(lint_file(path, catalog), Severity.ERROR)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_an_example_of_a_plugin_has_neither_errors_nor_warnings(path: Path, lint: Lint) -> None:
    text = path.read_text()
    given: dict[str, list[str]] = {}
    for job, alias in re.findall(r"needs\.([\w-]+)\.outputs\.(\w+)", text):
        given.setdefault(job, []).append(f"{alias}: {alias.upper()}")
    for jobs in re.findall(r"^needs: \[(.+)\]", text, re.MULTILINE):
        for job in jobs.split(", "):
            given.setdefault(job, [])
    kept = {each["from_job"]: each["paths"] for each in yaml.safe_load(text).get("needs_artifacts", ())}
    before = [
        f"{job}: {{stage: build, image: alpine, script: [make], outputs: {{{', '.join(outputs)}}}, "
        f"artifacts: {{paths: {kept.get(job, [])}}}}}\n"
        for job, outputs in given.items()
    ]
    job = "".join(f"  {line}\n" for line in text.splitlines())
    assert not problems(
        lint(f"{''.join(before)}example:\n  stage: scan\n{job}"), Severity.ERROR, Severity.WARNING
    )


@pytest.mark.parametrize("name", UPSTREAM)
def test_what_worked_with_the_bash_plugins_has_no_errors(name: str, lint: Lint) -> None:
    findings = lint(yaml.safe_dump({"example": {"stage": "build"} | UPSTREAM[name]}))
    assert not problems(findings, Severity.ERROR)
    warned = {finding.rule.id for finding in findings if finding.rule.severity is Severity.WARNING}
    assert warned == WARNED.get(name, set())


def test_all_examples_of_the_bash_plugins_are_there() -> None:
    assert len(UPSTREAM) == 18
    assert len(PIPELINES) >= 5
