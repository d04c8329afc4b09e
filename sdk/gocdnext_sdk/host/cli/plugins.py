"""``gocdnext-plugin plugins``: which there are, what they take, and what a server wants to know of them."""

from __future__ import annotations

from pathlib import Path

import click

from gocdnext_sdk.host.cli.options import plugins_option
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.manifest.server import helm_values, manifests, write_folder


@click.group("plugins", short_help="List plugins, show one, write a server's catalog of them.")
def command() -> None:
    """List plugins, show one, or write a server's catalog of them.

    They are the SDK's own, and those that --plugins names.
    """


@command.command("list")
@plugins_option
def list_(*, plugins: tuple[Path, ...]) -> None:
    """List the plugins."""
    found = [*Catalog.load(plugins)]
    width = max(len(each.name) for each in found)
    for each in found:
        click.echo(f"{each.name:<{width}}  {each.description}")


@command.command("show", short_help="Show a plugin's inputs, outputs and an example.")
@click.argument("name")
@plugins_option
def show(*, name: str, plugins: tuple[Path, ...]) -> None:
    """Show the inputs, the outputs and an example of the plugin NAME, such as trivy."""
    click.echo("\n".join(_lines(Catalog.load(plugins).named(name))))


@command.command("catalog", short_help="Write the catalog for a server into a directory.")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", "names", multiple=True, metavar="NAME", help="Only this plugin. Repeatable.")
@plugins_option
def catalog(*, directory: Path, names: tuple[str, ...], plugins: tuple[Path, ...]) -> None:
    """Write DIRECTORY for a server: name it in GOCDNEXT_PLUGIN_CATALOG_DIR.

    With it the server checks `with:` when a pipeline is applied. Each plugin gets a directory of its own
    name; the server does not start with any other.
    """
    for path in write_folder(directory, manifests(Catalog.load(plugins), names)):
        click.echo(path)


@command.command("helm-values", short_help="Print the catalog as values of the server's chart.")
@click.option("--only", "names", multiple=True, metavar="NAME", help="Only this plugin. Repeatable.")
@plugins_option
def helm(*, names: tuple[str, ...], plugins: tuple[Path, ...]) -> None:
    """Print values for the server's Helm chart, which do what `catalog` does."""
    click.echo(helm_values(manifests(Catalog.load(plugins), names)), nl=False)


def _lines(manifest: Manifest) -> list[str]:
    lines = [f"{manifest.name}:{manifest.image_tag}", manifest.description, "", "with:"]
    for spec in manifest.inputs:
        traits = [
            *(["required"] if spec.required else []),
            *([f"default: {spec.default}"] if spec.default else []),
            *([f"one of {', '.join(spec.choices)}"] if spec.choices else []),
            *(["secret"] if spec.secret else []),
            *([f"write {spec.successor} instead"] if spec.successor else []),
        ]
        lines += [
            f"  {spec.name}" + (f" ({'; '.join(traits)})" if traits else ""),
            f"      {spec.description}",
        ]
    if manifest.outputs:
        lines += ["", "outputs:", *(f"  {name}\n      {text}" for name, text in manifest.outputs.items())]
    if manifest.examples:
        example = manifest.examples[0]
        lines += [
            "",
            f"example: {example.name}",
            *(f"  {line}" for line in example.yaml.strip().splitlines()),
        ]
    return lines
