"""`gocdnext-plugin plugins`: what there is, and what a server's operator is given of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.commands import group

ROOT = Path(__file__).parents[4]
NAMES = sorted(f"gocdnext-plugin-{path.parent.name}" for path in ROOT.glob("plugins/*/plugin.yaml"))


@pytest.fixture
def third(tmp_path: Path) -> Path:
    """Somebody else's plugin."""
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "plugin.yaml").write_text(
        "name: hello\ndescription: Greets.\ninputs: {name: {required: true}}\n"
    )
    return folder


def invoke(*argv: str) -> str:
    result = CliRunner().invoke(group, ["plugins", *argv], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def loaded_by_the_server(folder: Path) -> dict[str, dict[str, object]]:
    """Read a catalog as the server does: docs/contract.md §1.1, §1.3."""
    found = {}
    for file in folder.glob("*/plugin.yaml"):
        content = yaml.safe_load(file.read_text())
        assert content["name"] == file.parent.name, "the whole catalog fails to load"
        found[content["name"]] = content
    return found


def test_the_plugins_are_listed(third: Path) -> None:
    lines = invoke("list", "--plugins", str(third)).splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted([*NAMES, "hello"])
    assert any(line.endswith("  Greets.") for line in lines)


def test_one_is_shown_by_its_short_name(third: Path) -> None:
    text = invoke("show", "trivy")
    assert text.startswith("gocdnext-plugin-trivy:v1\n")
    assert "  scan-type (default: fs; one of " in text
    assert "  DIGEST\n" in text
    assert "uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1" in text
    assert "  name (required)" in invoke("show", "hello", "--plugins", str(third))


def test_one_that_is_not_there_is_an_error_with_a_suggestion() -> None:
    result = CliRunner().invoke(group, ["plugins", "show", "trivvy"])
    assert isinstance(result.exception, UsageError)
    assert "did you mean `trivy`?" in str(result.exception)


def test_a_server_takes_the_catalog(third: Path, tmp_path: Path) -> None:
    for _ in range(2):  # once more, for a new version
        invoke("catalog", str(tmp_path / "catalog"), "--plugins", str(third))
    found = loaded_by_the_server(tmp_path / "catalog")
    assert sorted(found) == sorted([*NAMES, "hello"])
    ours = yaml.safe_load((ROOT / "plugins/trivy/plugin.yaml").read_text())
    assert found["gocdnext-plugin-trivy"] == ours
    invoke("catalog", str(tmp_path / "one"), "--only", "cosign")
    assert sorted(loaded_by_the_server(tmp_path / "one")) == ["gocdnext-plugin-cosign"]


def test_a_directory_with_which_the_server_would_not_start_is_refused() -> None:
    result = CliRunner().invoke(group, ["plugins", "catalog", str(ROOT / "plugins")])
    assert isinstance(result.exception, UsageError)
    assert "would not start" in str(result.exception)
    assert not list(ROOT.glob("plugins/gocdnext-plugin-*"))


def test_helm_carries_the_very_same(third: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(invoke("helm-values", "--plugins", str(third)))["extraPlugins"]
    invoke("catalog", str(tmp_path / "catalog"), "--plugins", str(third))
    assert {name: yaml.safe_load(text) for name, text in values.items()} == loaded_by_the_server(
        tmp_path / "catalog"
    )
