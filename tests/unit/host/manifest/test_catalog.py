"""Which manifest an image is checked against, and where manifests come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.load import FolderError
from gocdnext_sdk.host.manifest.model import Manifest

ROOT = Path(__file__).parents[4]
MINE = """
from gocdnext_sdk import Plugin, PluginInputs
class Inputs(PluginInputs):
    word: str
class Mine(Plugin[Inputs]):
    name = "mine"
    inputs = Inputs
    def run(self): ...
"""


def test_a_checkout_has_its_own_plugins() -> None:
    folders = {path.parent.name for path in ROOT.glob("plugins/*/plugin.yaml")}
    assert set(Catalog.load().names) == {f"gocdnext-plugin-{name}" for name in folders}


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ghcr.io/klinux/gocdnext-plugin-trivy:v1", "gocdnext-plugin-trivy"),
        ("registry:5000/gocdnext-plugin-trivy@sha256:0", "gocdnext-plugin-trivy"),
        ("gocdnext-plugin-trivy", "gocdnext-plugin-trivy"),
        ("docker.io/aquasec/trivy:0.74.0", None),
        ("ghcr.io/klinux/gocdnext-plugin-node:v1", "node"),
        ("gocdnext/node:v1", "node"),
        ("ghcr.io/klinux/gocdnext-plugin-other:v1", None),
    ],
)
def test_an_image_is_looked_up_by_its_last_segment(image: str, name: str | None) -> None:
    found = Catalog([Manifest(name="gocdnext-plugin-trivy"), Manifest(name="node")]).find(image)
    assert (found.name if found else None) == name


def test_the_manifest_of_the_very_name_wins() -> None:
    catalog = Catalog([Manifest(name="gocdnext-plugin-trivy"), Manifest(name="trivy")])
    assert catalog.find("a.b/gocdnext-plugin-trivy") == Manifest(name="gocdnext-plugin-trivy")
    assert catalog.find("a.b/trivy") == Manifest(name="trivy")


def test_an_authors_own_manifest_wins(tmp_path: Path) -> None:
    (tmp_path / "plugin.yaml").write_text("name: gocdnext-plugin-trivy\ninputs: {only: {}}\n")
    found = Catalog.load([tmp_path]).find("gocdnext-plugin-trivy")
    assert found is not None
    assert [spec.name for spec in found.inputs] == ["only"]


def test_code_is_known_before_its_manifest_is_written(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "plugin.py").write_text(MINE)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "plugin.yaml").write_text("name: other\n")
    found = Catalog.load([tmp_path])
    assert [spec.name for spec in found.named("mine").inputs if spec.name == "word"] == ["word"]
    assert found.find("a.b/other") is not None


def test_a_folder_without_plugins_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"contains no plugin\.yaml and no plugin\.py"):
        Catalog.load([tmp_path])
