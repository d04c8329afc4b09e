"""What is generated from our plugins is up to date, loads where it has to, and its examples are good."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gocdnext_sdk.contract.keys import is_portable
from gocdnext_sdk.host.manifest.files import outdated
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.manifest.schema import with_schema
from gocdnext_sdk.host.pipeline import parse_text
from gocdnext_sdk.host.pipeline.model import Plugin
from gocdnext_sdk.inputs.model import all_constraints

ROOT = Path(__file__).parents[4]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/plugin.py"))
EXAMPLES = sorted(ROOT.glob("plugins/*/examples/*.yaml"))

plugins = pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)


def test_there_are_plugins_to_look_at() -> None:
    assert {folder.name for folder in PLUGINS} >= {"buildx", "trivy", "cosign"}


@plugins
def test_generated_files_are_up_to_date(folder: Path) -> None:
    stale = [str(path.relative_to(ROOT)) for path in outdated(folder)]
    assert not stale, f"run: gocdnext-plugin manifest {folder.relative_to(ROOT)}"


@plugins
def test_the_name_is_what_the_server_looks_up(folder: Path) -> None:
    """It takes the image's last segment, and the image is called after the plugin."""
    assert load_plugin(folder).name == f"gocdnext-plugin-{folder.name}"


@plugins
def test_the_manifest_loads_in_the_servers_catalog(folder: Path) -> None:
    """By the rules of its reader, each of which would stop the whole server (docs/contract.md §1)."""
    text = (folder / "plugin.yaml").read_text()
    assert re.search(r"^image_tag: v[0-9]+$", text, re.MULTILINE)
    content: dict[str, Any] = yaml.safe_load(text)
    for key in ("name", "category", "description"):
        assert isinstance(content[key], str)
        assert content[key]
    for name, entry in content["inputs"].items():
        assert is_portable(name)
        assert isinstance(entry["required"], bool)
        assert isinstance(entry["description"], str)
        assert entry["description"].endswith((".", ")")), f"{name}: {entry['description']}"
        assert isinstance(entry.get("default", ""), str)
        assert not (entry["required"] and "default" in entry)
    for example in content["examples"]:
        assert set(example) == {"name", "description", "yaml"}
        assert all(isinstance(value, str) for value in example.values())


@plugins
def test_the_readme_has_its_tables(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert "| Input | Default | Description |" in text


@plugins
def test_every_rule_between_inputs_names_inputs_that_exist(folder: Path) -> None:
    model = load_plugin(folder).inputs
    names = {name.replace("_", "-") for name in model.model_fields}
    for rule in all_constraints(model):
        named = set(getattr(rule, "keys", ())) | {
            getattr(rule, key) for key in ("key", "other") if hasattr(rule, key)
        }
        assert named <= names


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_an_example_is_a_job_with_a_with_map_the_plugin_takes(path: Path) -> None:
    folder = path.parents[1]
    jobs = "".join(f"    {line}\n" for line in path.read_text().splitlines())
    needed = re.findall(r"needs\.([a-z_-]+)\.|^needs: \[(.+)\]", path.read_text(), re.MULTILINE)
    before = {name.strip() for pair in needed for names in pair for name in names.split(",")} - {""}
    script = "    stage: s\n    image: alpine\n    script: [make]\n"
    others = "".join(f"  {name}:\n{script}" for name in sorted(before))
    pipeline = parse_text(f"stages: [s]\njobs:\n{others}  example:\n    stage: s\n{jobs}", file=path.name)
    action = pipeline.job("example").action
    assert isinstance(action, Plugin)
    assert f"/gocdnext-plugin-{folder.name}@" in path.read_text()
    schema = with_schema(Manifest.of(folder))
    inputs = {key: value.text for key, value in action.inputs.items()}
    jsonschema.Draft202012Validator(schema).validate(inputs)
