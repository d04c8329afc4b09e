"""Joining images into one index, with a registry in memory; tests/e2e compares with buildx."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gocdnext_sdk.errors import Invalid, RegistryError
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from gocdnext_sdk.oci.index import EntryAnnotation, Index, join, select
from gocdnext_sdk.oci.reference import Reference

CONFIG = "application/vnd.oci.image.config.v1+json"


class Shelf:
    """A registry with images to join."""

    def __init__(self) -> None:
        self.registry = FakeRegistry()
        self.client = RegistryClient(transport=self.registry)

    def image(
        self, architecture: str, media_type: str = OCI_MANIFEST, config_type: str = CONFIG, **more: Any
    ) -> Descriptor:
        config = self.registry.blob(
            json.dumps({"os": "linux", "architecture": architecture, **more}).encode()
        )
        content = {"schemaVersion": 2, "config": {"mediaType": config_type, "digest": config, "size": 1}}
        return self.registry.push("app", {**content, "layers": []}, media_type)

    def index(self, *entries: dict[str, Any]) -> Reference:
        return self.at(self.registry.push("app", {"schemaVersion": 2, "manifests": list(entries)}))

    def built(self, architecture: str, **platform: str) -> Reference:
        """What BuildKit pushes for one platform: the image and its attestation."""
        image = self.image(architecture)
        attestation = self.registry.push("app", {"schemaVersion": 2, "layers": [], "subject": image.digest})
        about = {"vnd.docker.reference.type": "attestation-manifest"}
        about["vnd.docker.reference.digest"] = image.digest
        unknown = {"os": "unknown", "architecture": "unknown"}
        return self.index(
            entry(image) | {"platform": {"os": "linux", "architecture": architecture} | platform},
            entry(attestation) | {"platform": unknown, "annotations": about},
        )

    def at(self, descriptor: Descriptor) -> Reference:
        return self.registry.reference(f"app@{descriptor.digest}")

    def join(self, *images: Reference, **annotations: Any) -> Index:
        return join(images, self.client, **annotations)


def entry(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_the_entries_of_all_stand_side_by_side_as_they_were(shelf: Shelf) -> None:
    images = shelf.built("amd64"), shelf.built("arm64")
    joined = shelf.join(*images)
    before = [each for image in images for each in shelf.client.manifest(image)[1]["manifests"]]
    content = json.loads(joined.content)
    assert content == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": before}
    assert (joined.platforms, joined.attestations) == (("linux/amd64", "linux/arm64"), 2)


def test_a_manifest_gets_the_platform_of_its_configuration(shelf: Shelf) -> None:
    arm, windows = (
        shelf.image("arm", variant="v7"),
        shelf.image("amd64", os="windows", **{"os.version": "10"}),
    )
    joined = shelf.join(shelf.at(arm), shelf.at(windows), shelf.built("s390x"))
    platforms = [each["platform"] for each in json.loads(joined.content)["manifests"]]
    assert platforms[0] == {"os": "linux", "architecture": "arm", "variant": "v7"}
    assert platforms[1] == {"os": "windows", "architecture": "amd64", "os.version": "10"}
    assert joined.platforms == ("linux/arm/v7", "windows/amd64", "linux/s390x")


def test_docker_manifests_make_a_docker_list_unless_it_has_annotations(shelf: Shelf) -> None:
    images = [shelf.at(shelf.image(each, DOCKER_MANIFEST)) for each in ("amd64", "arm64")]
    assert shelf.join(*images).media_type == DOCKER_INDEX
    assert shelf.join(*images, annotations={"a": "b"}).media_type == OCI_INDEX
    assert shelf.join(*images, shelf.built("riscv64")).media_type == OCI_INDEX


def test_annotations_go_to_the_index_or_to_its_entries_of_images(shelf: Shelf) -> None:
    joined = shelf.join(
        shelf.built("amd64"),
        shelf.built("arm64", variant="v8"),
        annotations={"title": "App"},
        entry_annotations=[EntryAnnotation("all", "1"), EntryAnnotation("one", "2", "linux/arm64")],
    )
    content = json.loads(joined.content)
    assert content["annotations"] == {"title": "App"}
    amd, _, arm, attestation = (each.get("annotations") for each in content["manifests"])
    assert (amd, arm) == ({"all": "1"}, {"all": "1", "one": "2"})
    assert "all" not in attestation


def test_what_is_written_is_there_under_its_digest(shelf: Shelf) -> None:
    joined = shelf.join(shelf.built("amd64"), shelf.built("arm64"))
    target = shelf.at(shelf.registry.push("app", joined.content, joined.media_type))
    shelf.registry.manifests.clear()
    shelf.client.put(target, joined.content, joined.media_type)
    assert shelf.registry.manifests["app", str(target.digest)] == (OCI_INDEX, joined.content)


def refused(shelf: Shelf, *images: Reference, **annotations: Any) -> str:
    with pytest.raises(Invalid) as caught:
        shelf.join(*images, **annotations)
    return caught.value.what


@pytest.mark.parametrize("variant", [{}, {"variant": "v8"}])
def test_two_images_for_one_platform_are_refused(shelf: Shelf, variant: dict[str, str]) -> None:
    one, two = shelf.built("arm64"), shelf.image("arm64", created="later", **variant)
    assert refused(shelf, one, shelf.at(two)).startswith("there are two images for linux/arm64")


def test_one_image_twice_is_refused(shelf: Shelf) -> None:
    image = shelf.built("amd64")
    assert refused(shelf, image, image).startswith("there are two images for linux/amd64")


def test_an_index_of_indexes_is_refused(shelf: Shelf) -> None:
    inner = shelf.built("amd64")
    descriptor = shelf.client.resolve(inner)
    outer = shelf.index(entry(descriptor))
    assert refused(shelf, outer, shelf.built("arm64")) == f"{outer} has an index in it, {inner.digest}"


@pytest.mark.parametrize(
    "config_type", ["application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.empty.v1+json", ""]
)
def test_what_is_no_image_is_refused(shelf: Shelf, config_type: str) -> None:
    chart = shelf.at(shelf.image("amd64", config_type=config_type))
    assert refused(shelf, shelf.built("arm64"), chart).startswith(f"{chart} is no image")


def test_an_artifact_in_an_index_is_refused(shelf: Shelf) -> None:
    image = shelf.image("amd64", config_type="application/vnd.example.signature")
    platform = {"os": "linux", "architecture": "amd64"}
    odd = shelf.index(entry(image) | {"platform": platform, "artifactType": "application/vnd.example"})
    assert "is no image for a platform" in refused(shelf, odd, shelf.built("arm64"))


def test_other_content_in_an_index_is_refused(shelf: Shelf) -> None:
    image = shelf.image("amd64")
    odd = shelf.index(entry(image) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"})
    assert refused(shelf, odd, shelf.built("arm64")).endswith("application/vnd.oci.image.layer.v1.tar")


def test_an_attestation_of_another_image_is_refused(shelf: Shelf) -> None:
    other = shelf.client.manifest(shelf.built("s390x"))[1]["manifests"][1]
    odd = shelf.index(entry(shelf.image("amd64")), other)
    assert "attests to an image that is not among them" in refused(shelf, odd, shelf.built("arm64"))


def test_an_image_that_says_it_is_about_another_is_not_selected_with_it(shelf: Shelf) -> None:
    arm, amd = shelf.image("arm64"), shelf.image("amd64")
    about = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": arm.digest,
    }
    linux = {"os": "linux", "architecture": "amd64"}
    both = shelf.index(entry(arm), entry(amd) | {"platform": linux, "annotations": about})
    assert select(both, shelf.client, ["linux/arm64"]).children == (arm.digest,)
    assert select(both, shelf.client, ["linux/amd64"]).children == (amd.digest,)


def test_an_annotation_for_a_platform_that_is_not_there_is_refused(shelf: Shelf) -> None:
    nowhere = [EntryAnnotation("a", "b", "linux/s390x")]
    images = shelf.built("amd64"), shelf.built("arm64")
    assert "linux/s390x" in refused(shelf, *images, entry_annotations=nowhere)


def test_an_empty_index_is_refused(shelf: Shelf) -> None:
    empty = shelf.index()
    assert refused(shelf, empty, shelf.built("arm64")) == f"{empty} is an empty index"


def test_what_is_not_there_is_said_by_name(shelf: Shelf) -> None:
    missing = shelf.registry.reference(f"app@sha256:{'0' * 64}")
    with pytest.raises(RegistryError, match="0000"):
        shelf.join(shelf.built("amd64"), missing)


def test_both_variants_of_a_platform_are_selected(shelf: Shelf) -> None:
    """As an index has them where layers are in gzip and in zstd; clients choose one."""
    gzip, zstd, arm = shelf.image("amd64"), shelf.image("amd64", of="zstd"), shelf.image("arm64")
    annotated = entry(zstd) | {"annotations": {"io.github.containers.compression.zstd": "true"}}
    both = shelf.index(entry(gzip), annotated, entry(arm))
    selected = select(both, shelf.client, ["linux/amd64"])
    assert selected.children == (gzip.digest, zstd.digest)
    assert selected.platforms == ("linux/amd64",)
    assert json.loads(selected.content)["manifests"][1]["annotations"] == annotated["annotations"]
    assert select(both, shelf.client, ["linux/arm64"]).children == (arm.digest,)


def test_what_is_no_image_of_a_platform_is_left_out_of_a_selection(shelf: Shelf) -> None:
    arm, chart = shelf.image("arm64"), shelf.image("amd64", config_type="application/vnd.oci.empty.v1+json")
    inner = shelf.client.resolve(shelf.built("amd64"))
    layer = entry(arm) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"}
    mixed = shelf.index(
        entry(chart) | {"artifactType": "application/vnd.example.sbom"}, entry(inner), layer, entry(arm)
    )
    assert select(mixed, shelf.client, ["linux/arm64"]).children == (arm.digest,)
    with pytest.raises(Invalid) as caught:
        select(mixed, shelf.client, ["linux/amd64"])
    assert caught.value.what == 'the image has no "linux/amd64"'
    assert f"{inner.digest} in it is an index" in caught.value.advice


def test_an_image_that_is_named_twice_is_copied_once(shelf: Shelf) -> None:
    one = shelf.image("amd64")
    twice = shelf.index(entry(one), entry(one))
    selected = select(twice, shelf.client, ["linux/amd64"])
    assert selected.children == (one.digest,)
    assert len(json.loads(selected.content)["manifests"]) == 2
