"""Do what docs/tutorial.md says: every command, with every file as it stands on the page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.environment import environment
from testbed.pins import ROOT, pins

TUTORIAL = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_EXITS = re.compile(r"^(.+?)  # exits with (\d+)$")


def script(page: str) -> Iterator[str]:
    """Yield shell lines that do what the page says."""
    yield "set -euo pipefail"
    yield 'pip() { test "$*" = "install gocdnext-plugin-sdk[cli] pytest"; }  # the tests have them'
    for language, title, text in _BLOCK.findall(page):
        if title:
            yield f"printf %s {shlex.quote(text)} > {shlex.quote(title)}"
        elif language == "sh":
            yield from map(_checked, text.splitlines())


def _checked(line: str) -> str:
    found = _EXITS.fullmatch(line)
    return f"code=0; {found[1]} || code=$?; test $code = {found[2]}" if found else line


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the commands of the page print."""
    found = {**os.environ, **environment()}
    found["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), found["PATH"]])
    done = subprocess.run(
        ["bash", "-c", "\n".join(script(TUTORIAL.read_text()))],
        cwd=tmp_path_factory.mktemp("tutorial"),
        env=found,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,  # what the page's title promises
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_scaffold_and_the_finished_plugin_pass_their_tests(log: str) -> None:
    assert re.findall(r"(\d+) passed in", log) == ["15", "8"]


def test_what_the_page_shows_is_what_is_printed(log: str) -> None:
    shown = [text for language, _, text in _BLOCK.findall(TUTORIAL.read_text()) if language == "text"]
    assert len(shown) == 2
    for text in shown:
        assert text in log


def test_the_page_pins_the_tool_as_the_project_does() -> None:
    assert f"FROM {pins()['regctl'].image} AS regctl" in TUTORIAL.read_text()
