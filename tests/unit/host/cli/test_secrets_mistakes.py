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


def test_in_an_option() -> None:
    with pytest.raises(UsageError) as caught:
        collect(file=None, names=[f"TOKEN={KEY}"], wanted=(), environment={})
    assert KEY not in str(caught.value)
