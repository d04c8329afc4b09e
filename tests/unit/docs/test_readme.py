"""What the README and CONTRIBUTING show is so: commands print what stands below them, and paths exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import Plugin
from gocdnext_sdk.host.cli.commands import COMMANDS, group
from gocdnext_sdk.host.manifest.load import load_plugin

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "README.md").read_text()
SHOWN = re.findall(r"^```sh\n((?:(?!```).)*)^```\n\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=["plan", "mistakes"])
def test_a_command_prints_what_is_shown(command: str, output: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.stdout == output


def test_the_plugin_is_one(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "plugin.py").write_text(code)
    plugin: type[Plugin[Any]] = load_plugin(tmp_path)
    assert plugin.name == "gocdnext-plugin-hadolint"
    assert set(plugin.inputs.model_fields) == {"dockerfile", "token", "timeout"}


def test_every_option_of_run_in_the_table_is_there() -> None:
    command = group.get_command(None, "run")  # type: ignore[arg-type]
    assert command
    options = {name for parameter in command.params for name in parameter.opts}
    shown = re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE)
    assert shown
    assert set(shown) <= options


def test_every_command_that_is_named_is_there() -> None:
    named = set(re.findall(r"gocdnext-plugin ([a-z]+)\b", PAGE))
    assert named <= set(COMMANDS)


def test_every_plugin_and_every_example_is_in_its_table() -> None:
    for folder in ("plugins", "examples"):
        there = {path.name for path in (ROOT / folder).iterdir() if path.is_dir()}
        assert set(re.findall(rf"\]\({folder}/([\w-]+)/", PAGE)) - {"README.md"} == there


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "examples/README.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    file = ROOT / name
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", file.read_text()):
        assert (file.parent / target).exists(), target


def test_every_path_and_every_make_target_in_contributing_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"`((?:sdk|plugins|tests|docs|testbed)/[\w./-]*)`", text)
    missing = [path for path in paths if "NAME" not in path and not (ROOT / path).exists()]
    assert paths
    assert not missing
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([\w-]+)", text, re.MULTILINE)) <= targets


def test_every_room_is_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for path in (ROOT / "sdk" / "gocdnext_sdk").iterdir():
        if not path.name.startswith("_") and path.name != "py.typed":
            assert path.name in text, f"CONTRIBUTING.md does not say what {path.name} is for"


def test_every_module_of_the_harness_is_in_its_table() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition("### From a file to a report")[2].partition("\n## ")[0]
    there = (ROOT / "sdk" / "gocdnext_sdk" / "host" / "harness").iterdir()
    modules = {f"{path.name}/" if path.is_dir() else path.name for path in there if path.name[0] != "_"}
    assert set(re.findall(r"`(\w+(?:\.py|/))`", section)) == modules


def test_the_exit_codes_are_those_of_the_page_about_errors() -> None:
    def codes(text: str) -> set[str]:
        return set(re.findall(r"^\| (\d+|128\+n) \|", text, re.MULTILINE))

    assert codes(PAGE) == codes((ROOT / "docs" / "errors.md").read_text())
