"""Artifacts that refer to an image, on registries with the referrers API and without."""

from __future__ import annotations

import json

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry, refuse, respond
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.descriptor import OCI_INDEX, OCI_MANIFEST
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.referrers import File, attach, fallback_tag, referrers, remove
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


def test_one_of_two_is_removed(client: RegistryClient, image: Reference, fake: FakeRegistry) -> None:
    first, second = (
        attach(client, image, "text/plain", [File("a", "text/plain", content)], {})
        for content in (b"1", b"2")
    )
    remove(client, image, first)
    assert [each.digest for each in referrers(client, image)] == [second]
    assert ("org/app", first) not in fake.manifests
    assert ("org/app", str(image.digest)) in fake.manifests


def served(*answers: Response) -> tuple[RegistryClient, list[str]]:
    """Return a client of a registry that gives these answers, and the paths it was asked for."""
    asked: list[str] = []
    left = iter(answers)

    def answer(request: Request) -> Response:
        asked.append(request.url.partition("/v2/")[2])
        return next(left)

    return RegistryClient(transport=FakeNetwork({"r.example": answer})), asked


INDEX = {"Content-Type": OCI_INDEX}

IMAGE = Reference.parse(f"r.example/app@sha256:{'a' * 64}")


def page(digit: str, link: str = "") -> Response:
    entry = {
        "mediaType": OCI_MANIFEST,
        "digest": f"sha256:{digit * 64}",
        "size": 2,
        "artifactType": "text/plain",
    }
    return respond(200, json.dumps({"manifests": [entry]}), {"Content-Type": OCI_INDEX, "Link": link})


def test_all_pages_of_a_long_list_are_read() -> None:
    more = f"referrers/{IMAGE.digest}?last=b"
    client, asked = served(page("b", f'</v2/app/{more}>; rel="next"'), page("c"))
    assert [each.digest[7] for each in referrers(client, IMAGE)] == ["b", "c"]
    assert asked == [f"app/referrers/{IMAGE.digest}", f"app/{more}"]


def test_a_list_without_end_is_an_error() -> None:
    again = f'<https://r.example/v2/app/referrers/{IMAGE.digest}?n=1>; rel="next"'
    client, asked = served(*(page("b", again) for _ in range(60)))
    with pytest.raises(RegistryError, match="pages"):
        referrers(client, IMAGE)
    assert len(asked) == 50


@pytest.mark.parametrize("answer", [respond(200, "<html>", INDEX), respond(200, '{"manifests": [1]}', INDEX)])
def test_an_answer_that_is_no_index_is_an_error(answer: Response) -> None:
    client, _ = served(answer)
    with pytest.raises(RegistryError, match="invalid list"):
        referrers(client, IMAGE)


def test_who_may_not_delete_is_told() -> None:
    client, _ = served(refuse(404, "MANIFEST_UNKNOWN"), respond(405))
    with pytest.raises(RegistryError, match="405"):
        remove(client, IMAGE, f"sha256:{'b' * 64}")
