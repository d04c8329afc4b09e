"""plugin.yaml, the JSON Schema and the README's tables of a small model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from gocdnext_sdk.host.cli.commands import group
from gocdnext_sdk.host.manifest.files import generate, outdated, write
from gocdnext_sdk.host.manifest.load import FolderError, load_plugin
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog
from gocdnext_sdk.inputs.constraints import Always
from gocdnext_sdk.inputs.model import all_constraints

SOURCE = '''
from typing import Literal
from gocdnext_sdk import *


class Inputs(RegistryLoginInputs):
    level: Literal["low", "high"] = Input("low", description="How much.", deprecated_aliases=("degree",))
    pipe: str | None = Input(
        None,
        description="A | B, told in a sentence that is so long that it has to be folded into lines: one, "
        "and another, and yet another, up to the full stop.",
    )
    quiet: Boolean = Input("true", description="Whether to be quiet: yes or no.")
    number: int = Input("10", description="A number.", ge=0)
    color: Literal["red", "blue"] = Input("red", description="A colour of what it says.")
    shade: int | None = Input(None, description="How dark.")
    token: Secret | None = Input(None, description="A token.")
    image: Reference = Input(description="The image.")

    constraints = (
        RequiredIf("token", "level", "high"),
        MutuallyExclusive("token", "pipe"),
        RequiredIf("pipe", "number", "10"),
        OnlyWith("color", "quiet", "false"),
        OnlyWith("shade", ("pipe", "color")),
    )


class Sample(Plugin[Inputs]):
    """Do something
    with an image.

    And more that the manifest leaves out.
    """

    name = "gocdnext-plugin-sample"
    category = "security"
    inputs = Inputs
    outputs = {"DIGEST": "The digest."}

    def run(self, inputs, job):
        return {}
'''
EXAMPLE = """# name: Do it
# description: As it is done.

uses: ghcr.io/org/gocdnext-plugin-sample@v1
with:
  image: ${{ needs.build.outputs.image }}
"""
README = """# Sample
<!-- inputs:begin -->
a stale table
<!-- inputs:end -->
between
<!-- outputs:begin --><!-- outputs:end -->
end
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sample"
    (folder / "examples").mkdir(parents=True)
    (folder / "plugin.py").write_text(SOURCE)
    (folder / "README.md").write_text(README)
    (folder / "examples" / "do.yaml").write_text(EXAMPLE)
    return folder


