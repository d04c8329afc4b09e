"""`gocdnext-plugin pin`: digests beside the tags of plugins."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from gocdnext_sdk.contract import uses
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.options import FILE
from gocdnext_sdk.host.cli.project import pipeline
from gocdnext_sdk.host.pipeline import parse_file
from gocdnext_sdk.host.pipeline.model import Plugin
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.reference import Reference


@click.command("pin", short_help="Write digests beside the tags of a pipeline's plugins.")
@click.argument("files", nargs=-1, type=FILE)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if one is not pinned, or has moved.")
@click.pass_context
def command(ctx: click.Context, /, *, files: tuple[Path, ...], check: bool) -> None:
    """Write `@sha256:…` beside the tags in `uses:` of pipeline FILES. [default: the project's only one]

    A tag can move to another image; what is pinned is the same in every run. A digest is renewed if its tag
    has moved. Registries are asked with your Docker configuration.
    """
    registry = RegistryClient(Credentials.ambient(os.environ))
    digests: dict[Reference, str] = {}
    changed = False
    for file in files or (pipeline(None),):
        text = new = file.read_bytes().decode()  # the ends of its lines stay
        for written in _written(file):
            wanted = _pinned(written, registry, digests)
            if wanted != written:
                changed = True
                new = _replaced(new, written, wanted, file)
                click.echo(f"{file}: {written} is {'not' if check else 'now'} {wanted}")
        if new != text and not check:
            file.write_bytes(new.encode())
    if not changed:
        click.echo("all are pinned")
    ctx.exit(1 if check and changed else 0)


def _written(file: Path) -> list[str]:
    """Return what `uses:` says, as it is written, each once."""
    found = parse_file(file)
    plugins = [each.action for each in found.jobs if isinstance(each.action, Plugin)]
    plugins += [each.plugin for each in found.notifications or ()]
    return list(dict.fromkeys(each.uses.text.strip() for each in plugins))


def _pinned(written: str, registry: RegistryClient, digests: dict[Reference, str]) -> str:
    tagged = uses.image(written).partition("@")[0]
    image = Reference.parse(tagged)
    if image.tag is None and "@sha256:" in written:
        return written  # a digest without a tag stays what it is
    if image not in digests:
        digests[image] = registry.resolve(image).digest
    return f"{tagged}@{digests[image]}"


def _replaced(text: str, written: str, wanted: str, file: Path) -> str:
    """Return the text with another reference wherever the one that is written stands whole.

    Raises:
        UsageError: it stands nowhere.
    """
    found, count = re.subn(rf"(?<![\w./:@-]){re.escape(written)}(?![\w./:@-])", wanted, text)
    if not count:
        raise UsageError(f"{file}: {written} does not stand there in one piece", "write it so")
    return found
