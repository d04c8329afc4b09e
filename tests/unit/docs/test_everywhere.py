"""The same release in six dialects: each file is right for its system, and each step for its plugin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from gocdnext_sdk.contract.dialects import dialect
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.ci_files import FILES
from gocdnext_sdk.host.manifest.find import find_plugin
from gocdnext_sdk.inputs.model import as_text
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.inputs.translation import OUTPUTS_VARIABLE, translate

ROOT = Path(__file__).parents[3]
EVERYWHERE = ROOT / "examples" / "everywhere"
PLUGINS = ("kaniko", "trivy", "cosign")
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
KEY = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"


@dataclass(frozen=True)
class Step:
    """A step that runs a plugin.

    Args:
        plugin: its name.
        given: its inputs as the file has them.
        environ: what the system makes of them.
    """

    plugin: str
    given: dict[str, Any]
    environ: dict[str, str]


@dataclass(frozen=True)
class Dialect:
    """One of the files.

    Args:
        file: its path.
        schema: the published schema; None where none can be installed.
        steps: finds the steps in it.
        reference: how a step names what the build has put out; None where that cannot be handed on.
    """

    file: str
    schema: str | None
    steps: Callable[[Any], Iterator[Step]]
    reference: str | None


def known(text: str) -> str:
    """Put something good where the system knows something that we do not."""
    values = {
        r"\$\{\{ steps\.build\.outputs\.REFERENCE \}\}|\$REFERENCE|\$\(tasks\.build\.results\.REFERENCE\)": (
            f"ghcr.io/org/app@{DIGEST}"
        ),
        r"\$\{\{ github\.sha \}\}|\$\{(CI|DRONE)_COMMIT_SHA\}": COMMIT,
        r"\$BITBUCKET_COMMIT|\$\(params\.revision\)": COMMIT,
        r"\$CI_COMMIT_SHORT_SHA": COMMIT[:8],
        r"\$CI_REGISTRY_IMAGE|\$\(params\.image\)": "ghcr.io/org/app",
        r"\$\{\{ secrets\.COSIGN_KEY \}\}|\$COSIGN_KEY|<cosign_key>|<key-content>": KEY,
        r"\$\{\{ (secrets|github)\.\w+ \}\}|\$[A-Z_]+|<[\w-]+>": "something",
    }
    for pattern, value in values.items():
        text = re.sub(pattern, lambda _, value=value: value, text)
    return text


def plugin_of(image: str) -> str:
    (name,) = re.findall(r"ghcr\.io/klinux/gocdnext-plugin-([\w-]+):v1$", image)
    return str(name)


def github(content: Any) -> Iterator[Step]:
    for step in content["jobs"]["release"]["steps"]:
        if step["uses"].startswith("docker://"):
            environ = {f"INPUT_{key.upper()}": known(as_text(value)) for key, value in step["with"].items()}
            yield Step(plugin_of(step["uses"]), step["with"], environ)


def gitlab(content: Any) -> Iterator[Step]:
    for name in content["stages"]:
        job = content[name]
        given = {key: known(as_text(value)) for key, value in job["variables"].items()}
        yield Step(plugin_of(job["image"]), job["variables"], given)


def settings(key: Callable[[str], str]) -> Callable[[Any], Iterator[Step]]:
    """Find the steps of Woodpecker and Drone, which join lists by commas."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return f"<{value['from_secret']}>"
        return ",".join(map(as_text, value)) if isinstance(value, list) else as_text(value)

    def steps(content: Any) -> Iterator[Step]:
        for step in content["steps"]:
            environ = {f"PLUGIN_{key(name)}": known(text(value)) for name, value in step["settings"].items()}
            yield Step(plugin_of(step["image"]), step["settings"], environ)

    return steps


def bitbucket(content: Any) -> Iterator[Step]:
    for line in content["pipelines"]["branches"]["main"][0]["step"]["script"]:
        if not isinstance(line, dict):
            continue
        environ: dict[str, str] = {}
        for name, value in line["variables"].items():
            values = value if isinstance(value, list) else None
            environ |= {f"{name}_{number}": known(each) for number, each in enumerate(values or ())}
            environ |= {f"{name}_COUNT": str(len(values))} if values else {name: known(as_text(value))}
        yield Step(plugin_of(line["pipe"]), line["variables"], environ)


