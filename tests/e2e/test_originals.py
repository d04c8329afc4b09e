"""The SDK's readers of YAML and of image references against those whose grammar they read.

What the SDK accepts they accept, and find the same in it: else a pipeline would pass here and fail there, or
an image would be another one to a tool. Where the SDK refuses more, it is for one of the reasons listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.originals import Original, many, original

from gocdnext_sdk import Reference
from gocdnext_sdk.host.pipeline.errors import PipelineError
from gocdnext_sdk.host.pipeline.yaml import LINE_BREAK, Node, ScalarNode, SequenceNode, compose

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def yaml_v3() -> Iterator[Original]:
    with original("yaml-parser") as ask:
        yield ask


@pytest.fixture(scope="module")
def tools() -> Iterator[Original]:
    with original("reference-parser") as ask:
        yield ask


YAML = [
    *(
        "a",
        "b: ",
        "k: v\n",
        "- ",
        "- x\n",
        "\n",
        "  ",
        "    ",
        " ",
        ",",
        ": ",
        ":",
        "? ",
        "?",
        "{",
        "}",
        "[",
        "]",
    ),
    *(
        ", ",
        "# c\n",
        "#",
        "'",
        '"',
        "\\",
        "\\/",
        "\\n",
        "\\x41",
        "\\u0041",
        "|\n",
        "|-\n",
        ">\n",
        ">+2\n",
        "|2-\n",
    ),
    *(
        "&a ",
        "*a",
        "*b",
        "!!str ",
        "!x ",
        "!<tag:yaml.org,2002:int> ",
        "@",
        "`",
        "\t",
        "\ufeff",
        "\u2028",
        "\x85",
    ),
    *(
        "\r\n",
        "\r",
        "é",
        "\x07",
        "\x7f",
        "~",
        "null",
        "1.10",
        "<<: ",
        "=",
        "!",
        "key: |\n  text\n",
        "- [a, b]\n",
    ),
    *(
        "{a: b, c: d}",
        '"a\n b"',
        "'a\n\n b'",
        "a\n b\n",
        "- - x\n",
        "-\n",
        "x:\n  - y\n",
        "\U0001f600",
        "\ufffe",
        "[a?b]",
    ),
]
BEGINNINGS = [
    "",
    "",
    "",
    "---\n",
    "--- ",
    "%YAML 1.1\n---\n",
    "%YAML 1.2\n---\n",
    "%TAG ! x:\n---\n",
    "\ufeff",
    "# c\n",
]

STRICTER = re.compile(
    "expected <document start>"  # text behind the document, which yaml.v3 never looks at
    "|a byte order mark within"
    "|scanning a tag|parsing a tag"  # `!]`, where yaml.v3 ends a tag early
    "|levels deep"
    "|did not find expected key|as nothing above it is"  # `{}: a` behind a document that is whole without it
)
"""Where the SDK refuses what yaml.v3 reads."""

TAB_BEFORE_COMMENT = re.compile(r"[ \t]+(?:#|$)", re.MULTILINE)
"""What yaml.v3 skips in places where libyaml refuses a tab; the SDK refuses it too, and says what to do."""


def shape(node: Node) -> Any:
    if isinstance(node, ScalarNode):
        return node.scalar.text
    if isinstance(node, SequenceNode):
        return ["sequence", *map(shape, node.items)]
    return ["mapping", *(shape(each) for entry in node.entries for each in entry)]


def shape_of_original(node: dict[str, Any]) -> Any:
    if node["kind"] == "scalar":
        return node.get("text", "")
    return [node["kind"], *map(shape_of_original, node.get("items", ()))]


def agree_on_yaml(text: str, yaml_v3: Original) -> None:
    theirs = yaml_v3(text)
    try:
        ours = shape(compose(text, "f.yaml"))
    except PipelineError as error:
        stricter = STRICTER.search(str(error)) or _at_a_tab_before_a_comment(error, text)
        assert "error" in theirs or stricter, (str(error), theirs)
    else:
        assert theirs.get("error") is None
        assert ours == shape_of_original(theirs["root"])


def _at_a_tab_before_a_comment(error: PipelineError, text: str) -> bool:
    (problem,) = error.problems
    if "a tab" not in problem.what:
        return False
    line = LINE_BREAK.split(text)[problem.mark.line - 1]
    return TAB_BEFORE_COMMENT.match(line, problem.mark.column - 1) is not None


@example("k: v\n\ufeffx: y\n")
@example("---\n# c\n\t# c\n")
@example("? \t# c\n")
@example("{u: https://x/y?z=1}")
@example('a: "x\\/y"')
@example("%YAML 1.2\n---\na: b\n")
@example("a: b\n---\n@bad")
@given(
    st.builds(
        str.__add__, st.sampled_from(BEGINNINGS), st.lists(st.sampled_from(YAML), max_size=10).map("".join)
    )
)
@many(1000)
def test_what_is_read_as_yaml_is_read_alike(yaml_v3: Original, text: str) -> None:
    agree_on_yaml(text, yaml_v3)


@pytest.mark.parametrize(
    "file",
    [path for path in sorted(ROOT.glob("**/*.y*ml")) if ".venv" not in path.parts],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_and_so_are_the_files_of_this_repository(yaml_v3: Original, file: Path) -> None:
    agree_on_yaml(file.read_text(), yaml_v3)


HOSTS = [
    *(
        "",
        "",
        "ghcr.io/",
        "localhost/",
        "localhost:5000/",
        "a:1/",
        "EXAMPLE.com/",
        "[::1]:5000/",
        "[fe80::1%25en0]/",
    ),
    *(
        "docker.io/",
        "index.docker.io/",
        "127.0.0.1/",
        "A.b/",
        "a.b:0/",
        "a.b:080/",
        "a.b:65536/",
        "Org/",
        "-a.b/",
        "a..b/",
    ),
]
PARTS = [
    "a",
    "bc",
    "1",
    ".",
    "-",
    "_",
    "__",
    "___",
    "--",
    "A",
    "/",
    "//",
    "é",
    "%",
    ":",
    "@",
    "x" * 100,
    "a" * 64,
]
ENDS = [
    *("", "", ":v1", ":_x", ":-x", ":.x", ":a/b", ":" + "t" * 128, ":" + "t" * 129, ":é", ":"),
    *("@sha256:" + "a" * 64, ":v1@sha256:" + "a" * 64, "@sha512:" + "b" * 128, "@sha256:" + "a" * 63),
    *("@sha256:" + "A" * 64, "@md5:" + "d" * 32, "@", "@sha384:" + "c" * 96),
]
HUB = {"index.docker.io", "docker.io"}


def parts(answer: dict[str, str]) -> tuple[str, str, str, str]:
    host = answer["registry"].lower()
    return ("docker.io" if host in HUB else host, answer["repository"], answer["tag"], answer["digest"])


@example("a" * 64)
@example("MyOrg/app")
@example("Foo/bar:v1")
@example("localhost:5000/library/a@sha256:" + "a" * 64)
@given(
    st.builds(
        lambda host, path, end: host + "".join(path) + end,
        st.sampled_from(HOSTS),
        st.lists(st.sampled_from(PARTS), min_size=1, max_size=6),
        st.sampled_from(ENDS),
    )
)
@many(1000)
def test_a_reference_means_the_same_image_to_all(tools: Original, text: str) -> None:
    theirs = tools(text)
    distribution, ggcr = theirs["distribution"], theirs["ggcr"]
    try:
        found = Reference.parse(text)
    except ValueError:
        assert "error" in distribution or "error" in ggcr or is_refused_by_us_alone(text), theirs
        return
    ours = (found.registry.host, found.repository, found.tag or "", found.digest or "")
    assert "error" not in distribution, distribution
    assert ours == parts(distribution)
    if "error" not in ggcr:  # it knows no names of one letter, and no other digest than sha256
        digested = ours if not found.digest else (*ours[:2], "", found.digest)  # it forgets the tag then
        assert digested == parts(ggcr)


def is_refused_by_us_alone(text: str) -> bool:
    """Whether the SDK alone refuses a reference: for a port that no socket has."""
    return re.match(r"[^/]*:(0+|0+[1-9]\d*|6553[6-9]|65[6-9]\d\d|[1-9]\d{5,})/", text) is not None
