"""Artifacts that refer to an image, on registries with the referrers API and without."""

from __future__ import annotations

import json

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry, refuse
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.referrers import File, attach, fallback_tag, referrers
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.secret import Secret

SARIF = File("reports/trivy.sarif", "application/sarif+json", b'{"runs": []}')


@pytest.fixture(params=[True, False], ids=["with the API", "without it"])
def fake(request: pytest.FixtureRequest) -> FakeRegistry:
    return FakeRegistry(has_referrers=request.param, users={"anna": "pw"})


@pytest.fixture
def client(fake: FakeRegistry) -> RegistryClient:
    login = Credential(Registry(fake.host), "anna", Secret("pw"))
    return RegistryClient(Credentials([login]), transport=fake)


@pytest.fixture
def image(fake: FakeRegistry) -> Reference:
    pushed = fake.push("org/app:v1", {"schemaVersion": 2, "config": {}, "layers": []})
    return fake.reference("org/app").with_digest(pushed.digest)


def test_what_is_attached_is_found_with_its_type(
    client: RegistryClient, image: Reference, fake: FakeRegistry
) -> None:
    assert referrers(client, image) == ()
    first = attach(client, image, SARIF.media_type, [SARIF], {"k": "v"})
    second = attach(client, image, "text/html", [File("a.html", "text/html", b"<p>")], {})
    found = {each.digest: each.artifact_type for each in referrers(client, image)}
    assert found == {first: SARIF.media_type, second: "text/html"}
    (_, body) = fake.manifests["org/app", first]
    manifest = json.loads(body)
    assert manifest["subject"]["digest"] == image.digest
    assert fake.blobs[manifest["layers"][0]["digest"]] == SARIF.content
    assert manifest["layers"][0]["annotations"] == {"org.opencontainers.image.title": SARIF.name}
    assert ((("org/app", fallback_tag(image))) in fake.tags) is not fake.has_referrers


def test_attaching_the_same_again_adds_nothing(client: RegistryClient, image: Reference) -> None:
    digests = {attach(client, image, "text/plain", [File("a", "text/plain", b"x")], {}) for _ in range(2)}
    assert len(digests) == len(referrers(client, image)) == 1


def test_who_may_not_write_is_told(image: Reference, fake: FakeRegistry) -> None:
    with pytest.raises(RegistryError):
        attach(RegistryClient(transport=fake), image, "text/plain", [SARIF], {})


def test_an_upload_that_is_refused_is_an_error(
    client: RegistryClient, image: Reference, fake: FakeRegistry
) -> None:
    def refusing(request: Request) -> Response:
        return refuse(403, "DENIED") if request.method == "POST" else fake(request)

    fake.network = FakeNetwork({**fake.network.hosts, fake.host: refusing})
    with pytest.raises(RegistryError):
        attach(client, image, "text/plain", [SARIF], {})
