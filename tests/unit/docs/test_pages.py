"""The documentation speaks of what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import gocdnext_sdk
from gocdnext_sdk import errors
from gocdnext_sdk.host.cli.commands import COMMANDS
from gocdnext_sdk.host.lint.check import RULES
from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.inputs.constraints import Constraint

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/plugin.py"))


def page(name: str) -> str:
    return (DOCS / name).read_text()


def navigation() -> set[str]:
    text = (ROOT / "mkdocs.yml").read_text()
    return set(re.findall(r"^ +- (?:.+: )?(\S+\.md)$", text, re.MULTILINE))


def test_every_page_and_every_plugin_is_in_the_navigation() -> None:
    pages = {path.name for path in DOCS.glob("*.md")}
    assert navigation() == pages | {f"plugins/{name}.md" for name in PLUGINS}


def test_every_subcommand_is_on_the_first_page() -> None:
    listed = page("index.md").partition("## The command")[2]
    assert set(re.findall(r"^\| `([\w-]+)", listed, re.MULTILINE)) >= set(COMMANDS)


def test_the_exit_codes_are_those_of_the_classes() -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)`", page("errors.md"), re.MULTILINE)
    assert len(rows) == 13
    for code, name in rows:
        assert getattr(errors, name).exit_code == int(code)


def test_every_constraint_and_every_type_is_described() -> None:
    text = page("inputs.md")
    for constraint in Constraint.__subclasses__():
        assert f"`{constraint.__name__}(" in text
    types = (DOCS / ".." / "sdk" / "gocdnext_sdk" / "inputs" / "types.py").read_text()
    for name in re.findall(r"^([A-Z]\w+) = Annotated", types, re.MULTILINE):
        assert f"`{name}`" in text
        assert hasattr(gocdnext_sdk, name)


def test_every_fact_of_a_plugin_is_described() -> None:
    listed = re.findall(r"^\| `(\w+) = ", page("inputs.md"), re.MULTILINE)
    assert listed == [each.name for each in fields(Facts)]
    assert set(re.findall(r"GP\d{3}", page("inputs.md"))) <= set(RULES)


@pytest.mark.parametrize(
    ("with_", "message"),
    [
        (
            {"image": "app", "platfroms": "x"},
            "with.platfroms: unknown input; did you mean `platforms`?",
        ),
        ({"image": ""}, "with.image: is required"),
        ({"image": "app", "username": "x"}, 'with.password: is required with "username"'),
        ({"image": "app", "push": "maybe"}, 'with.push: "maybe" is not a boolean'),
    ],
)
def test_a_message_on_the_page_is_the_plugins(
    with_: dict[str, str], message: str, run_plugin: PluginRunner, workspace: Path
) -> None:
    result = run_plugin(ROOT / "plugins" / "buildx", with_, mode="function").exited(2)
    assert any(line.startswith(message) for line in result.errors), result.errors
    assert message in page("errors.md")