def tekton(content: Any) -> Iterator[Step]:
    for task in content["spec"]["tasks"]:
        name = task["taskRef"]["name"]
        made = yaml.safe_load((ROOT / "plugins" / name / FILES["tekton"][0]).read_text())["spec"]
        given = {each["name"]: each["value"] for each in task["params"]}
        declared = {each["name"]: each.get("default") for each in made["params"]}
        assert given.keys() <= declared.keys()
        assert {key for key, default in declared.items() if default is None} <= given.keys()
        assert {each["name"] for each in task["workspaces"]} == {each["name"] for each in made["workspaces"]}
        keys = ["username", "password"] + (["key-content", "key-password"] if name == "cosign" else [])
        filled = declared | given | {key: f"<{key}>" for key in keys}
        yield Step(name, given, {variable(key): known(text) for key, text in filled.items()})


DIALECTS = {
    "github": Dialect(
        "github/.github/workflows/release.yml",
        "vendor.github-workflows",
        github,
        "${{ steps.build.outputs.REFERENCE }}",
    ),
    "gitlab": Dialect("gitlab/.gitlab-ci.yml", "vendor.gitlab-ci", gitlab, "$REFERENCE"),
    "woodpecker": Dialect(
        "woodpecker/.woodpecker.yaml",
        "vendor.woodpecker-ci",
        settings(lambda key: key.replace("-", "_").upper()),
        None,
    ),
    "drone": Dialect("drone/.drone.yml", "vendor.drone-ci", settings(str.upper), None),
    "bitbucket": Dialect(
        "bitbucket/bitbucket-pipelines.yml", "vendor.bitbucket-pipelines", bitbucket, "$REFERENCE"
    ),
    "tekton": Dialect("tekton/pipeline.yaml", None, tekton, "$(tasks.build.results.REFERENCE)"),
}


def read(system: str) -> Any:
    # `on:` is a key to GitHub, and YAML 1.1 takes it for true.
    content = yaml.safe_load((EVERYWHERE / DIALECTS[system].file).read_text())
    return {"on" if key is True else key: value for key, value in content.items()}


def test_every_file_is_named_on_the_page() -> None:
    page = (EVERYWHERE / "README.md").read_text()
    files = {path.relative_to(EVERYWHERE).as_posix() for path in EVERYWHERE.rglob("*.y*ml")}
    assert files == {each.file for each in DIALECTS.values()}
    assert all(f"]({file})" in page for file in files)


@pytest.mark.parametrize("system", [name for name, each in DIALECTS.items() if each.schema])
def test_a_file_is_what_its_systems_schema_wants(system: str) -> None:
    schema = get_builtin_schema(DIALECTS[system].schema or "")
    jsonschema.Draft7Validator(schema).validate(json.loads(json.dumps(read(system))))


@pytest.mark.parametrize("system", DIALECTS)
def test_every_step_gets_inputs_that_its_plugin_takes(system: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    rules = dialect(system)
    found = list(DIALECTS[system].steps(read(system)))
    assert tuple(step.plugin for step in found) == PLUGINS
    for step in found:
        plugin = find_plugin(f"gocdnext-plugin-{step.plugin}")
        assert plugin
        environ = translate(plugin.inputs, {**rules.marks, **step.environ}, rules)
        assert environ.pop(OUTPUTS_VARIABLE, "build.env") == "build.env"
        warnings: list[str] = []
        inputs: Any = read_inputs(
            plugin.inputs, environ, lambda secret: None, warnings.append, workspace=tmp_path
        )
        assert warnings == []
        assert inputs.username == inputs.password.reveal() == "something"


@pytest.mark.parametrize("system", DIALECTS)
def test_what_was_built_is_scanned_and_signed(system: str) -> None:
    _, scan, sign = DIALECTS[system].steps(read(system))
    looked_at = {scan.given.get(key) for key in ("target", "PLUGIN_TARGET", "TARGET")} - {None}
    signed = {sign.given.get(key) for key in ("image", "PLUGIN_IMAGE", "IMAGE")} - {None}
    assert len(signed) == 1
    assert looked_at == signed
    if DIALECTS[system].reference:
        assert signed == {DIALECTS[system].reference}
    else:
        assert "COMMIT_SHA}" in str(signed), "the tag of this commit, which no other build sets"
