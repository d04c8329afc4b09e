"""`gocdnext-plugin schema`: JSON Schema for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gocdnext_sdk.host.cli.options import plugins_option
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.pipeline_schema import pipeline_schema
from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog
from gocdnext_sdk.host.manifest.schema import with_schema


@click.command("schema", short_help="Print a JSON Schema: of pipelines, or of one plugin's `with:`.")
@click.argument("plugin", required=False)
@plugins_option
def command(plugin: str | None, plugins: tuple[Path, ...]) -> None:
    """Print the JSON Schema of whole pipelines, in which `with:` is checked against the plugin in `uses:`.

    With PLUGIN, a name such as trivy or a directory with a plugin.yaml, print that of its `with:` map.
    """
    if plugin is not None and (folder := Path(plugin) / "plugin.yaml").is_file():
        schema = with_schema(read_catalog(folder))
    else:
        catalog = Catalog.load(plugins)
        schema = pipeline_schema(catalog) if plugin is None else with_schema(catalog.named(plugin))
    click.echo(json.dumps(schema, indent=2, ensure_ascii=False))
