"""The plugin in its image, as a job runs it. Builds the image; skipped without a Docker engine."""

from pathlib import Path

import pytest

from gocdnext_sdk.host.testing import PluginRunner

PLUGIN = Path(__file__).parents[1]


@pytest.mark.usefixtures("gocdnext_engine")
def test_the_image_does_what_the_plugin_does(
    gocdnext_run_plugin: PluginRunner, gocdnext_workspace: Path
) -> None:
    (gocdnext_workspace / "app.py").write_text("# FIXME\n")
    result = gocdnext_run_plugin(PLUGIN, mode="image").exited(1)
    assert "app.py:1: FIXME" in result.log
    assert result.outputs == {"FOUND": "1"}
