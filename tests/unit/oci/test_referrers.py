"""Artifacts that refer to an image, on registries with the referrers API and without."""

from __future__ import annotations

import json

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry, refuse, respond
from gocdnext_sdk.oci import referrers as module
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.descriptor import OCI_INDEX, OCI_MANIFEST, digest_of
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


class Contested(FakeRegistry):
    """A registry without the API where another job writes the list whenever this one has."""

    undone = 0
    """How often it still does."""

    def send(self, request: Request, deadline: float) -> Response:
        """Answer, and let the other job write what it made of the list that it read before."""
        place = ("org/app", request.url.rpartition("/")[2])
        before = self.tags.get(place)
        response = super().send(request, deadline)
        if request.method == "PUT" and place[1].startswith("sha256-") and self.undone:
            self.undone -= 1
            if before:
                self.tags[place] = before
            else:
                del self.tags[place]
        return response


@pytest.mark.parametrize("undone", [1, 2])
def test_what_another_job_undoes_at_the_same_time_is_done_again(
    monkeypatch: pytest.MonkeyPatch, undone: int
) -> None:
    monkeypatch.setattr(module, "_WAITS", (0, 0, 0))
    fake = Contested(has_referrers=False)
    client = RegistryClient(transport=fake)
    pushed = fake.push("org/app:v1", {"schemaVersion": 2, "config": {}, "layers": []})
    image = fake.reference("org/app").with_digest(pushed.digest)
    fake.undone = undone
    digest = attach(client, image, "text/plain", [SARIF], {})
    assert [each.digest for each in referrers(client, image)] == [digest]
    fake.undone = undone
    remove(client, image, digest)
    assert referrers(client, image) == ()
    fake.undone = 3
    with pytest.raises(RegistryError, match="other jobs write the list of referrers at the same time"):
        attach(client, image, "text/plain", [SARIF], {})


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


class Clock:
    """Waits for nothing."""

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        pass


def served(*answers: Response) -> tuple[RegistryClient, list[str]]:
    """Return a client of a registry that gives these answers, and the paths it was asked for."""
    asked: list[str] = []
    left = iter(answers)

    def answer(request: Request) -> Response:
        asked.append(request.url.partition("/v2/")[2])
        return next(left)

    return RegistryClient(transport=FakeNetwork({"r.example": answer}), clock=Clock()), asked


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


@pytest.mark.parametrize("kind", ["application/json", "", "text/plain", f"{OCI_INDEX}; charset=utf-8"])
def test_an_index_is_one_whatever_its_header_says(kind: str) -> None:
    body = page("b").body
    client, _ = served(respond(200, body, {"Content-Type": kind}))
    assert [each.digest[7] for each in referrers(client, IMAGE)] == ["b"]


@pytest.mark.parametrize("link", ["<?last=b>; rel=next", '<?last=b>; title="x"; REL="last next"'])
def test_the_next_page_is_found_however_it_is_written(link: str) -> None:
    client, asked = served(page("b", link), page("c"))
    assert [each.digest[7] for each in referrers(client, IMAGE)] == ["b", "c"]
    assert asked[1] == f"app/referrers/{IMAGE.digest}?last=b"


def test_a_page_without_entries_is_not_the_last() -> None:
    empty = respond(200, json.dumps({"manifests": None}), {"Link": "<?last=b>; rel=next"} | INDEX)
    client, _ = served(empty, page("c"))
    assert len(referrers(client, IMAGE)) == 1


@pytest.mark.parametrize(
    "second", [respond(404), respond(400), respond(200, "<html>", {"Content-Type": "text/html"})]
)
def test_a_second_page_that_is_not_there_is_an_error(second: Response) -> None:
    empty = respond(200, json.dumps({"manifests": []}), {"Link": "<?last=b>; rel=next"} | INDEX)
    client, _ = served(empty, second)
    with pytest.raises(RegistryError):
        referrers(client, IMAGE)


@pytest.mark.parametrize("status", [400, 404, 405, 406, 501])
def test_where_there_is_no_api_the_tag_has_the_list(status: int) -> None:
    listed = page("b")
    client, asked = served(respond(status), *[listed] * 3)
    assert [each.digest[7] for each in referrers(client, IMAGE)] == ["b"]
    assert asked[1] == f"app/manifests/{fallback_tag(IMAGE)}"


