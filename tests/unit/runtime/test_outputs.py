"""What a plugin writes is what the platform reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gocdnext_sdk.contract.dialects.base import OutputTarget
from gocdnext_sdk.contract.outputs import parse
from gocdnext_sdk.errors import Error
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile


def written(path: Path, **values: str) -> dict[str, str]:
    outputs = OutputFile({"GOCDNEXT_OUTPUT_FILE": str(path)})
    for name, value in values.items():
        outputs.set(name, value)
    outputs.write()
    return parse(path.read_bytes())


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "a b",
        " blanks around ",
        "a=b=c",
        "#no comment",
        '"quoted"',
        "'quoted'",
        '""',
        '"',
        "ünï \U0001f680",
    ],
)
def test_a_value_arrives_unchanged(tmp_path: Path, value: str) -> None:
    assert written(tmp_path / "out.env", A=value, B="next") == {"A": value, "B": "next"}


def test_the_file_the_platform_made_is_used_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "out.env"
    path.touch(mode=0o600)
    written(path, DIGEST="sha256:abc")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("environ", [{}, {"GOCDNEXT_OUTPUT_FILE": ""}])
def test_a_job_that_declares_no_outputs_has_no_file(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = OutputFile(environ)
    outputs.set("A", "1")
    outputs.write()
    assert list(tmp_path.iterdir()) == []
    assert outputs.values == {"A": "1"}


def test_a_later_value_replaces_an_earlier_one_and_writing_twice_repeats_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.env"
    outputs = OutputFile({"GOCDNEXT_OUTPUT_FILE": str(path)})
    for value in ("1", "2"):
        outputs.set("A", value)
        outputs.write()
    assert parse(path.read_bytes()) == {"A": "2"}


@pytest.mark.parametrize("value", ["two\nlines", "carriage\rreturn", "nul\0", "x" * 70_000, "\udcff"])
def test_what_no_file_can_carry_is_an_error_and_leaves_the_file_alone(tmp_path: Path, value: str) -> None:
    path = tmp_path / "out.env"
    path.write_text("")
    with pytest.raises(Error, match=r"^outputs: "):
        written(path, GOOD="1", BAD=value)
    assert path.read_text() == ""


def test_what_is_no_text_is_told_where_it_is_set() -> None:
    with pytest.raises(TypeError, match="COUNT"):
        OutputFile({}).set("COUNT", 3)  # type: ignore[arg-type]


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "out.env"
    with pytest.raises(Error, match=f"^outputs: {path} cannot be written: No such file or directory$"):
        written(path, A="1")


HARNESS = {
    "sha256:ab": "sha256:ab",
    "it's": "it's",
    "a=b\\": "a=b\\",
    "a #b": "'a #b'",
    "$HOME": "'$HOME'",
    '"q': "'\"q'",
    " blanks ": "' blanks '",
    "'q'": "\"'q'\"",
    "it's #1 of \\$x": '"it\'s #1 of \\\\\\$x"',
}
"""What Harness gets, by what godotenv 1.4.0 and 1.5.1 were seen to read again."""


@pytest.mark.parametrize(("value", "line"), HARNESS.items())
def test_harness_reads_a_dotenv_file_in_which_values_may_need_quotes(
    tmp_path: Path, value: str, line: str
) -> None:
    path = tmp_path / "out.env"
    outputs = OutputFile({}, (OutputTarget(str(path), "dotenv"),))
    outputs.set("A", value)
    outputs.write()
    assert path.read_text() == f"A={line}\n"


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_file_of_the_checkout_is_neither_waited_for_nor_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What a tool made of it during the job, after the input was checked."""
    (checkout := tmp_path / "checkout").mkdir()
    monkeypatch.chdir(checkout)
    if kind == "pipe":
        os.mkfifo("out.env")
    else:
        Path("out.env").symlink_to(tmp_path / "outside")
    outputs = OutputFile({}, (OutputTarget("out.env", "file"),))
    outputs.set("A", "1")
    with pytest.raises(Error, match=r"out\.env"):
        outputs.write()
    assert not (tmp_path / "outside").exists()


def test_a_systems_summary_holds_no_secret(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    outputs = OutputFile(
        {}, (OutputTarget(str(tmp_path / "out")),), str(summary), Masker(["s3cr3t-value"]).mask
    )
    outputs.set("LOGIN", "me:s3cr3t-value")
    outputs.write()
    assert "<code>me:***</code>" in summary.read_text()
