"""Deleting a tag through the APIs of services, against small servers of their documented protocols.

They are no GitHub, Docker Hub, GitLab, Harbor or Quay: they take the requests that those document, answer as
those document, and refuse everything else.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.servers import Answer, Handle, answering

from gocdnext_sdk import (
    Credential,
    HttpError,
    Job,
    Reference,
    Registry,
    RegistryClient,
    RegistryError,
    Secret,
)
from gocdnext_sdk.errors import Cancelled
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.transport import Fault, Request, Response, Transport, TransportError
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals

FOLDER = Path(__file__).parents[3] / "plugins" / "docker-push"
PLUGIN = load_plugin(FOLDER)
PACKAGE = PLUGIN.__module__.rpartition(".")[0]
apis, deleting, receipt = (import_module(f"{PACKAGE}.{each}") for each in ("apis", "deleting", "receipt"))

PASSWORD = "t0ken-of-anna"


@dataclass
class Service:
    """A registry and what runs it, with tags `failed` and `good` of the repository `org/app`."""

    registry: FakeRegistry = field(default_factory=FakeRegistry)
    may_delete: bool = True

    def __post_init__(self) -> None:
        digests = [self.registry.push("org/app:good", {"layers": [], "config": {}, "n": 1}).digest]
        digests.append(self.registry.push("org/app:failed", {"layers": [], "config": {}, "n": 2}).digest)
        self.digest = digests[1]

    @property
    def tags(self) -> set[str]:
        return {tag for _, tag in self.registry.tags}

    def delete_tag(self, tag: str) -> Answer:
        if not self.may_delete:
            return 403, {"message": "Forbidden"}
        self.registry.tags.pop(("org/app", tag))
        return 204, None

    def delete(self, name: str, url: str, transport: Transport | None = None) -> None:
        job = Job({}, Path(), Masker(), SecretFiles(), Signals(), OutputFile({}))
        login = Credential(Registry(self.registry.host), "anna", Secret(PASSWORD))
        client = RegistryClient(transport=transport or self.registry)
        target = Reference.parse(f"{self.registry.host}/org/app:failed")
        apis.delete(name, apis.Deletion(job, url, login, target, client, self.digest))


@dataclass
class BreaksOff(Transport):
    """The way to a registry, on which the answers to the first tags that are written are lost.

    Args:
        registry: gets every request.
        ends: what comes instead of the answers.
    """

    registry: FakeRegistry
    ends: list[Exception]

    def send(self, request: Request, deadline: float) -> Response:
        response = self.registry.send(request, deadline)
        if request.method == "PUT" and request.url.endswith("/manifests/failed") and self.ends:
            raise self.ends.pop(0)
        return response


@dataclass
class GitHub(Service):
    """The packages API: a version is a manifest, and goes with all its tags."""

    owner: str = "orgs"
    ids: dict[str, int] = field(default_factory=dict)

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {PASSWORD}":
            return 401, {"message": "Bad credentials"}
        base = f"/{self.owner}/org/packages/container/app/versions"
        listed = [digest for where, digest in self.registry.manifests if where == "org/app"]
        for digest in listed:
            self.ids.setdefault(digest, len(self.ids) + 1)
        if method == "GET" and re.fullmatch(re.escape(base) + r"\?per_page=100&page=1", path):
            return 200, [self.version(digest) for digest in listed]
        if method == "DELETE" and path.startswith(f"{base}/"):
            if not self.may_delete:
                return 403, {"message": "Resource not accessible"}
            digest = next(each for each, number in self.ids.items() if str(number) == path.rpartition("/")[2])
            del self.registry.manifests["org/app", digest]
            for key in [key for key, at in self.registry.tags.items() if at == digest]:
                del self.registry.tags[key]
            return 204, None
        return 404, {"message": "Not Found"}

    def version(self, digest: str) -> dict[str, Any]:
        tags = [tag for (_, tag), at in self.registry.tags.items() if at == digest]
        return {"id": self.ids[digest], "name": digest, "metadata": {"container": {"tags": tags}}}


class TestGitHub:
    @pytest.mark.parametrize("owner", ["orgs", "users"])
    def test_a_version_with_this_tag_only_is_deleted_and_nothing_is_overwritten(self, owner: str) -> None:
        service = GitHub(owner=owner)
        with answering(service) as url:
            service.delete("github", url)
        assert service.tags == {"good"}
        assert not [each for each in service.registry.requests if each.method == "PUT"]

    def test_other_tags_of_the_digest_stay(self) -> None:
        service = GitHub()
        service.registry.tags["org/app", "stable"] = service.digest
        with answering(service) as url:
            service.delete("github", url)
        assert service.tags == {"good", "stable"}
        assert service.registry.tags["org/app", "stable"] == service.digest
        assert len(service.registry.manifests) == 2

    @pytest.mark.parametrize("others", [(), ("stable",)])
    def test_a_refusal_leaves_the_tag_where_it_was(self, others: tuple[str, ...]) -> None:
        service = GitHub(may_delete=False)
        for tag in others:
            service.registry.tags["org/app", tag] = service.digest
        with answering(service) as url, pytest.raises(HttpError, match="403"):
            service.delete("github", url)
        assert service.registry.tags["org/app", "failed"] == service.digest

    @pytest.mark.parametrize("end", [Cancelled(15), TransportError(Fault.LIMIT, "the answer takes too long")])
    def test_whatever_ends_the_work_the_tag_is_put_back(self, end: Exception) -> None:
        """A refusal is one thing that can come; a registry that breaks off and a signal are others."""
        service = GitHub()
        service.registry.tags["org/app", "stable"] = service.digest
        with answering(service) as url, pytest.raises((Cancelled, RegistryError)):
            service.delete("github", url, BreaksOff(service.registry, [end]))
        assert service.registry.tags["org/app", "failed"] == service.digest

    def test_a_tag_that_cannot_be_put_back_is_told(self) -> None:
        service = GitHub()
        service.registry.tags["org/app", "stable"] = service.digest
        ends = [TransportError(Fault.LIMIT, "the answer takes too long")] * 2
        with (
            answering(service) as url,
            pytest.raises(RegistryError, match=r"^putting .+ back to sha256"),
        ):
            service.delete("github", url, BreaksOff(service.registry, ends))

    def test_a_token_that_sees_no_package_overwrites_nothing(self) -> None:
        service = GitHub(owner="nobody")
        with answering(service) as url, pytest.raises(HttpError, match="read:packages"):
            service.delete("github", url)
        assert not [each for each in service.registry.requests if each.method == "PUT"]


class TestRegctl:
    """Where a registry has no way to delete a tag, regctl moves it to an empty manifest, and deletes that."""

    @pytest.mark.parametrize("is_gone", [True, False])
    def test_a_signal_leaves_the_tag_where_it_was_or_deleted(self, is_gone: bool) -> None:
        service = Service()
        registry, target = service.registry, service.registry.reference("org/app:failed")

        class Regctl:
            def delete_tag(self, tag: Reference) -> bool:
                registry.push("org/app:failed", {"layers": [], "config": {}, "n": 3})
                if is_gone:
                    del registry.tags["org/app", "failed"]
                raise Cancelled(15)

        client = RegistryClient(transport=registry)
        registries = deleting.Registries(Any, client, client, Regctl())
        inputs = read_inputs(PLUGIN.inputs, {"PLUGIN_TARGET": str(target), "PLUGIN_ACTION": "delete-tag"})
        with pytest.raises(Cancelled):
            deleting.delete_tag(inputs, Any, registries, target, service.digest)
        assert registry.tags.get(("org/app", "failed")) == (None if is_gone else service.digest)


def docker_hub(service: Service) -> Handle:
    def handle(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if (method, path) == ("POST", "/v2/auth/token"):
            known = json.loads(body) == {"identifier": "anna", "secret": PASSWORD}
            return (200, {"access_token": "jwt"}) if known else (401, {"detail": "no"})
        if headers.get("authorization") != "Bearer jwt":
            return 401, None
        if (method, path) == ("DELETE", "/v2/repositories/org/app/tags/failed/"):
            return service.delete_tag("failed")
        return 404, None

    return handle


def gitlab(service: Service) -> Handle:
    def handle(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("private-token") != PASSWORD:
            return 401, None
        # The project is org; the image's repository goes on below it.
        if (method, path) == ("GET", "/api/v4/projects/org%2Fapp/registry/repositories?per_page=100"):
            return 200, [{"id": 6, "path": "org/app/other"}, {"id": 7, "path": "org/app"}]
        if (method, path) == ("DELETE", "/api/v4/projects/org%2Fapp/registry/repositories/7/tags/failed"):
            return service.delete_tag("failed")
        return 404, None

    return handle


def harbor(service: Service) -> Handle:
    pair = base64.b64encode(f"anna:{PASSWORD}".encode()).decode()

    def handle(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Basic {pair}":
            return 401, None
        there = f"/api/v2.0/projects/org/repositories/app/artifacts/{service.digest}/tags/failed"
        return service.delete_tag("failed") if (method, path) == ("DELETE", there) else (404, None)

    return handle


def quay(service: Service) -> Handle:
    def handle(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {PASSWORD}":
            return 401, None
        there = (method, path) == ("DELETE", "/api/v1/repository/org/app/tag/failed")
        return service.delete_tag("failed") if there else (404, None)

    return handle


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("docker-hub", docker_hub), ("gitlab", gitlab), ("harbor", harbor), ("quay", quay)],
)
class TestServices:
    def test_the_tag_goes_and_nothing_else(self, name: str, protocol: Callable[[Service], Handle]) -> None:
        service = Service()
        with answering(protocol(service)) as url:
            service.delete(name, url)
        assert service.tags == {"good"}
        assert len(service.registry.manifests) == 2
        assert not service.registry.requests  # the registry itself was not asked

    def test_a_refusal_changes_nothing(self, name: str, protocol: Callable[[Service], Handle]) -> None:
        service = Service(may_delete=False)
        with answering(protocol(service)) as url, pytest.raises(HttpError, match="403"):
            service.delete(name, url)
        assert service.tags == {"good", "failed"}


def roll_back(service: Service, previous: str) -> None:
    with answering(gitlab(service)) as url:
        environ = {
            "PLUGIN_ACTION": "rollback",
            "PLUGIN_TARGET": f"{service.registry.host}/org/app",
            "PLUGIN_PREVIOUS": previous,
            "PLUGIN_USERNAME": "anna",
            "PLUGIN_PASSWORD": PASSWORD,
            "PLUGIN_DELETE_THROUGH": "gitlab",
            "PLUGIN_API_URL": url,
        }
        inputs = read_inputs(PLUGIN.inputs, environ)
        job = Job({}, Path(), Masker(), SecretFiles(), Signals(), OutputFile({}))
        client = RegistryClient(transport=service.registry)
        receipt.roll_back(inputs, job, deleting.Registries(inputs.both_credentials({}), client, client, Any))


def test_a_rollback_deletes_a_tag_that_was_new_through_the_same_api() -> None:
    service = Service()
    roll_back(service, f"{service.registry.host}/org/app:failed=")
    assert service.tags == {"good"}
    assert len(service.registry.manifests) == 2


def test_a_new_tag_that_cannot_be_deleted_keeps_no_other_from_going_back() -> None:
    service = Service(may_delete=False)
    good = service.registry.tags["org/app", "good"]
    service.registry.tags["org/app", "latest"] = service.digest
    name = f"{service.registry.host}/org/app"
    with pytest.raises(RegistryError, match="failed is not deleted"):
        roll_back(service, f"{name}:failed=,{name}:latest={good}")
    assert service.registry.tags["org/app", "latest"] == good


def test_a_harbor_repository_below_another_is_named_as_harbor_wants_it() -> None:
    asked: list[str] = []

    def handle(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        asked.append(path)
        return 200, None

    service = Service()
    job = Job({}, Path(), Masker(), SecretFiles(), Signals(), OutputFile({}))
    login = Credential(Registry(service.registry.host), "robot$rel", Secret(PASSWORD))
    target = Reference.parse(f"{service.registry.host}/project/team/app:failed")
    with answering(handle) as url:
        client = RegistryClient(transport=service.registry)
        apis.delete("harbor", apis.Deletion(job, url, login, target, client, service.digest))
    (path,) = asked
    assert path.startswith("/api/v2.0/projects/project/repositories/team%252Fapp/artifacts/sha256:")


def test_what_the_manifests_of_the_services_hosts_are() -> None:
    assert set(apis.HOSTS.values()) == set(apis.URLS)
