"""Findings as text for people, as JSON, and as SARIF for code hosts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import PurePath
from textwrap import fill
from typing import Any, Final
from urllib.parse import quote

from gocdnext_sdk.host.lint.rule import RULES, Finding, Rule, Severity

Render = Callable[[Sequence[Finding], int], str]
"""From the findings and the number of files to what is printed."""

_SARIF: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_text(findings: Sequence[Finding], files: int) -> str:
    """One line a finding, and a last one that sums up."""
    return "\n".join((*map(str, findings), summary(findings, files)))


def summary(findings: Iterable[Finding], files: int) -> str:
    """Return how much was found of what severity."""
    counts = Counter(finding.rule.severity for finding in findings)
    found = ", ".join(_number(counts[each], each) for each in Severity if counts[each])
    return f"{found or 'nothing found'} in {_number(files, 'pipeline')}"


def as_json(findings: Sequence[Finding], files: int) -> str:
    """A list of findings with all that is known of them."""
    counts = Counter(finding.rule.severity for finding in findings)
    document = {
        "files": files,
        "summary": {str(each): counts[each] for each in Severity},
        "findings": [_entry(finding) for finding in findings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_sarif(findings: Sequence[Finding], files: int) -> str:
    """SARIF 2.1.0, as code hosts take it."""
    rules = list(RULES.values())
    driver = {
        "name": "gocdnext-plugin lint",
        "semanticVersion": version("gocdnext-plugin-sdk"),
        "rules": [_descriptor(rule) for rule in rules],
    }
    results = [_result(finding, rules.index(finding.rule)) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


FORMATS: Final[Mapping[str, Render]] = {"text": as_text, "json": as_json, "sarif": as_sarif}


def explain(rule: Rule) -> Iterator[str]:
    """Yield the lines that explain a rule."""
    yield f"{rule.id} ({rule.severity}): {rule.title}"
    yield "\n" + fill(rule.explanation, 100)
    for heading, sample in (("Wrong:", rule.wrong), ("Right:", rule.right)):
        yield f"\n{heading}\n"
        yield from (f"    {line}".rstrip() for line in sample.splitlines())
    yield f"\nTo suppress it on one line: # gocdnext: ignore={rule.id} and the reason"


def _entry(finding: Finding) -> dict[str, Any]:
    mark = finding.problem.mark
    return {
        "rule": finding.rule.id,
        "severity": str(finding.rule.severity),
        "title": finding.rule.title,
        "file": mark.file,
        "line": mark.line,
        "column": mark.column,
        "message": finding.problem.what,
        "advice": finding.problem.advice,
    }


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": "\n".join(explain(rule))},
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    problem = finding.problem
    location = {
        "artifactLocation": {"uri": quote(PurePath(problem.mark.file).as_posix())},
        "region": {"startLine": problem.mark.line, "startColumn": problem.mark.column},
    }
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": str(finding.rule.severity),
        "message": {"text": f"{problem.what}; {problem.advice}" if problem.advice else problem.what},
        "locations": [{"physicalLocation": location}],
    }


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
