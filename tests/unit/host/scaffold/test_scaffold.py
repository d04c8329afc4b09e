"""A new plugin is a copy of one that works, under its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.errors import Error
from gocdnext_sdk.host.manifest.files import outdated
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.pipeline import parse_file
from gocdnext_sdk.host.scaffold import scaffold
from gocdnext_sdk.host.testing import PluginRunner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image-labels"
    scaffold("image-labels", folder)
    return folder


def test_everything_has_the_new_name(folder: Path) -> None:
    plugin = load_plugin(folder)
    assert plugin.name == "gocdnext-plugin-image-labels"
    assert plugin.__name__ == "ImageLabels"
    for path in folder.rglob("*"):
        if "__pycache__" in path.parts:  # of the import above
            continue
        text = path.name if path.is_dir() else path.name + path.read_text()
        assert "my-plugin" not in text
        assert "MyPlugin" not in text


def test_what_is_generated_is_up_to_date(folder: Path) -> None:
    assert outdated(folder) == []


def test_its_pipeline_is_one(folder: Path) -> None:
    pipeline = parse_file(folder / ".gocdnext" / "release.yaml")
    assert [job.name for job in pipeline.jobs] == ["test", "publish"]
    assert pipeline.notices == ()


def test_it_works_at_once(folder: Path, workspace: Path, run_plugin: PluginRunner) -> None:
    (workspace / "app.py").write_text("# FIXME\n")
    assert run_plugin(folder).exited(1).outputs == {"FOUND": "1"}


def test_the_images_prefix_may_be_given(tmp_path: Path) -> None:
    scaffold("gocdnext-plugin-labels", tmp_path / "labels")
    assert load_plugin(tmp_path / "labels").name == "gocdnext-plugin-labels"


def test_nothing_is_overwritten(folder: Path) -> None:
    (folder / "plugin.py").write_text("mine")
    with pytest.raises(Error, match="exists and is not empty") as error:
        scaffold("image-labels", folder)
    assert error.value.exit_code == 2
    assert (folder / "plugin.py").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["Labels", "image_labels", "image--labels", "../labels", "-labels", "", "1st"]
)
def test_a_name_that_no_image_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Error, match="cannot be a plugin's name"):
        scaffold(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()
