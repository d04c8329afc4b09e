"""What stays out of a build. tests/e2e/test_dockerignore.py asks BuildKit's own matcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.tools.dockerignore import find, literal, of_the_platform, parse, read, render


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("\ufeff# a\n\n  b  \r\n #c\n", ("b", "#c")),
        ("/a/\n./b\nc//d/../e\n/", ("a", "b", "c/e", "/")),
        ("! x\n!/y/\n!", ("!x", "!y", "!")),
        ("**/test\n*.txt\n..\n/ /", ("**/test", "*.txt", "..")),
        ("/!a\n/ /b\n! /c", ("!a", "/b", "!c")),
    ],
)
def test_patterns_are_read_as_buildkit_reads_them(text: str, patterns: tuple[str, ...]) -> None:
    assert parse(text) == patterns


def test_line_ends_and_blanks_are_those_of_go(tmp_path: Path) -> None:
    file = tmp_path / ".dockerignore"
    file.write_bytes(b"a\rb\r\n\x1cc\x1c\n\xc2\x85d\xc2\xa0\n\xff\n")
    assert parse(read(file)) == ("a\rb", "\x1cc\x1c", "d", "\udcff")


@pytest.mark.parametrize("patterns", [("a", "!b"), ("/a", "! b"), ("#x", "**"), ("!./a", "!!b", "!/c")])
def test_what_is_written_is_read_again(patterns: tuple[str, ...]) -> None:
    assert parse(render(patterns)) == patterns


def test_the_dockerfiles_own_wins(tmp_path: Path) -> None:
    dockerfile = tmp_path / "docker" / "app.Dockerfile"
    dockerfile.parent.mkdir()
    assert find(dockerfile, tmp_path) is None
    (tmp_path / ".dockerignore").touch()
    assert find(dockerfile, tmp_path) == tmp_path / ".dockerignore"
    beside = dockerfile.with_name("app.Dockerfile.dockerignore")
    beside.touch()
    assert find(dockerfile, tmp_path) == beside


def test_the_platforms_folder_of_output_files_is_left_out_whole(tmp_path: Path) -> None:
    folder = tmp_path / ".gocdnext" / "outputs"
    folder.mkdir(parents=True)
    file = folder / "1.env"
    file.touch()
    (folder / "of-a-tool").touch()
    environ = {"GOCDNEXT_OUTPUT_FILE": str(file)}
    assert of_the_platform(environ, tmp_path) == (".gocdnext",)
    (tmp_path / ".gocdnext" / "release.yaml").touch()
    assert of_the_platform(environ, tmp_path) == (".gocdnext/outputs",)


def test_the_output_file_is_named_exactly_even_with_odd_characters(tmp_path: Path) -> None:
    file = tmp_path / "out[1].env"
    file.touch()
    (tmp_path / "else").touch()
    assert of_the_platform({"GOCDNEXT_OUTPUT_FILE": str(file)}, tmp_path) == (r"out\[1\].env",)
    assert of_the_platform({"GOCDNEXT_OUTPUT_FILE": "/elsewhere/x.env"}, tmp_path) == ()
    assert of_the_platform({}, tmp_path) == ()


def test_a_literal_is_escaped() -> None:
    assert literal("a/b.c") == "a/b.c"
    assert literal("!a*[") == r"\!a\*\["
    assert literal(" a\n ") == "[ ]a?[ ]"
