"""What belongs to an image: referrers, and tags that begin with its digest."""

from __future__ import annotations

from typing import Any

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.oci.attached import attached
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import Descriptor
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.oci.referrers import File, attach, fallback_tag


@pytest.fixture(params=[True, False], ids=["with the API", "without it"])
def fake(request: pytest.FixtureRequest) -> FakeRegistry:
    return FakeRegistry(has_referrers=request.param)


@pytest.fixture
def client(fake: FakeRegistry) -> RegistryClient:
    return RegistryClient(transport=fake)


def image(fake: FakeRegistry, **more: Any) -> Reference:
    return at(fake, fake.push("app", {"schemaVersion": 2, "config": {}, "layers": [], **more}))


def at(fake: FakeRegistry, descriptor: Descriptor) -> Reference:
    return fake.reference("app").with_digest(descriptor.digest)


def index(fake: FakeRegistry, client: RegistryClient, *images: Reference) -> Reference:
    known = [client.resolve(each) for each in images]
    entries = [{"mediaType": each.media_type, "digest": each.digest, "size": each.size} for each in known]
    return at(fake, fake.push("app", {"schemaVersion": 2, "manifests": entries}))


def refer(client: RegistryClient, subject: Reference, text: str) -> str:
    return attach(client, subject, "text/plain", [File("a", "text/plain", text.encode())], {})


def sign(fake: FakeRegistry, subject: Reference, text: str) -> str:
    tag = f"{fallback_tag(subject)}.sig"
    image(fake, annotations={"of": text})
    fake.push(f"app:{tag}", {"schemaVersion": 2, "layers": [], "config": {}, "annotations": {"of": text}})
    return tag


def test_all_that_belongs_to_an_image_and_to_what_belongs_to_it(
    fake: FakeRegistry, client: RegistryClient
) -> None:
    one, other = image(fake), image(fake, annotations={"other": "one"})
    whole = index(fake, client, one, other)
    sbom = refer(client, one, "sbom")
    signed = refer(client, whole.with_digest(sbom), "its signature")
    tags = {sign(fake, whole, "index"), sign(fake, other, "other")}
    tags.add(sign(fake, whole.with_digest(fake.tags["app", f"{fallback_tag(whole)}.sig"]), "a signature"))
    refer(client, image(fake, annotations={"not": "in it"}), "of another")
    assert attached(client, whole) == {sbom, signed, *tags}


@pytest.mark.parametrize("suffix", ["", ".imgpkg"])
@pytest.mark.parametrize("of", ["image", "index", "child"])
def test_a_tag_on_the_image_itself_is_nothing_that_belongs_to_it(
    fake: FakeRegistry, client: RegistryClient, of: str, suffix: str
) -> None:
    """As `cosign copy` leaves it; regctl's tree ends with "loop encountered"."""
    child = image(fake)
    whole = child if of == "image" else index(fake, client, child)
    tagged = child if of == "child" else whole
    fake.tags["app", fallback_tag(tagged) + suffix] = str(tagged.digest)
    assert attached(client, whole) == frozenset()


def test_a_tag_on_the_index_that_the_image_is_in_ends_too(fake: FakeRegistry, client: RegistryClient) -> None:
    child = image(fake)
    whole = index(fake, client, child)
    tag = f"{fallback_tag(child)}.index"
    fake.tags["app", tag] = str(whole.digest)
    assert attached(client, whole) == {tag}


def test_a_tag_whose_image_is_gone_is_named(fake: FakeRegistry, client: RegistryClient) -> None:
    whole = image(fake)
    fake.tags["app", f"{fallback_tag(whole)}.sig"] = f"sha256:{'0' * 64}"
    with pytest.raises(RegistryError, match=r"\.sig is listed, and not there"):
        attached(client, whole)
