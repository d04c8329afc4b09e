"""Dockerfiles as BuildKit's parser reads them: lines, flags, continuations, here-documents."""

from __future__ import annotations

import pytest

from gocdnext_sdk.tools.dockerfile import Heredoc, Instruction, json_words, parse


def only(text: str) -> Instruction:
    (instruction,) = parse(text).instructions
    return instruction


def seen(text: str) -> list[tuple[int, str, str]]:
    return [(each.line, each.keyword, each.text) for each in parse(text).instructions]


def test_every_instruction_has_the_line_it_starts_on() -> None:
    text = "# a comment\n\nfrom base AS build\n  RUN one \\\n   two\nCopy a b\n"
    assert seen(text) == [(3, "FROM", "base AS build"), (4, "RUN", "one    two"), (6, "COPY", "a b")]


def test_a_tab_parts_words_too() -> None:
    assert seen("RUN\techo x\nONBUILD") == [(1, "RUN", "echo x"), (2, "ONBUILD", "")]


def test_comments_and_empty_lines_within_an_instruction_are_no_part_of_it() -> None:
    assert seen("RUN a && \\\n# why\n\n  b\nUSER x") == [(1, "RUN", "a &&   b"), (5, "USER", "x")]


def test_an_escaped_escape_continues_nothing() -> None:
    assert seen("RUN a \\\\\nUSER x") == [(1, "RUN", "a \\\\"), (2, "USER", "x")]


def test_the_escape_directive_names_another_character() -> None:
    assert seen("# escape=`\nRUN dir c:\\\nRUN a `\n b") == [(2, "RUN", "dir c:\\"), (3, "RUN", "a  b")]


def test_directives_end_with_the_first_other_line() -> None:
    text = "# syntax = docker/dockerfile:1\n# check=skip=all\n\n# escape=`\nFROM x"
    assert parse(text).directives == {"syntax": "docker/dockerfile:1", "check": "skip=all"}


def test_flags_stand_before_all_else() -> None:
    run = only("RUN --mount=type=cache,target=/a \\\n  --network=none cmd --not=ours")
    assert run.flags == (("mount", "type=cache,target=/a"), ("network", "none"))
    assert run.text == "cmd --not=ours"
    assert only('COPY --link --chown="a b" x y').flags == (("link", None), ("chown", "a b"))


def test_a_here_document_is_not_read_as_instructions() -> None:
    text = "RUN <<EOF\nFROM inside\n\tEOF\nEOF\nUSER x"
    run, user = parse(text).instructions
    assert run.heredocs == (Heredoc("EOF", "EOF", "FROM inside\n\tEOF\n"),)
    assert user.line == 5


@pytest.mark.parametrize(
    ("word", "end", "expands"),
    [("EOF", "EOF", True), ("-EOF", "\tEOF", True), ("'EOF'", "EOF", False), ('-"EOF"', "\t\tEOF", False)],
)
def test_a_delimiter_may_be_quoted_and_indented(word: str, end: str, expands: bool) -> None:
    (document,) = only(f"COPY <<{word} /x\nline\n{end}").heredocs
    assert (document.name, document.word, document.content) == ("EOF", word, "line\n")
    assert document.expands is expands


def test_an_instruction_may_have_several() -> None:
    copy = only("COPY <<a <<b /x/\n1\na\n2\nb\n")
    assert [each.content for each in copy.heredocs] == ["1\n", "2\n"]
    assert copy.words == ("/x/",)


@pytest.mark.parametrize(
    "text",
    ['RUN echo "<<EOF"', "RUN echo '<<EOF'", "RUN cat <<<word", 'RUN ["sh", "<<EOF"]', "ENV A=<<EOF"],
)
def test_what_only_looks_like_one(text: str) -> None:
    assert only(text).heredocs == ()


def test_one_that_does_not_end_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r'line 2: the here-document "EOF" does not end'):
        parse("FROM x\nRUN <<EOF\nFROM y\n")


def test_the_json_form_is_read_as_json() -> None:
    assert json_words('["a b", "c"]') == ("a b", "c")
    assert json_words("[ -e x ] && y") is None
    assert json_words('["a", 1]') is None
    assert only('COPY ["a b", "/c d/"]').words == ("a b", "/c d/")
