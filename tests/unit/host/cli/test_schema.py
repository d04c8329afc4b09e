"""`gocdnext-plugin schema`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
from click.testing import CliRunner

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.commands import group


def test_of_one_plugin() -> None:
    for name in ("trivy", "gocdnext-plugin-trivy", "ghcr.io/klinux/gocdnext-plugin-trivy@v1"):
        result = CliRunner().invoke(group, ["schema", name])
        assert "scan-type" in json.loads(result.output)["properties"]


def test_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "plugin.yaml").write_text("name: hello\ninputs: {name: {required: true}}\n")
    schema = json.loads(CliRunner().invoke(group, ["schema", str(tmp_path)]).output)
    assert schema["required"] == ["name"]


def test_of_pipelines() -> None:
    schema = json.loads(CliRunner().invoke(group, ["schema"]).output)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_of_a_plugin_that_is_not_known() -> None:
    result = CliRunner().invoke(group, ["schema", "nope"])
    assert isinstance(result.exception, UsageError)
    assert "the plugins are buildx, cosign" in str(result.exception)
