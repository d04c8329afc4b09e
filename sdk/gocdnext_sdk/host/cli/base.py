"""``gocdnext-plugin base``: the image that plugins' images start from."""

from __future__ import annotations

import click

from gocdnext_sdk.host.cli.options import build_context_option
from gocdnext_sdk.host.harness.build import BASE_IMAGE


@click.group("base", short_help="Build the image that plugins' images start from.")
def command() -> None:
    """Build the image that plugins' images start from."""


@command.command("build", short_help="Build this version's base image on your Docker engine.")
@click.option(
    "--tag", default=BASE_IMAGE, show_default=True, metavar="REF", help="What plugins' Dockerfiles call it."
)
@build_context_option
def build(*, tag: str, build_contexts: tuple[str, ...]) -> None:
    """Build the base image of this version of the SDK, on your Docker engine.

    It has the name of the published one, so that FROM finds it, as long as that is not published. The build
    needs docker.io and PyPI, or what a --build-context puts in their place; afterwards nothing does.
    """
    from gocdnext_sdk.host.harness.base_image import build_base
    from gocdnext_sdk.host.harness.build import build_contexts as contexts

    click.echo(f"building {tag}", err=True)
    build_base(contexts(build_contexts), tag)
    click.echo(tag)
