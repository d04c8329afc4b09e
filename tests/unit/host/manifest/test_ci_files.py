"""What other CI systems are told of a plugin, held to what the plugin then understands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from gocdnext_sdk.contract.dialects import dialect
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.ci_files import FILES
from gocdnext_sdk.host.manifest.files import generate, outdated, write
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest

ROOT = Path(__file__).parents[4]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/plugin.py"))

MANIFEST = Manifest(
    name="gocdnext-plugin-teller",
    description="Tells.",
    inputs=(
        InputSpec(name="scan-type", type="string", description="What: a | b.", required=True, choices=("a",)),
        InputSpec(name="depth", type="integer", description="How deep.", default="1"),
        InputSpec(name="db-password", type="string", description="A password.", secret=True),
    ),
    outputs={"DIGEST": "A digest."},
)


def read(system: str) -> Any:
    return yaml.safe_load(FILES[system][1](MANIFEST))


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_every_plugin_has_them_and_they_say_what_the_model_says(folder: Path) -> None:
    assert {folder / name for name, _ in FILES.values()} <= set(generate(folder))
    assert outdated(folder, tuple(FILES)) == []


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
@pytest.mark.parametrize("system", FILES)
def test_they_are_yaml_and_name_the_published_image(folder: Path, system: str) -> None:
    text = (folder / FILES[system][0]).read_text()
    assert f"ghcr.io/klinux/gocdnext-plugin-{folder.name}:v1" in text
    if not FILES[system][0].endswith(".md"):
        assert all(isinstance(each, dict) for each in yaml.safe_load_all(text))


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
@pytest.mark.parametrize(
    ("system", "schema"), [("github", "vendor.github-actions"), ("gitlab", "vendor.gitlab-ci")]
)
def test_they_are_what_the_systems_published_schema_wants(folder: Path, system: str, schema: str) -> None:
    validator = jsonschema.Draft7Validator(get_builtin_schema(schema))
    for content in yaml.safe_load_all((folder / FILES[system][0]).read_text()):
        validator.validate(content)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"inputs": [], "spec": {"inputs": []}})


def test_one_that_is_not_wanted_is_not_written(tmp_path: Path) -> None:
    folder = tmp_path / "trivy"
    shutil.copytree(ROOT / "plugins/trivy", folder, ignore=shutil.ignore_patterns("ci", "__pycache__"))
    assert not (folder / "ci").exists()
    write(folder)
    assert not (folder / "ci").exists()
    assert write(folder, ["github"]) == [folder / "ci/github/action.yml"]
    (folder / "ci/github/action.yml").write_text("old")
    assert write(folder) == [folder / "ci/github/action.yml"]


def test_an_action_has_no_default_that_would_count_as_given() -> None:
    action = read("github")
    assert list(action["inputs"]) == ["scan-type", "depth", "db-password"]
    assert not any("default" in each for each in action["inputs"].values())
    assert action["inputs"]["scan-type"]["required"] is True
    assert "Default: '1'" in action["inputs"]["depth"]["description"]
    assert list(action["outputs"]) == ["DIGEST"]
    given = {f"INPUT_{name.upper()}": "" for name in action["inputs"]} | {"INPUT_SCAN-TYPE": "a"}
    found = dialect("github").inputs(given, list(action["inputs"]))
    assert {name: text for name, text in found.items() if text} == {"PLUGIN_SCAN_TYPE": "a"}


def test_a_component_hands_every_input_but_secrets_over() -> None:
    spec, job = yaml.safe_load_all(FILES["gitlab"][1](MANIFEST))
    (job,) = job.values()
    inputs = spec["spec"]["inputs"]
    assert "default" not in inputs["scan-type"]
    assert inputs["depth"]["default"] == ""
    assert "db-password" not in inputs
    assert job["variables"][variable("scan-type")] == "$[[ inputs.scan-type ]]"
    assert job["artifacts"]["reports"]["dotenv"] == job["variables"]["PLUGIN_OUTPUTS_FILE"]


def test_a_task_takes_secrets_from_a_secret_and_has_the_mark() -> None:
    task = read("tekton")
    env = {each["name"]: each for each in task["spec"]["steps"][0]["env"]}
    assert dialect("tekton").is_here({name: each.get("value", "") for name, each in env.items()})
    assert env["PLUGIN_DB_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == "db-password"
    assert "value" not in env["PLUGIN_DB_PASSWORD"]
    assert [each["name"] for each in task["spec"]["results"]] == ["DIGEST"]


def test_a_pipe_has_bare_names() -> None:
    variables = {each["name"]: each for each in read("bitbucket")["variables"]}
    assert list(variables) == ["SCAN_TYPE", "DEPTH", "DB_PASSWORD"]
    assert variables["DB_PASSWORD"]["secret"] is True
    assert variables["SCAN_TYPE"]["allowed_values"] == ["a"]


def test_a_page_of_woodpecker_is_a_table() -> None:
    text = FILES["woodpecker"][1](MANIFEST)
    assert text.startswith("---\nname:")
    assert "| `scan-type` | yes | What: a \\| b. |" in text
