"""A mistake with a secret is told without any of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk import UsageError
from gocdnext_sdk.host.cli.secrets import collect

KEY = "MIIEvQIBADANBgkqh"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", f"{KEY}==\n"),
        (".env", f"KEY=-----BEGIN\n{KEY}/+9w=\n"),
        (".env", f"{KEY}=\n{KEY}=\n"),
        ("secrets.yaml", f"{KEY}/x: a\n"),
        ("secrets.yaml", f"{KEY}: a\n{KEY}: a\n"),
    ],
)
def test_in_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    try:
        collect(file=tmp_path / name, names=(), wanted=())
    except UsageError as error:
        assert KEY not in str(error)
    else:
        assert text == f"{KEY}==\n"  # a name with a value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "A=`a #b`"),
        (".env", 'A="a\\tb"'),
        (".env", 'A="a\\$b"'),
        (".env", 'export A = "a\\fb" # why'),
        (".env", "A=a\0b"),
        ("secrets.yaml", 'A: "\\ud800"'),
        ("secrets.yaml", "A: !!binary aGVsbG8="),
    ],
)
def test_what_tools_read_in_different_ways_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError):
        collect(file=tmp_path / name, names=(), wanted=())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"A='a\tb`\$'", r"a\tb`\$"),
        (r'A="a\nb\"\\t"', 'a\nb"\\t'),
        (r"A=a\tb", r"a\tb"),
        ('A="C:\\\\temp"', r"C:\temp"),
    ],
)
def test_what_all_read_alike_is_taken(tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / ".env").write_text(text)
    assert collect(file=tmp_path / ".env", names=(), wanted=()) == {"A": value}


def test_in_an_option() -> None:
    with pytest.raises(UsageError) as caught:
        collect(file=None, names=[f"TOKEN={KEY}"], wanted=(), environment={})
    assert KEY not in str(caught.value)
