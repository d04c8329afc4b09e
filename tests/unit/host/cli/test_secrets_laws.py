"""A secret that can be written into a secrets file arrives as it is; all else is one line."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.secrets import read_file

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t\"'\\#$={}"), max_size=40
)
NOISE = st.lists(
    st.sampled_from([*"aA1=\"'\\#$ \n\r\t:-|>é{}[],&*!%@`", "export ", "KEY=", "\0"]), max_size=25
)


def quoted(value: str) -> str:
    """Return a value as `--secrets-file` wants one of several lines."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_dotenv_between_double_quotes(tmp_path: Path, secrets: dict[str, str]) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("".join(f"{name}={quoted(value)}\n" for name, value in secrets.items()))
    assert read_file(path) == secrets


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_yaml(tmp_path: Path, secrets: dict[str, str]) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(yaml.safe_dump(secrets, allow_unicode=True))
    assert read_file(path) == secrets


@given(NOISE.map("".join), st.sampled_from(["secrets.env", "secrets.yaml"]))
def test_whatever_a_file_holds_is_read_or_refused_with_its_place(
    tmp_path: Path, text: str, name: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    try:
        found = read_file(path)
    except UsageError as error:
        assert str(path) in str(error)
        return
    assert all(isinstance(value, str) for value in found.values())
