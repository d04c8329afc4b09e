"""The plugin alone: as a process, with the job's environment and nothing else."""

from pathlib import Path

import pytest

from gocdnext_sdk.contract.dialects import dialects
from gocdnext_sdk.host.testing import PluginRunner

PLUGIN = Path(__file__).parents[1]


def test_what_is_clean_passes(gocdnext_run_plugin: PluginRunner, gocdnext_workspace: Path) -> None:
    (gocdnext_workspace / "app.py").write_text("print()\n")
    result = gocdnext_run_plugin(PLUGIN).passed()
    assert result.outputs == {"FOUND": "0"}


def test_a_word_is_found_with_its_place(gocdnext_run_plugin: PluginRunner, gocdnext_workspace: Path) -> None:
    (gocdnext_workspace / "app.py").write_text("print()\n# FIXME: later\n")
    result = gocdnext_run_plugin(PLUGIN, {"words": "FIXME, XXX"}).exited(1)
    assert "app.py:2: FIXME" in result.log
    assert result.outputs == {"FOUND": "1"}


def test_some_may_be_allowed(gocdnext_run_plugin: PluginRunner, gocdnext_workspace: Path) -> None:
    (gocdnext_workspace / "app.py").write_text("# FIXME\n")
    gocdnext_run_plugin(PLUGIN, {"allowed": "1"}).passed()


def test_a_mistake_is_reported_before_anything_is_done(gocdnext_run_plugin: PluginRunner) -> None:
    result = gocdnext_run_plugin(PLUGIN, {"pth": "src", "allowed": "many"}).exited(2)
    assert "with.pth: unknown input; did you mean `path`?" in result.errors


@pytest.mark.parametrize("system", ["docker", *(each.name for each in dialects())])
def test_it_runs_on_every_ci_system(
    gocdnext_run_plugin: PluginRunner, gocdnext_workspace: Path, system: str
) -> None:
    (gocdnext_workspace / "app.py").write_text("# XXX\n")
    result = gocdnext_run_plugin(PLUGIN, {"words": "XXX"}, as_=system, mode="function").exited(1)
    assert "app.py:1: XXX" in result.log
