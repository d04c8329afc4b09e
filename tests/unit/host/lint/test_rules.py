"""Every rule finds what its own documentation calls wrong, and nothing in what it calls right."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

import gocdnext_sdk.host.lint.rules
from gocdnext_sdk.host.lint import check
from gocdnext_sdk.host.lint.documentation import render
from gocdnext_sdk.host.lint.rule import RULES, Finding, Rule, Severity, rule
from gocdnext_sdk.host.lint.view import View
from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.pipeline.errors import Diagnostic

ROOT = Path(__file__).parents[4]
Lint = Callable[[str], list[Finding]]

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)


@every_rule
def test_the_wrong_sample_breaks_the_rule_and_no_other_as_badly(rule: Rule, lint: Lint) -> None:
    found = lint(rule.wrong)
    assert rule.id in {finding.rule.id for finding in found}
    errors = {finding.rule.id for finding in found if finding.rule.severity is Severity.ERROR}
    assert errors <= {rule.id}, "\n".join(map(str, found))


@every_rule
def test_the_right_sample_is_right(rule: Rule, lint: Lint) -> None:
    found = [finding for finding in lint(rule.right) if finding.rule.severity is not Severity.NOTE]
    assert not found, "\n".join(map(str, found))
    assert rule.id not in {finding.rule.id for finding in lint(rule.right)}


@every_rule
def test_a_finding_says_where_and_what_next(rule: Rule, lint: Lint) -> None:
    finding = next(each for each in lint(rule.wrong) if each.rule is rule)
    assert re.fullmatch(rf"release\.yaml:\d+:\d+: {rule.severity}: .+; .+ \[{rule.id}\]", str(finding))


@every_rule
def test_a_rule_explains_itself(rule: Rule) -> None:
    assert re.fullmatch(r"GP[0-6][0-9]{2}", rule.id)
    assert re.fullmatch(r"[^.]{10,80}", rule.title)
    assert len(rule.explanation) > 80
    assert rule.wrong != rule.right


def test_every_sample_is_a_rules() -> None:
    samples = Path(gocdnext_sdk.host.lint.rules.__file__ or "").parents[1] / "samples"
    assert {folder.name for folder in samples.iterdir()} == set(RULES)


def test_an_id_is_given_once() -> None:
    with pytest.raises(
        ValueError, match="GP101 is already the rule 'An input that the plugin does not have'"
    ):
        rule("GP101", Severity.ERROR)(lambda view: iter(()))


def test_a_rules_theme_is_its_module() -> None:
    themes: dict[str, set[str]] = {}
    for each in RULES.values():
        themes.setdefault(each.check.__module__, set()).add(each.id[:3])
    assert all(len(ids) == 1 for ids in themes.values())
    doc = ast.get_docstring(ast.parse(Path(gocdnext_sdk.host.lint.rules.__file__ or "").read_text())) or ""
    for module, ids in themes.items():
        assert re.search(rf"{next(iter(ids))}xx .*`{module.rpartition('.')[2]}`", doc)


def test_the_page_of_the_rules_is_up_to_date() -> None:
    page = ROOT / "docs/lint.md"
    stale = page.read_text() != render()
    assert not stale, "run: python -m gocdnext_sdk.host.lint.documentation docs/lint.md"


def test_the_page_of_the_inputs_names_the_rules_that_use_a_fact(
    lint: Lint, monkeypatch: pytest.MonkeyPatch
) -> None:
    users: dict[str, set[str]] = {each.name: set() for each in fields(Facts)}
    running: list[str] = []

    def look(facts: Facts, name: str) -> object:
        if running and name in users:
            users[name].add(running[-1])
        return object.__getattribute__(facts, name)

    def watched(rule: Rule) -> Rule:
        def applied(view: View) -> Iterator[Diagnostic]:
            running.append(rule.id)
            yield from rule.check(view)
            running.pop()

        return replace(rule, check=applied)

    monkeypatch.setattr(check, "RULES", {each.id: watched(each) for each in RULES.values()})
    monkeypatch.setattr(Facts, "__getattribute__", look)
    monkeypatch.setattr(Facts, "__eq__", object.__eq__)  # whether there are any is no look at one
    for each in RULES.values():
        lint(each.wrong)
        lint(each.right)
    page = (ROOT / "docs/inputs.md").read_text()
    rows = {fact: re.search(rf"^\| `{fact} = .*\| (.*) \|$", page, re.MULTILINE) for fact in users}
    assert {fact: _ids(row[1]) if row else None for fact, row in rows.items()} == users


def _ids(text: str) -> set[str]:
    """The ids in a cell such as "GP204, GP410 to GP412"."""
    ranges = re.findall(r"GP(\d{3})(?: to GP(\d{3}))?", text)
    return {f"GP{number}" for first, last in ranges for number in range(int(first), int(last or first) + 1)}
