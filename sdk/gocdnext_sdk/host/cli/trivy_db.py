"""`gocdnext-plugin trivy-db`: Trivy's databases in a registry of one's own.

Source: https://trivy.dev/docs/latest/guide/advanced/self-hosting/ (names, schema versions, media types).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gocdnext_sdk.errors import Error, RegistryError, UsageError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.descriptor import MAX_MANIFEST
from gocdnext_sdk.oci.reference import Reference, Registry

if TYPE_CHECKING:
    from oras.provider import Registry as OrasRegistry

DATABASE = "ghcr.io/aquasecurity/trivy-db:2"
JAVA_DATABASE = "ghcr.io/aquasecurity/trivy-java-db:1"
"""What Trivy asks for; the tag is the version of the schema."""

_LAYERS = (
    "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip",
    "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip",
)
_CHUNKED = 64 * 1024 * 1024
"""Bytes from which on a blob is sent in pieces, so that it is never in memory as a whole."""


@click.group("trivy-db", short_help="Copy Trivy's databases to a registry of your own.")
def command() -> None:
    """Keep Trivy's databases in a registry of your own, where no rate limit of others ends your pipelines."""


@command.command("mirror", short_help="Copy trivy-db and trivy-java-db to your registry.")
@click.argument("target", metavar="REGISTRY/REPOSITORY")
@click.option("--db", "database", default=DATABASE, show_default=True, metavar="REF")
@click.option("--java-db", default=JAVA_DATABASE, show_default=True, metavar="REF")
@click.option("--no-java", is_flag=True, help="Leave out the index of Java, which is large.")
@click.option(
    "--insecure", multiple=True, metavar="HOST", help="A registry that may speak plain http. Repeatable."
)
def mirror(*, target: str, database: str, java_db: str, no_java: bool, insecure: tuple[str, ...]) -> None:
    """Copy trivy-db and trivy-java-db below REGISTRY/REPOSITORY, such as registry.example.com/mirror.

    Each source tag is resolved once, and that digest is what is copied: every blob is verified, the manifest
    goes last, byte for byte, and the target's tag is read back. What is there already is left alone, so that
    the command can be run every hour. It logs in with your Docker configuration.
    """
    plain = frozenset(Registry.parse(each) for each in insecure)
    registry = RegistryClient(Credentials.ambient(os.environ), insecure=plain)
    sources = {"trivy-db": database} | ({} if no_java else {"trivy-java-db": java_db})
    for name, text in sources.items():
        source = _parsed(text)
        copied = _parsed(f"{target.rstrip('/')}/{name}:{source.tag or 'latest'}")
        with tempfile.TemporaryDirectory(prefix="gocdnext-") as folder:
            digest = copy(registry, source, copied, Path(folder))
        click.echo(f"{copied}@{digest}")


def copy(registry: RegistryClient, source: Reference, target: Reference, folder: Path) -> str:
    """Copy a database and return its digest.

    Args:
        registry: reads and writes manifests.
        source: the database.
        target: with the tag that it gets.
        folder: has room for its largest blob.

    Raises:
        RegistryError: something cannot be read or written, or is not what its digest says.
        Error: it is no database of Trivy's.
    """
    descriptor = registry.resolve(source)
    pinned = source.with_digest(descriptor.digest)
    there = registry.find(target)
    if there is not None and there.digest == descriptor.digest:
        click.echo(f"{target} is up to date", err=True)
        return descriptor.digest
    _, manifest = registry.manifest(pinned)
    layers = manifest.get("layers") or ()
    if not any(layer.get("mediaType") in _LAYERS for layer in layers):
        raise Error(f"{source} is no database of Trivy's", "name one as Trivy publishes it")
    click.echo(f"copying {pinned} to {target}", err=True)
    reader, writer = _transfer(registry, source), _transfer(registry, target)
    for blob in (manifest["config"], *layers):
        _copy_blob(blob, (reader, source), (writer, target), folder)
    registry.put(target.with_digest(descriptor.digest), _body(registry, pinned), descriptor.media_type)
    registry.tag(target.with_digest(descriptor.digest), str(target.tag))
    if (now := registry.resolve(target).digest) != descriptor.digest:
        raise RegistryError(f"{target} is {now} now; did another job move it too?")
    return descriptor.digest


def _copy_blob(
    blob: dict[str, Any],
    source: tuple[OrasRegistry, Reference],
    target: tuple[OrasRegistry, Reference],
    folder: Path,
) -> None:
    """Copy a blob through a file, and check that it is the one that the manifest names."""
    (reader, origin), (writer, place) = source, target
    digest, size = str(blob["digest"]), int(blob["size"])
    file = folder / "blob"
    try:
        if writer.blob_exists(blob, writer.get_container(_name(place))):
            return
        reader.download_blob(_name(origin), digest, str(file))
        with file.open("rb") as stream:
            found = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
        if found != digest or file.stat().st_size != size:
            raise RegistryError(f"{origin}: the registry sent other content than {digest}")
        answer = writer.upload_blob(str(file), _name(place), blob, do_chunked=size > _CHUNKED)
    except (OSError, ValueError) as error:  # what requests and oras raise
        raise RegistryError(f"copying {digest} from {origin} to {place}: {error}") from None
    if answer.status_code not in (200, 201, 202):
        raise RegistryError(f"{place}: answered {answer.status_code} to {digest}; may this user push?")


def _transfer(registry: RegistryClient, image: Reference) -> OrasRegistry:
    """Return what transfers the blobs of an image's repository: larger ones than our client has to read."""
    import requests
    from oras.provider import Registry as OrasRegistry

    host = image.registry.api_host
    insecure = not registry.speaks_tls(image.registry)
    try:
        asked = requests.get(f"{'http' if insecure else 'https'}://{host}/v2/", timeout=60)
    except OSError as error:
        raise RegistryError(f"{host} cannot be reached: {error}") from None
    is_basic = asked.headers.get("WWW-Authenticate", "").lower().startswith("basic")
    found = OrasRegistry(host, insecure=insecure, auth_backend="basic" if is_basic else "token")
    login = Credentials.ambient(os.environ).get(image.registry, image.repository)
    if login is not None:
        found.auth.set_basic_auth(login.username, login.password.reveal())
    return found


def _body(registry: RegistryClient, image: Reference) -> bytes:
    """Return a manifest as it is."""
    headers = {"Accept": registry.resolve(image).media_type}
    response = registry.request("GET", image, f"manifests/{image.digest}", headers=headers)
    if response.status != 200 or len(response.body) > MAX_MANIFEST:
        raise registry.refused(response, image)
    return response.body


def _name(image: Reference) -> str:
    return f"{image.registry.api_host}/{image.repository}:{image.tag or 'latest'}"


def _parsed(text: str) -> Reference:
    try:
        return Reference.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
