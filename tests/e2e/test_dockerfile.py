"""The SDK's reader of Dockerfiles against BuildKit's own parser, on what is written and on what might be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.originals import Original, many, original

from gocdnext_sdk.tools import dockerfile

ROOT = Path(__file__).parents[2]

OURS_TO_SKIP = ("must have two arguments", "can't find =")
"""What BuildKit's parser says of ENV and LABEL, whose words the SDK does not read."""

PIECES = [
    *(
        "FROM a\n",
        "RUN ",
        "run ",
        "COPY ",
        "ADD ",
        "ONBUILD ",
        "ENV a=b",
        "LABEL a=b",
        "CMD ",
        "HEALTHCHECK ",
    ),
    *("x", "y z", " ", "\t", "\n", "\r\n", "\f", "\v", "\x85", "\u2028", "\xa0", "à", "\ufeff", "\x01"),
    *("\\\n", "`\n", "\\\r\n", "\\ \n", "\\", "`", "# comment\n", "#!x\n"),
    *("<<EOF", "<<-EOF", "<<'EOF'", '<<"E F"', "<< EOF", "3<<EOF", "<<<", "<<", "cat <<E>x", "$((1<<2))"),
    *("EOF\n", "\tEOF\n", "E F\n", "EOF", "# escape=`\n", "# syntax=a/b c\n", "#check=skip=all\n", "# v=1\n"),
    *("// syntax=q\n", '{"syntax": "j"}', "--mount=type=cache,target=/a\\ b", "--x", "--", "--a='b c'"),
    *('["a"]', '["a",1]', "[1]", "[", "]", "'", '"', "|", "&&", ";", "(", "{"),
    *("$x", "${x}", "${x:-a b}", "${x/", "${", "$", "${x#y}", "${x%%y}", "${x:#y}", "${x/a/b}", "$1", "$@"),
]
"""What Dockerfiles are made of, and what trips their readers."""


@pytest.fixture(scope="module")
def buildkit() -> Iterator[Original]:
    with original("dockerfile-parser") as ask:
        yield ask


def quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def ours(text: str) -> dict[str, Any]:
    try:
        found = dockerfile.parse(text)
    except ValueError as error:
        return {"error": str(error)}
    return {
        "syntax": found.frontend or "",
        "escape": found.directives.get("escape", "\\"),
        "instructions": [
            {
                "line": each.line,
                "keyword": each.keyword,
                "flags": [
                    f"--{name}" if value is None else f"--{name}={value}" for name, value in each.flags
                ],
                "heredocs": [
                    {
                        "name": one.name,
                        "chomp": one.word.startswith("-"),
                        "expand": quotes(one.word) == quotes(one.name),
                        "content": one.content,
                    }
                    for one in each.heredocs
                ],
            }
            for each in found.instructions
        ],
    }


def theirs(answer: dict[str, Any]) -> dict[str, Any]:
    keys = ("line", "keyword", "flags", "heredocs")
    instructions = [
        {key: each[key] or ([] if key in ("flags", "heredocs") else each[key]) for key in keys}
        for each in answer["instructions"] or ()
    ]
    return {"syntax": answer["syntax"], "escape": answer["escape"], "instructions": instructions}


def agree(text: str, buildkit: Original) -> None:
    mine, answer = ours(text), buildkit(text)
    if "error" in answer:
        assert "error" in mine or any(each in answer["error"] for each in OURS_TO_SKIP), answer["error"]
    else:
        assert mine == theirs(answer)


@example('COPY <<"E F" <<-b /x/\n1\nE F\n\tb\n')
@example("RUN echo $((1<<2))\nUSER x")
@example("RUN cat <<EOF>x\na\nEOF\n")
@example("ONBUILD RUN <<E\nRUN --network=none x\nE\nUSER x")
@example("# v=1\n# syntax=evil/f\n# escape=`\nFROM x")
@example("# syntax=a\n# syntax=b\nFROM x")
@example("FROM a\n\\")
@example("CMD -- [1]\nCOPY -- x /y")
@example("RUN --mount=type=cache,target=C:\\cache x\nRUN --mount=target=/a\\ b x")
@example("RUN x\fRUN y\rRUN z\x85RUN\u2028RUN")
@example("FROM x\r\nRUN <<EOF\r\na\r\nEOF\r\n")
@example("\ufeff# escape=`\nRUN a `\n b")
@example("RUN echo 'it''s <<EOF\nUSER x")
@example(f"FROM a\nRUN {'x' * 65600}")
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@many(800)
def test_both_read_the_same(buildkit: Original, text: str) -> None:
    agree(text, buildkit)


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("**/*Dockerfile")), ids=lambda file: str(file.relative_to(ROOT))
)
def test_and_so_they_do_with_the_ones_of_this_repository(buildkit: Original, file: Path) -> None:
    agree(file.read_text(), buildkit)
