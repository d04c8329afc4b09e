"""Secrets come from a file, the environment or the terminal, whole and unquoted in errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.secrets import collect, read_file

PEM = "-----BEGIN KEY-----\nabc\ndef\n-----END KEY-----\n"


def test_dotenv_carries_several_lines_and_expands_nothing(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text(f'# a comment\nexport TOKEN=p@$$w$HOME\nKEY="{PEM}"\nBRACES=${{CI_BRANCH}}\nEMPTY=\n')
    assert read_file(file) == {"TOKEN": "p@$$w$HOME", "KEY": PEM, "BRACES": "${CI_BRANCH}", "EMPTY": ""}


def test_yaml_keeps_the_text_of_what_looks_like_something_else(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text("KEY: |\n  -----BEGIN KEY-----\n  abc\n  def\n  -----END KEY-----\nPIN: 0017\nYES: on\n")
    assert read_file(file) == {"KEY": PEM, "PIN": "0017", "YES": "on"}


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("s.env", "A=1\nhunter2\n", ":2: not NAME=value"),
        ("s.env", 'KEY="hunter2\nhunter2\n', ":1: not NAME=value"),
        ("s.env", "A=1\nA=hunter2\n", ":2: this name is set twice"),
        ("s.env", "A-B=hunter2\n", "name 1 is not valid"),
        ("s.yaml", "A: 1\nB: [hunter2]\n", ":2:4: a secret is a text"),
        ("s.yaml", "- hunter2\n", "not a map"),
        ("s.yaml", "A: 1\nA: hunter2\n", ":2:1: this name is set twice"),
        ("s.yaml", "A: 'hunter2\n", "not YAML"),
    ],
)
def test_mistakes_name_the_place_and_no_value(tmp_path: Path, name: str, text: str, where: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_file(file)
    assert where in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_missing_is_told() -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_file(Path("/nowhere/secrets.env"))


def test_the_environment_is_read_only_for_names_that_were_given(tmp_path: Path) -> None:
    environment = {"TOKEN": "t", "AWS_SECRET": "a"}
    found = collect(file=None, names=["TOKEN"], wanted=["TOKEN", "AWS_SECRET"], environment=environment)
    assert found == {"TOKEN": "t"}


def test_what_is_missing_is_asked_for_where_there_is_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "s.env"
    file.write_text("A=from-file\n")
    found = collect(
        file=file, names=["B"], wanted=["A", "C"], environment={}, ask=lambda name: f"typed {name}"
    )
    assert found == {"A": "from-file", "B": "typed B", "C": "typed C"}


def test_without_a_terminal_a_name_that_is_not_set_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="export TOKEN"):
        collect(file=None, names=["TOKEN"], wanted=[], environment={})
