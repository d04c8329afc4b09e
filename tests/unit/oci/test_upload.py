"""An image is pushed content first, by digest: what has a tag is complete."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gocdnext_sdk import Credential, Credentials, Reference, Registry, RegistryClient, RegistryError, Secret
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry, refuse, respond
from gocdnext_sdk.oci.descriptor import OCI_MANIFEST, digest_of
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.oci.upload import push

HOST = "registry.example.com"
CONFIG, LAYER = b"{}", b"layer" * 1000


class Clock:
    """Waits in no time."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    for content in (CONFIG, LAYER, manifest()):
        (tmp_path / "blobs" / digest_of(content).replace(":", "/")).write_bytes(content)
    return tmp_path


def manifest() -> bytes:
    config, layer = ({"digest": digest_of(each), "size": len(each)} for each in (CONFIG, LAYER))
    foreign = {"digest": digest_of(b"windows"), "urls": ["https://mcr.microsoft.com/layer"]}
    content = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer, foreign]}
    return json.dumps(content).encode()


IMAGE = Reference.parse(f"{HOST}/team/app").with_digest(digest_of(manifest()))


def client(there: FakeRegistry, password: str = "hunter2-hunter2") -> RegistryClient:
    login = Credential(Registry(HOST), "me", Secret(password))
    return RegistryClient(Credentials([login]), transport=there, clock=Clock())


def registry() -> FakeRegistry:
    return FakeRegistry(HOST, users={"me": "hunter2-hunter2"})


def test_content_comes_first_and_no_tag_is_set(layout: Path) -> None:
    there = registry()
    push(layout, IMAGE, client(there))
    assert there.manifests["team/app", str(IMAGE.digest)] == (OCI_MANIFEST, manifest())
    assert set(there.blobs.values()) == {CONFIG, LAYER}
    assert there.tags == {}
    writes = [each.url.rpartition("?")[0] or each.url for each in there.requests if each.method == "PUT"]
    assert ["/manifests/" in each for each in writes] == [False, False, True]


def test_what_is_there_is_not_sent_again(layout: Path) -> None:
    there = registry()
    push(layout, IMAGE, client(there))
    before = len(there.requests)
    push(layout, IMAGE, client(there))
    assert not [each for each in there.requests[before:] if each.method == "POST"]


@pytest.mark.parametrize("answers", [[404], [416, 404]])
def test_an_upload_that_breaks_off_is_begun_again(layout: Path, answers: list[int]) -> None:
    there, left = registry(), list(answers)

    def breaking(request: Request) -> Response:
        if request.method == "PUT" and "uploads" in request.url and left:
            return refuse(left.pop(), "BLOB_UPLOAD_UNKNOWN")
        return there(request)

    there.network.hosts = {**there.network.hosts, HOST: breaking}
    push(layout, IMAGE, client(there), tries=3)
    assert set(there.blobs.values()) == {CONFIG, LAYER}
    left[:] = [404] * 9
    there.blobs.clear()
    with pytest.raises(RegistryError, match="not found"):
        push(layout, IMAGE, client(there), tries=3)


def test_a_login_that_is_refused_leaves_nothing(layout: Path) -> None:
    there = registry()
    refused = client(there, "wrong")
    with pytest.raises(RegistryError, match='refused the credentials "me"'):
        push(layout, IMAGE, refused)
    with pytest.raises(RegistryError, match='refused the credentials "me"'):
        refused.check_push(IMAGE)
    assert not there.manifests
    assert not there.blobs


def test_whether_one_may_push_is_asked_for_beforehand() -> None:
    there = registry()
    client(there).check_push(IMAGE)
    assert [each.method for each in there.requests if "uploads" in each.url][-1] == "DELETE"
    assert not there.blobs


