"""The command itself: how it ends when something is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli import MODULES
from gocdnext_sdk.host.cli.commands import group

ROOT = Path(__file__).parents[4]

EXTRA = tuple(sorted(MODULES))


def run(folder: Path, *argv: str, absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command where the modules `absent` cannot be imported."""
    script = (
        f"import sys; sys.argv[1:] = {list(argv)}; sys.modules.update(dict.fromkeys({absent}))\n"
        "from gocdnext_sdk.host.cli import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("argv", [("--help",), ("run", "--help"), ("lint", "."), ("new", "some-check")])
def test_without_the_extra_it_names_the_extra(tmp_path: Path, argv: tuple[str, ...]) -> None:
    done = run(tmp_path, *argv, absent=EXTRA)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "gocdnext-plugin-sdk[cli]" in line


def test_another_module_than_those_of_the_extra_is_not_promised_of_it(tmp_path: Path) -> None:
    done = run(tmp_path, "lint", ".", absent=("gocdnext_sdk.host.cli.lint",))
    assert done.returncode == 70
    (line,) = done.stderr.splitlines()
    assert "gocdnext_sdk.host.cli.lint" in line
    assert "pip install" not in line


def test_the_modules_of_the_extra_are_those_of_its_distributions() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needed = [each for extra in ("cli", "registry", "docker", "crypto", "yaml") for each in listed[extra]]
    names = {re.split(r"[^\w-]", each)[0].lower() for each in needed} - {"gocdnext-plugin-sdk"}
    owners = packages_distributions()
    assert {owner.lower() for module in MODULES for owner in owners[module]} == names


def test_debugging_shows_where_and_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.yaml").write_text("jobs: 1\n")
    assert run(tmp_path, "run", "bad.yaml").returncode == 2
    monkeypatch.setenv("GOCDNEXT_DEBUG", "1")
    done = run(tmp_path, "run", "bad.yaml")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_the_pytest_plugin_hurts_nobody_without_the_extra(tmp_path: Path) -> None:
    """Its entry point is there as well, and pytest imports it before anything else."""
    (tmp_path / "test_it.py").write_text("def test_it(tmp_path): pass\n")
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({EXTRA}))\n"
        "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def helps(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """Yield the help of a command and of those below it."""
    yield command.get_help(ctx)
    for name in command.list_commands(ctx) if isinstance(command, click.Group) else ():
        found = command.get_command(ctx, name)
        assert found
        yield from helps(found, click.Context(found, ctx, info_name=name))


def test_no_help_says_folder() -> None:
    """It is a directory, as in every metavar."""
    found = "\n".join(helps(group, click.Context(group, info_name="gocdnext-plugin")))
    assert "DIRECTORY" in found
    assert [line for line in found.splitlines() if "folder" in line.lower()] == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["exec", "trivy", "--with", "target"], "'target' is not KEY=VALUE"),
        (["exec", "trivy", "--with", "target=a", "--with", "target=b"], "target is given twice"),
        (["run", "--var", "A=1", "--var", "A=2"], "A is given twice"),
    ],
)
def test_a_pair_that_cannot_be_meant_is_refused(argv: list[str], said: str) -> None:
    result = CliRunner().invoke(group, argv)
    assert result.exit_code == 2
    assert said in result.output


def test_no_line_about_a_command_is_cut_off() -> None:
    found = "\n".join(helps(group, click.Context(group, info_name="gocdnext-plugin", terminal_width=80)))
    assert [line for line in found.splitlines() if line.endswith("...") and "[" not in line] == []


@pytest.mark.parametrize("former", ["artifacts"])
def test_a_command_under_its_former_name_works_and_is_not_listed(former: str) -> None:
    assert CliRunner().invoke(group, [former, "--help"]).exit_code == 0
    assert f"  {former} " not in CliRunner().invoke(group, ["--help"]).output


@pytest.mark.parametrize("option", ["--directory", "--folder"])
def test_new_takes_a_directory_and_its_former_name(tmp_path: Path, option: str) -> None:
    result = CliRunner().invoke(
        group, ["new", "hadolint", option, str(tmp_path / "it")], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert (tmp_path / "it" / "plugin.py").is_file()