def test_a_page_for_people_is_no_api() -> None:
    client, _ = served(respond(200, "<html>", {"Content-Type": "text/html; charset=utf-8"}), respond(404))
    assert referrers(client, IMAGE) == ()


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_what_refuses_may_have_referrers(status: int) -> None:
    client, _ = served(*[respond(status)] * 8)
    with pytest.raises(RegistryError, match=r"r\.example"):
        referrers(client, IMAGE)


def test_a_registry_that_takes_the_tag_for_the_digest_lists_nothing() -> None:
    """As GitLab's: it gives the image itself, whose platforms are no referrers."""
    body = json.dumps({"mediaType": OCI_INDEX, "manifests": json.loads(page("b").body)["manifests"]}).encode()
    image = IMAGE.with_digest(digest_of(body))
    client, _ = served(respond(404), *[respond(200, body, INDEX)] * 3)
    assert referrers(client, image) == ()


@pytest.mark.parametrize(
    "body", ['{"layers": []}', '{"manifests": {}}', '{"manifests": [1]}', '{"manifests": [{"digest": 1}]}']
)
def test_a_tag_that_is_no_list_is_an_error_and_not_overwritten(body: str) -> None:
    client, asked = served(respond(404), *[respond(200, body)] * 3)
    with pytest.raises(RegistryError, match="invalid list"):
        referrers(client, IMAGE)
    client, asked = served(*[respond(200, body)] * 3)
    with pytest.raises(RegistryError, match="invalid list"):
        remove(client, IMAGE, f"sha256:{'b' * 64}")
    assert len(asked) == 3  # nothing was written


@pytest.mark.parametrize(
    "answer",
    [
        respond(200, "<html>", INDEX),
        *(
            respond(200, body, INDEX)
            for body in (
                *(
                    '{"manifests": [1]}',
                    '{"manifests": {}}',
                    '{"manifests": ""}',
                    f'{{"mediaType": "{OCI_INDEX}"}}',
                ),
                *('{"manifests": [], "Manifests": []}', f'{{"mediaType": "{OCI_MANIFEST}", "layers": []}}'),
            )
        ),
        respond(200, '{"errors": []}', {"Content-Type": "application/json"}),
        respond(200, '{"manifests": []}', INDEX | {"Link": "<http://[>; rel=next"}),
    ],
)
def test_an_answer_that_is_no_index_is_an_error(answer: Response) -> None:
    client, _ = served(answer)
    with pytest.raises(RegistryError, match="invalid list"):
        referrers(client, IMAGE)


def test_who_may_not_delete_is_told() -> None:
    client, _ = served(refuse(404, "MANIFEST_UNKNOWN"), respond(403))
    with pytest.raises(RegistryError, match="requires credentials"):
        remove(client, IMAGE, f"sha256:{'b' * 64}")


@pytest.mark.parametrize("answer", [respond(405), refuse(400, "UNSUPPORTED"), refuse(405, "UNSUPPORTED")])
def test_where_nothing_is_deleted_what_no_list_names_is_gone(
    client: RegistryClient, image: Reference, fake: FakeRegistry, answer: Response
) -> None:
    """As distribution is configured by default."""
    earlier = attach(client, image, "text/plain", [SARIF], {})

    def deleting_nothing(request: Request) -> Response:
        return answer if request.method == "DELETE" else fake(request)

    fake.network = FakeNetwork({**fake.network.hosts, fake.host: deleting_nothing})
    if fake.has_referrers:
        with pytest.raises(RegistryError, match=f"deletes nothing.*: {earlier} still refers to"):
            remove(client, image, earlier)
    else:
        remove(client, image, earlier)
        assert referrers(client, image) == ()


def test_the_tag_of_the_list_is_cut_as_the_specification_has_it() -> None:
    long = f"{'0123456789abcdef' * 8}"
    assert fallback_tag(IMAGE.with_digest(f"sha512:{long}")) == f"sha512-{long[:64]}"
    assert fallback_tag(IMAGE) == f"sha256-{'a' * 64}"
