"""Whatever stands in a Dockerfile: it is read, or refused with its line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.tools.dockerfile import parse

PIECES = st.sampled_from(
    [
        *" \t\n\r\\`\"'#=<>[]{}$é\0\x85\u2028\ufeff",
        *(
            "FROM ",
            "RUN ",
            "COPY ",
            "ADD ",
            "ARG ",
            "ONBUILD ",
            "ENV ",
            "a",
            "scratch",
            "--mount=type=secret",
            "--x",
        ),
        *(
            "<<EOF",
            "<<-E",
            "<<'E F'",
            "EOF\n",
            "# syntax=x\n",
            "# escape=`\n",
            '["a", "b"]',
            "[1]",
            "\\\n",
            "//",
        ),
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        found = parse(text)
    except ValueError as error:
        assert type(error).__name__ in {"ValueError", "Invalid"}
        assert str(error)
        return
    lines = [instruction.line for instruction in found.instructions]
    assert lines == sorted(lines)
    for instruction in found.instructions:
        assert isinstance(instruction.words, tuple)
