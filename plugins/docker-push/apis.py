"""Deleting one tag through the API of the service that runs the registry.

Each removes the tag and no other on its digest, and nothing is overwritten before the service has been asked.

Source: GitHub REST API "Packages" (versions of a container package); Docker Hub API v2 (`/v2/auth/token`,
`/v2/repositories/…/tags/…`); GitLab "Container registry API"; Harbor API v2.0 (`deleteTag`); Quay API v1
(`deleteFullTag`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from gocdnext_sdk import HttpError, RegistryClient, Secret, doing
from gocdnext_sdk.oci.descriptor import OCI_MANIFEST, digest_of
from gocdnext_sdk.oci.referrers import EMPTY, EMPTY_TYPE, upload

from .harbor import artifact
from .places import Place

HOSTS = {"ghcr.io": "github", "docker.io": "docker-hub", "registry.gitlab.com": "gitlab", "quay.io": "quay"}
"""The services that are known by their registry's name."""

URLS = {
    "github": "https://api.github.com",
    "docker-hub": "https://hub.docker.com",
    "gitlab": "https://gitlab.com",
    "quay": "https://quay.io",
}

_PAGES = 100
"""Pages of versions that are read, of 100 each."""


@dataclass(frozen=True)
class Deletion(Place):
    """One tag that is to go: the image, by its tag.

    Args:
        registry: where the tag is.
        digest: where it points.
    """

    registry: RegistryClient
    digest: str


def delete(service: str, deletion: Deletion) -> None:
    """Delete a tag through a service's API.

    Raises:
        HttpError: it refused; the tag points where it did.
        RegistryError: the registry failed; the tag points where it did, unless it says that it was not put
            back.
    """
    {
        "github": _github,
        "docker-hub": _docker_hub,
        "gitlab": _gitlab,
        "harbor": _harbor,
        "quay": _quay,
    }[service](deletion)


def _docker_hub(deletion: Deletion) -> None:
    credential = deletion.credential
    login = {"identifier": credential.username, "secret": credential.password.reveal()}
    asked = deletion.job.http(
        "POST", f"{deletion.url}/v2/auth/token", json=login, assumed={"access_token": "token"}
    )
    token = Secret(str(asked.json().get("access_token", "")))
    repository, tag = deletion.image.repository, deletion.image.tag
    deletion.job.http("DELETE", f"{deletion.url}/v2/repositories/{repository}/tags/{tag}/", bearer=token)


def _quay(deletion: Deletion) -> None:
    path = f"/api/v1/repository/{deletion.image.repository}/tag/{deletion.image.tag}"
    deletion.job.http("DELETE", deletion.url + path, bearer=deletion.credential.password)


def _harbor(deletion: Deletion) -> None:
    path = f"{artifact(deletion.image.with_digest(deletion.digest))}/tags/{deletion.image.tag}"
    deletion.ask("DELETE", path)


def _gitlab(deletion: Deletion) -> None:
    headers = {"PRIVATE-TOKEN": deletion.credential.password}
    parts = deletion.image.repository.split("/")
    # The repository's path is the project's, or goes on below it.
    for length in range(len(parts), 1, -1):
        project = quote("/".join(parts[:length]), safe="")
        base = f"{deletion.url}/api/v4/projects/{project}/registry/repositories"
        asked = deletion.job.http(
            "GET", f"{base}?per_page=100", headers=headers, ok=(200, 404), assumed=[{"id": 1}]
        )
        if asked.status == 404:
            continue
        found = [
            each for each in asked.json() if each.get("path", deletion.image.repository) == "/".join(parts)
        ]
        if found:
            deletion.job.http("DELETE", f"{base}/{found[0]['id']}/tags/{deletion.image.tag}", headers=headers)
            return
    raise HttpError(f"{deletion.url} has no container repository {deletion.image.repository}")


def _github(deletion: Deletion) -> None:
    base, versions = _github_versions(deletion)
    tag = str(deletion.image.tag)
    version = next((each for each in versions if tag in _tags(each)), None)
    if version is None:
        raise HttpError(f"{base} has no version with the tag {tag}")
    if _tags(version) == [tag]:
        _github_request(deletion, "DELETE", f"{base}/{version['id']}")
        return
    # A version goes with all its tags. So this one is moved to a version of its own, which goes; and back,
    # whatever comes between: a refusal, a registry that fails, a signal.
    empty = _empty(deletion)
    own = digest_of(empty)
    try:
        deletion.registry.write(deletion.image.with_tag(tag), empty, OCI_MANIFEST)
        _, versions = _github_versions(deletion)
        moved = next((each for each in versions if each.get("name") == own), None)
        if moved is None:
            raise HttpError(f"{base} does not list the version {own}")
        _github_request(deletion, "DELETE", f"{base}/{moved['id']}")
    except BaseException:
        with doing(f"putting {deletion.image} back to {deletion.digest}"):
            deletion.registry.tag(deletion.image.with_digest(deletion.digest), tag)
        raise


def _github_versions(deletion: Deletion) -> tuple[str, list[dict[str, Any]]]:
    """Return the URL of a package's versions, of an organisation or of a user, and the versions."""
    owner, _, package = deletion.image.repository.partition("/")
    for kind in ("orgs", "users"):
        base = f"{deletion.url}/{kind}/{owner}/packages/container/{quote(package, safe='')}/versions"
        asked = _github_request(deletion, "GET", f"{base}?per_page=100&page=1", ok=(200, 404))
        if asked.status == 200:
            return base, list(_pages(deletion, base, asked.json()))
    raise HttpError(
        f"{deletion.url} shows no package {package} of {owner} to this token; it needs `read:packages` and "
        "`delete:packages`"
    )


def _pages(deletion: Deletion, base: str, page: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number in range(2, _PAGES):
        yield from page
        if len(page) < 100:
            return
        page = _github_request(deletion, "GET", f"{base}?per_page=100&page={number}").json()


def _github_request(deletion: Deletion, method: str, url: str, ok: tuple[int, ...] = (200, 204)) -> Any:
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    tag = str(deletion.image.tag)
    assumed = [{"id": 1, "name": deletion.digest, "metadata": {"container": {"tags": [tag]}}}]
    return deletion.job.http(
        method, url, headers=headers, bearer=deletion.credential.password, ok=ok, assumed=assumed
    )


def _tags(version: dict[str, Any]) -> list[str]:
    return list(version.get("metadata", {}).get("container", {}).get("tags", ()))


def _empty(deletion: Deletion) -> bytes:
    """Return an empty manifest that nothing else has; what it names is stored."""
    digest = upload(deletion.registry, deletion.image, EMPTY)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": EMPTY_TYPE, "digest": digest, "size": len(EMPTY)},
        "layers": [],
        "annotations": {"to-be-deleted": str(uuid4())},
    }
    return json.dumps(manifest).encode()
