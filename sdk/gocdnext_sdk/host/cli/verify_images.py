"""`gocdnext-plugin verify-images`: whether the plugins of a pipeline are who they say, before it runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.options import FILE
from gocdnext_sdk.host.harness.signatures import unsigned
from gocdnext_sdk.host.pipeline import parse_file
from gocdnext_sdk.host.pipeline.model import Pipeline, Plugin, Script
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.published import attested_types
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.strict_json import parse_json
from gocdnext_sdk.tools.cosign.policy import Policy
from gocdnext_sdk.tools.sigstore import Document, logs_certificates, normalised

OURS = "ghcr.io/klinux/gocdnext-plugin-*"
EXPECTED = {
    "SBOM": ("https://spdx.dev/", "https://cyclonedx.org/"),
    "provenance": ("https://slsa.dev/provenance/",),
}
"""What an image should carry for each platform, and how its predicate types begin.

Source: docs/attestations of moby/buildkit.
"""


@click.command("verify-images", short_help="Verify the signatures of a pipeline's plugins.")
@click.argument("files", nargs=-1, type=FILE, required=True)
@click.option("--identity", metavar="TEXT", help="The identity in the signer's certificate.")
@click.option(
    "--identity-regexp", metavar="EXPRESSION", help="As --identity, by an expression for the whole of it."
)
@click.option("--issuer", metavar="URL", required=True, help="The issuer that the certificate must name.")
@click.option("--trusted-root", type=FILE, help="What to trust. [default: the public Sigstore]")
@click.option(
    "--image",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    default=(OURS,),
    show_default=True,
    help="Which images are meant; `*` stands for any text. Repeatable.",
)
@click.pass_context
def command(
    ctx: click.Context,
    *,
    files: tuple[Path, ...],
    identity: str | None,
    identity_regexp: str | None,
    issuer: str,
    trusted_root: Path | None,
    patterns: tuple[str, ...],
) -> None:
    """Verify the images that pipeline FILES use: the signature, and each platform's SBOM and provenance.

    Each tag is resolved once, and printed with its digest: pin that, or the tag can move after the check.
    Images that no PATTERN means are listed as not asked. It asks registries with your Docker configuration,
    and needs cosign on the PATH. The exit code is 0 if all that were asked are as demanded, 1 if one is not,
    and 3 if that could not be found out.
    """
    if bool(identity) == bool(identity_regexp):
        raise UsageError("give one of --identity and --identity-regexp")
    cosign = shutil.which("cosign")
    if not cosign:
        raise UsageError("cosign is not on the PATH (https://docs.sigstore.dev/cosign/system_config)")
    named = used(files)
    images = [each for each in named if any(_fits(each, pattern) for pattern in patterns)]
    if not images:
        raise UsageError(f"no image of these pipelines is {' or '.join(patterns)}")
    signer = Policy(
        identity=identity,
        identity_regexp=identity_regexp,
        issuer=issuer,
        trusted_root=str(trusted_root) if trusted_root else None,
        sct=logs_certificates(_read(trusted_root)),
    )
    registry = RegistryClient(Credentials.ambient(os.environ))
    bad = False
    for image in images:
        subject = image if image.digest else image.with_digest(registry.resolve(image).digest)
        reason = unsigned(cosign, signer, subject)
        wrong = [f"it is not signed by the one you name: {reason}"] if reason else []
        wrong += _lacking(registry, subject)
        click.echo(f"{'not ok' if wrong else 'ok':<7}{image} is {subject.digest}")
        for each in wrong:
            click.echo(f"       {each}")
        bad = bad or bool(wrong)
    for image in named:
        if image not in images:
            click.echo(f"not asked  {image} (--image {image.name})")
    ctx.exit(1 if bad else 0)


def used(files: Sequence[Path]) -> list[Reference]:
    """Return the images of jobs, services and notifications, each once, in their order.

    Raises:
        UsageError: one is not an image reference.
    """
    found: dict[Reference, None] = {}
    for file in files:
        for name in _named(parse_file(file)):
            try:
                found[Reference.parse(name)] = None
            except ValueError as error:
                raise UsageError(f"{file}: {error}") from None
    return list(found)


def _named(pipeline: Pipeline) -> Iterator[str]:
    for job in pipeline.jobs:
        # A script without an image runs in one that only the platform knows.
        if isinstance(job.action, Plugin | Script) and job.action.image:
            yield job.action.image
    yield from (service.image for service in pipeline.services)
    yield from (each.plugin.image for each in pipeline.notifications or ())


def _fits(image: Reference, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(image.name, pattern)


def _read(root: Path | None) -> Document | None:
    try:
        return None if root is None else normalised(parse_json(root.read_bytes()))
    except ValueError as error:
        raise UsageError(f"{root} is no trusted root: {error}") from None


def _lacking(registry: RegistryClient, subject: Reference) -> Iterator[str]:
    """Yield what an image does not carry.

    Args:
        registry: reads its registry.
        subject: the image, with its digest.

    Raises:
        RegistryError: the registry cannot be read.
    """
    attested, platforms = attested_types(subject, registry), registry.platforms(subject)
    for what, beginnings in EXPECTED.items():
        without = [
            str(each.platform)
            for each in platforms
            if not any(found.startswith(beginnings) for found in attested.get(each.digest, ()))
        ]
        if not platforms:
            yield f"it has no {what}"
        elif without:
            yield f"it has no {what} for {', '.join(without)}"