def catalog(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(generate(folder)[folder / "plugin.yaml"])
    return loaded


class TestCatalog:
    def test_what_the_server_reads(self, folder: Path) -> None:
        content = catalog(folder)
        assert content["name"] == "gocdnext-plugin-sample"
        assert content["category"] == "security"
        assert content["description"] == "Do something with an image."
        assert content["examples"] == [
            {
                "name": "Do it",
                "description": "As it is done.",
                "yaml": EXAMPLE.partition("\n\n")[2],
            }
        ]
        assert content["inputs"]["image"] == {
            "required": True,
            "description": "The image.",
            "type": "string",
            "format": "oci-reference",
        }
        assert content["inputs"]["quiet"]["default"] == "true"
        assert content["inputs"]["number"]["default"] == "10"

    def test_long_text_is_folded_without_a_change(self, folder: Path) -> None:
        text = generate(folder)[folder / "plugin.yaml"]
        assert max(map(len, text.splitlines())) <= 110
        assert not re.search(r"[ \t]$", text, re.MULTILINE)
        (field,) = (
            each for each in load_plugin(folder).inputs.model_fields.values() if "A | B" in each.description
        )
        assert catalog(folder)["inputs"]["pipe"]["description"] == field.description

    def test_upstreams_publishing_finds_its_line(self, folder: Path) -> None:
        assert re.search(r"^image_tag: v1$", generate(folder)[folder / "plugin.yaml"], re.MULTILINE)

    def test_what_it_holds_beside(self, folder: Path) -> None:
        inputs = catalog(folder)["inputs"]
        assert inputs["level"]["enum"] == ["low", "high"]
        assert inputs["token"]["secret"] is True
        assert (inputs["quiet"]["type"], inputs["number"]["type"]) == ("boolean", "integer")
        assert catalog(folder)["outputs"] == {"DIGEST": {"description": "The digest."}}

    def test_a_former_key_is_listed_since_the_server_refuses_unknown_ones(self, folder: Path) -> None:
        assert catalog(folder)["inputs"]["degree"] == {
            "required": False,
            "description": "Deprecated: write `level`.",
            "type": "string",
            "enum": ["low", "high"],
            "deprecated": True,
            "successor": "level",
        }

    def test_what_is_required_comes_first_and_the_login_last(self, folder: Path) -> None:
        names = list(catalog(folder)["inputs"])
        assert names[0] == "image"
        login = ["registry", "username", "password", "logins", "docker-config"]
        identity = ["registry-token-name", "registry-identity"]
        assert names[-9:] == [*login, *identity, "ca-file", "insecure-registries"]

    def test_rules_between_inputs_are_read_as_they_are_declared(self, folder: Path) -> None:
        write(folder)
        read = read_catalog(folder / "plugin.yaml").constraints
        declared = all_constraints(load_plugin(folder).inputs)
        assert [each for each in declared if not isinstance(each, Always)] == list(read)


class TestSchema:
    @pytest.fixture
    def validator(self, folder: Path) -> jsonschema.Draft202012Validator:
        schema = json.loads(generate(folder)[folder / "schema.json"])
        jsonschema.Draft202012Validator.check_schema(schema)
        return jsonschema.Draft202012Validator(schema)

    @pytest.mark.parametrize(
        "with_",
        [
            "{image: app, pipe: x}",
            "{image: app, number: 9}",
            '{image: app, number: "9", quiet: "Yes"}',
            "{image: app, number: 9, quiet: off}",
            '{image: app, number: 9, quiet: 1, level: ""}',
            "{image: app, number: 9, quiet: ~}",
            "{image: app, number: '${{ N }}', quiet: '${QUIET}', level: '${{ needs.a.outputs.b }}'}",
            "{image: app, number: 9, level: high, token: '${{ TOKEN }}'}",
            "{image: app, number: 9, username: me, password: '${{ P }}'}",
            "{image: app, number: 9, degree: low}",
            "{image: app, number: 9, color: blue, quiet: no, shade: 2}",
            "{image: app, number: 9, color: blue, quiet: '${{ Q }}', shade: 2}",
            "{image: app, number: 9, color: red, shade: ''}",
            "{image: app, number: 9, color: '${{ C }}', shade: 2}",
        ],
    )
    def test_what_the_plugin_takes(self, validator: jsonschema.Draft202012Validator, with_: str) -> None:
        validator.validate(yaml.safe_load(with_))

    @pytest.mark.parametrize(
        ("with_", "message"),
        [
            ("{number: 9}", "'image' is a required property"),
            ("{image: app, number: 9, imgae: x}", "'imgae' was unexpected"),
            ("{image: [app], number: 9}", r"\['app'\] is not of type"),
            ("{image: app, number: many}", "'many' is not valid"),
            ("{image: app, number: 9, quiet: maybe}", "'maybe' is not valid"),
            ("{image: app, number: 9, level: hihg}", "'hihg' is not valid"),
            ("{image: app, number: 9, level: high}", "'token' is a required property"),
            ("{image: app}", "'pipe' is a required property"),
            ("{image: app, number: 9, pipe: x, token: t}", "should not be valid"),
            ("{image: app, number: 9, color: blue}", "'quiet' is a required property"),
            ("{image: app, number: 9, color: blue, quiet: on}", "True is not valid under any"),
            ("{image: app, number: 9, shade: 2}", "is not valid under any"),
            ("{image: app, number: 9, shade: 2, color: red}", "is not valid under any"),
            ("{image: app, number: 9, username: me}", "'password' is a dependency of 'username'"),
        ],
    )
    def test_what_it_does_not(
        self, validator: jsonschema.Draft202012Validator, with_: str, message: str
    ) -> None:
        with pytest.raises(jsonschema.ValidationError, match=message):
            validator.validate(yaml.safe_load(with_))


class TestReadme:
    def test_the_tables_stand_between_the_markers_and_the_rest_stays(self, folder: Path) -> None:
        text = generate(folder)[folder / "README.md"]
        assert text.startswith("# Sample\n<!-- inputs:begin -->\n| Input | Default | Description |\n| --- |")
        assert "stale" not in text
        assert "| `image` | **required** | The image. |" in text
        assert "| `level` | `low` | How much. One of `low`, `high`. |" in text
        assert "| `token` |  | A token. Secret. |" in text
        assert "| A \\| B, told" in text
        assert "\n<!-- inputs:end -->\nbetween\n<!-- outputs:begin -->\n| Output | Description |" in text
        assert text.endswith("| `DIGEST` | The digest. |\n<!-- outputs:end -->\nend\n")

    def test_without_a_readme_there_is_no_table(self, folder: Path) -> None:
        (folder / "README.md").unlink()
        assert {path.name for path in generate(folder)} == {"plugin.yaml", "schema.json"}

    @pytest.mark.parametrize("text", ["# Sample\n", README + README])
    def test_a_readme_without_a_place_for_it_is_an_error(self, folder: Path, text: str) -> None:
        (folder / "README.md").write_text(text)
        with pytest.raises(FolderError, match="needs the lines <!-- inputs:begin --> and"):
            generate(folder)


class TestCommand:
    def run(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(group, ["manifest", *arguments])
        return result.exit_code, result.output

    def test_written_once_and_then_up_to_date(self, folder: Path) -> None:
        assert self.run("--check", str(folder))[0] == 1
        assert not (folder / "plugin.yaml").exists()
        assert self.run(str(folder)) == (
            0,
            "".join(f"{folder}/{name}: written\n" for name in ("plugin.yaml", "schema.json", "README.md")),
        )
        assert self.run("--check", str(folder)) == (0, "")
        assert self.run(str(folder)) == (0, "")

    def test_a_change_is_told_with_the_command_that_mends_it(self, folder: Path) -> None:
        write(folder)
        (folder / "examples" / "do.yaml").write_text(EXAMPLE.replace("As it is", "Otherwise"))
        assert [path.name for path in outdated(folder)] == ["plugin.yaml"]
        assert self.run("--check", str(folder)) == (
            1,
            f"{folder}/plugin.yaml: not what plugin.py says\nrun: gocdnext-plugin manifest {folder}\n",
        )

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (None, "has no plugin.py; name the directory of a plugin"),
            ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
            ("x = 1", "must define one Plugin subclass, but defines none"),
            (SOURCE + "\nclass Second(Sample):\n    pass\n", "defines Sample, Second"),
        ],
    )
    def test_a_folder_without_a_plugin(self, folder: Path, source: str | None, message: str) -> None:
        (folder / "plugin.py").unlink()
        if source is not None:
            (folder / "plugin.py").write_text(source)
        with pytest.raises(FolderError, match=re.escape(message)):
            generate(folder)

    @pytest.mark.parametrize("text", ["uses: x\n", "# name: only\nuses: x\n"])
    def test_an_example_without_its_comments(self, folder: Path, text: str) -> None:
        (folder / "examples" / "do.yaml").write_text(text)
        with pytest.raises(FolderError, match='begin it with the comments "# name: …"'):
            generate(folder)


def test_a_written_manifest_reads_back_as_it_was(folder: Path) -> None:
    write(folder)
    assert read_catalog(folder / "plugin.yaml") == Manifest.of(folder)


def test_a_manifest_with_no_more_than_the_server_reads_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "plugin.yaml"
    path.write_text("name: node\ninputs:\n  version: {required: true}\n  cache: {default: true}\n  extra:\n")
    manifest = read_catalog(path)
    assert [(spec.name, spec.required, spec.default) for spec in manifest.inputs] == [
        ("version", True, None),
        ("cache", False, "true"),
        ("extra", False, None),
    ]
    assert not manifest.outputs
    assert not manifest.constraints


@pytest.mark.parametrize(
    "text", ["", "- a", "name: a\ninputs: [a]", "name: a\ninputs: {a: b}", "a: [", "category: b"]
)
def test_a_file_that_is_no_manifest_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plugin.yaml"
    path.write_text(text)
    with pytest.raises(FolderError, match=r"^\S+plugin\.yaml is not .+$"):
        read_catalog(path)
