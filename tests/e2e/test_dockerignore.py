"""What a `.dockerignore` leaves out of BuildKit's builds, and of kaniko's by what the plugin hands it.

Both are asked: BuildKit's file system filter, and the matcher in kaniko.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.originals import Original, many, original

from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.tools import dockerignore, ignore_patterns

ROOT = Path(__file__).parents[2]

PIECES = [
    *("a", "b", "a.", "c.d", "x", "é", "/", "/", "**", "**/", "*", "?", "!", "!", "#", "..", "."),
    *(
        "[ab]",
        "[^a]",
        "[a-c]",
        "[*]",
        "[a-]",
        "[",
        "]",
        "\\*",
        "\\!",
        "\\d",
        "\\",
        "-",
        "^",
        "$",
        "(",
        ")",
        "+",
    ),
    *("{", "}", "{2}", "|", " ", "\t", "\x1c", "\x85", "\u3000", "\r", "\n", "\n", "\n", "\r\n", "\ufeff"),
]
"""What ignore files are made of, and what trips their readers."""

NAMES = ["a", "b", "a.", "c.d", "x", "é", "*", "a*", "[", "!a", "#", "a b", " a", "^", "-", "$", "("]


@pytest.fixture(scope="module")
def matchers() -> Iterator[Original]:
    with original("dockerignore-matcher") as ask:
        yield ask


@dataclass(frozen=True)
class Context:
    """A build context: its root, and the files in it."""

    root: Path
    files: Sequence[str]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Context]:
    """Give contexts that are the same in every run."""
    chosen = random.Random(0)
    found = []
    for _ in range(40):
        root = tmp_path_factory.mktemp("context")
        paths = [
            "/".join(chosen.choices(NAMES, k=chosen.randint(1, 4))) for _ in range(chosen.randint(1, 10))
        ]
        files = sorted(path for path in {*paths} if not any(each.startswith(f"{path}/") for each in paths))
        for path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        found.append(Context(root, files))
    return found


@pytest.fixture(scope="module")
def left_out() -> Callable[[Sequence[str], Path], tuple[str, ...]]:
    """Give what the kaniko plugin makes of patterns."""
    module: ModuleType = sys.modules[load_plugin(ROOT / "plugins" / "kaniko").__module__]
    found: Callable[[Sequence[str], Path], tuple[str, ...]] = module.context.left_out
    return found


def with_directories(files: Sequence[str]) -> set[str]:
    """Return files with all directories on the way to them, which a copy makes."""
    return {path[:end] for path in files for end in _ends(path)}


def _ends(path: str) -> Iterator[int]:
    yield len(path)
    yield from (at for at, character in enumerate(path) if character == "/")


@example("**/*.log\n!a\n", 0)
@example("a/b\n!a\n", 1)
@example("*\n!a/b\n", 2)
@example("**/a.\n", 3)
@example("**a\n", 4)
@example("\x1ca\x1c\n\x85b\x85\n", 5)
@example("a\rb\n", 6)
@example("/ /a\n/!/b\n! /x\n", 7)
@example("[\n", 8)
@example("^**\n**|x\nx{2}*\n", 9)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.integers(0, 39))
@many(1500)
def test_kaniko_leaves_out_what_buildkit_leaves_out(
    matchers: Original,
    contexts: Sequence[Context],
    left_out: Callable[[Sequence[str], Path], tuple[str, ...]],
    text: str,
    number: int,
) -> None:
    context = contexts[number]
    theirs = matchers({"text": text, "paths": context.files})
    patterns = dockerignore.parse(text)
    try:
        for pattern in patterns:
            ignore_patterns.read(pattern)
    except ValueError:
        return  # refused: it is malformed, or means more
    assert "error" not in theirs
    assert patterns == tuple(theirs["patterns"] or ())
    assert dockerignore.parse(dockerignore.render(patterns)) == patterns
    given = dockerignore.render(left_out(patterns, context.root))
    built = matchers({"text": given, "paths": context.files})
    assert with_directories(built["kaniko"] or ()) == {*(theirs["buildkit"] or ())}


@pytest.mark.parametrize("name", [*NAMES, "a\n", "a\\", "\ufeffa", "a\t", "!"])
def test_a_literal_matches_its_path_alone(matchers: Original, name: str) -> None:
    text = dockerignore.render([dockerignore.literal(f"{name}/{name}")])
    paths = [f"{name}/{name}", f"{name}/{name}b", f"b{name}/{name}", "a-a/a-a"]
    assert {*matchers({"text": text, "paths": paths})["buildkit"]} == {
        *(name, f"{name}/{name}b", f"b{name}", f"b{name}/{name}", "a-a", "a-a/a-a"),
    }