@pytest.mark.parametrize(
    ("location", "taken"),
    [
        ("/v2/team/app/blobs/uploads/1", True),
        (f"https://{HOST}/v2/team/app/blobs/uploads/1?state=x", True),
        (f"http://{HOST}/v2/team/app/blobs/uploads/1", True),
        (f"https://{HOST}:443/v2/team/app/blobs/uploads/1", True),
        ("1", True),
        ("?state=x", True),
        ("../uploads/1?state=x#part", True),
        ("https://storage.example.net/1", False),
        (f"https://{HOST}:8443/1", False),
    ],
)
def test_a_login_goes_nowhere_else_whatever_the_registry_says(
    layout: Path, location: str, taken: bool
) -> None:
    there = registry()

    def elsewhere(request: Request) -> Response:
        found = there(request)
        return respond(202, b"", {"Location": location}) if found.status == 202 else found

    there.network.hosts = {**there.network.hosts, HOST: elsewhere, f"{HOST}:443": elsewhere}
    if taken:
        push(layout, IMAGE, client(there))
        assert set(there.blobs.values()) == {CONFIG, LAYER}
        assert all(each.url.startswith("https:") for each in there.requests)
        client(there).check_push(IMAGE)
        assert urlsplit(there.requests[-1].url).path.startswith("/v2/team/app/blobs/uploads/")
    else:
        with pytest.raises(RegistryError, match="gets no login"):
            push(layout, IMAGE, client(there))


@pytest.mark.parametrize(
    "location",
    [
        *(
            "https://r.example:abc/u",
            "http://[::1/u",
            "http://[",
            f"https://u:p@{HOST}/u",
            f"https://@{HOST}/u",
        ),
        *("ftp://r.example/u", "mailto:x", f"https://{HOST}:99999/u"),
    ],
)
def test_an_upload_that_leads_nowhere_is_an_error(layout: Path, location: str) -> None:
    there = registry()

    def odd(request: Request) -> Response:
        found = there(request)
        return respond(202, b"", {"Location": location}) if found.status == 202 else found

    there.network.hosts = {**there.network.hosts, HOST: odd}
    for act in (lambda: push(layout, IMAGE, client(there)), lambda: client(there).check_push(IMAGE)):
        with pytest.raises(RegistryError, match=HOST) as caught:
            act()
        assert location not in str(caught.value)
    assert {each.method for each in there.requests} <= {"HEAD", "GET", "POST"}


def test_a_layout_that_lacks_something_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="holds no such image"):
        push(tmp_path, IMAGE, client(registry()))


def test_a_registry_that_begins_no_upload_is_told(layout: Path) -> None:
    there = registry()

    def silent(request: Request) -> Response:
        found = there(request)
        return respond(202) if found.status == 202 else found

    there.network.hosts = {**there.network.hosts, HOST: silent}
    with pytest.raises(RegistryError, match="names no place for an upload"):
        push(layout, IMAGE, client(there))
    with pytest.raises(RegistryError, match="names no place for an upload"):
        client(there).check_push(IMAGE)
    assert not [each for each in there.requests if each.method == "DELETE"], "of the repository itself"


def test_a_repository_that_no_push_makes_is_told_with_what_the_registry_says(layout: Path) -> None:
    """As at ECR."""
    there = registry()

    def missing(request: Request) -> Response:
        found = there(request)
        writes = found.status < 300 and request.method in ("POST", "PUT")
        return refuse(404, "NAME_UNKNOWN", "no repository team/app in 123") if writes else found

    there.network.hosts = {**there.network.hosts, HOST: missing}
    wanted = (
        f'there is no such repository, and {HOST} does not make it by a push: "no repository team/app in 123"'
    )
    acts = (
        lambda: client(there).check_push(IMAGE),
        lambda: push(layout, IMAGE, client(there)),
        lambda: client(there).write(IMAGE, b"{}", OCI_MANIFEST),
    )
    for act in acts:
        with pytest.raises(RegistryError) as caught:
            act()
        assert wanted in str(caught.value)


def test_another_write_that_finds_nothing_says_what(layout: Path) -> None:
    there = registry()

    def missing(request: Request) -> Response:
        found = there(request)
        return refuse(404, "BLOB_UNKNOWN", "blob sha256:1") if request.method == "PUT" else found

    there.network.hosts = {**there.network.hosts, HOST: missing}
    with pytest.raises(RegistryError, match='not found: "blob sha256:1"; is it pushed'):
        client(there).write(IMAGE, b"{}", OCI_MANIFEST)
