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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("COPY <<'E F' /x\nline\nE F\n", ("/x",)),
        ("COPY a <<E <<'F G' /x\nE\nF G\n", ("a", "/x")),
        ("LABEL a=<<'E b=c\n", ("a=<<'E", "b=c")),
        ("ENV <<'E F'\n", ("<<'E", "F")),
    ],
)
def test_a_heredoc_is_no_word_whatever_its_delimiter(text: str, words: tuple[str, ...]) -> None:
    assert only(text).words == words


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
    ("word", "end"), [("EOF", "EOF"), ("-EOF", "\tEOF"), ("'EOF'", "EOF"), ('-"EOF"', "\t\tEOF")]
)
def test_a_delimiter_may_be_quoted_and_indented(word: str, end: str) -> None:
    (document,) = only(f"COPY <<{word} /x\nline\n{end}").heredocs
    assert (document.name, document.word, document.content) == ("EOF", word, "line\n")


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


class TestAsBuildKitReadsThem:
    """What was read otherwise once. `tests/e2e/test_dockerfile.py` asks BuildKit's own parser."""

    @pytest.mark.parametrize("text", ["RUN echo $((1<<2))", "RUN (cat <<EOF)", "RUN cat <<EOF>x"])
    def test_a_here_document_is_a_whole_word(self, text: str) -> None:
        if "EOF" in text:
            with pytest.raises(ValueError, match="line 1: the here-document"):
                parse(f"{text}\na\nEOF\n")
        else:
            assert only(text).heredocs == ()

    def test_one_of_an_onbuild_belongs_to_what_it_holds(self) -> None:
        onbuild, user = parse("ONBUILD RUN <<E\nRUN --network=none x\nE\nUSER x").instructions
        assert onbuild.trigger is not None
        assert onbuild.trigger.keyword == "RUN"
        assert onbuild.heredocs == onbuild.trigger.heredocs == (Heredoc("E", "E", "RUN --network=none x\n"),)
        assert user.line == 4

    @pytest.mark.parametrize("end", ["\f", "\r", "\x85", "\u2028", "\v"])
    def test_only_a_line_feed_ends_a_line(self, end: str) -> None:
        assert len(parse(f"FROM x\nRUN a{end}RUN b").instructions) == 2

    def test_its_lines_keep_their_ends(self) -> None:
        assert only("RUN <<EOF\r\na\r\nEOF\r\n").heredocs == (Heredoc("EOF", "EOF", "a\r\n"),)

    def test_a_name_that_is_none_ends_the_directives(self) -> None:
        assert parse("# v=1\n# syntax=evil/f\n# escape=`\nFROM x").directives == {}
        with pytest.raises(ValueError, match="line 2: there is a second escape"):
            parse("# escape=`\n# escape=`\nFROM x")

    @pytest.mark.parametrize(
        ("text", "frontend"),
        [
            ("# syntax=a/b:1 more\nFROM x", "a/b:1"),
            ("#!/bin/x\n# syntax=a\nFROM x", "a"),
            ("// syntax=a\nFROM x", "a"),
            ('{"syntax": "a"}', "a"),
            ('#!x\n{"syntax": "a"}', "a"),
            ("  # syntax=a\nFROM x", None),
        ],
    )
    def test_the_frontend_is_the_one_buildkit_finds(self, text: str, frontend: str | None) -> None:
        assert parse(text).frontend == frontend

    def test_two_dashes_end_the_flags(self) -> None:
        assert only('CMD -- ["a"]').words == ("a",)
        assert only("COPY --link -- x /y").flags == (("link", None),)
        assert only("COPY --link -- x /y").words == ("x", "/y")

    def test_the_escape_character_is_taken_out_of_flags(self) -> None:
        run = only(r"RUN --mount=target=C:\cache --mount=target=/a\ b x")
        assert run.flags == (("mount", "target=C:cache"), ("mount", "target=/a b"))

    def test_a_script_is_a_run_that_is_its_here_document(self) -> None:
        assert only("RUN <<EOF\nx\nEOF").script == Heredoc("EOF", "EOF", "x\n")
        assert only("RUN << 'EOF'\nx\nEOF").script is not None
        assert only("RUN sh <<EOF\nx\nEOF").script is None
        assert only("COPY <<EOF /x\nx\nEOF").script is None

    @pytest.mark.parametrize(("text", "said"), [("", "has no FROM"), ("# a\n\n", "has no FROM")])
    def test_an_empty_one_is_a_mistake(self, text: str, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            parse(text)

    def test_a_word_that_is_no_string_in_json_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="line 2: the JSON array of COPY may hold strings only"):
            parse('FROM x\nCOPY ["a", 1]')
