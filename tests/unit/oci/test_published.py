"""What an image says of itself, from a registry in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import MAX_MANIFEST, Descriptor
from gocdnext_sdk.oci.published import Said, TooLarge, attested_types, said_by

CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.mark.parametrize("layers", [7, "x", [7], [{"annotations": 7}]])
def test_an_attestation_of_another_shape_is_an_error(layers: object) -> None:
    registry = FakeRegistry()
    attestation = registry.push("app", {"layers": layers})
    about = {
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    child = {"mediaType": attestation.media_type, "digest": attestation.digest, "size": attestation.size}
    index = registry.push("app", {"manifests": [child | about]})
    with pytest.raises(RegistryError, match=registry.host):
        list(said_by(registry.reference(f"app@{index.digest}"), RegistryClient(transport=registry)))


def test_every_text_comes_with_its_place() -> None:
    registry = FakeRegistry()
    config = {"os": "linux", "architecture": "amd64", "config": {"Env": ["A=b"]}}
    config["history"] = [{"created_by": "RUN |1 T=t0ken make"}]
    blob = registry.blob(json.dumps(config).encode())
    image = registry.push("app", {"config": {"mediaType": CONFIG, "digest": blob}, "annotations": {"k": "v"}})
    predicate = json.dumps({"predicate": {"buildDefinition": {"args": {"build-arg:T": "t0ken"}}}}).encode()
    kinds = [("https://slsa.dev/provenance/v1", 1), ("https://spdx.dev/Document", 1)]
    kinds.append(("https://slsa.dev/provenance/v0.2", MAX_MANIFEST + 1))
    layers = [
        {"digest": registry.blob(predicate), "size": size, "annotations": {"in-toto.io/predicate-type": kind}}
        for kind, size in kinds
    ]
    attestation = registry.push("app", {"layers": layers})
    about = {"vnd.docker.reference.type": "attestation-manifest"}
    unknown = {"os": "unknown", "architecture": "unknown"}
    entries = [
        {"mediaType": each.media_type, "digest": each.digest, "size": each.size, **more}
        for each, more in (
            (image, {"platform": {"os": "linux", "architecture": "amd64"}}),
            (attestation, {"annotations": about, "platform": unknown}),
        )
    ]
    index = registry.push("app", {"manifests": entries, "annotations": {"title": "App"}})
    client = RegistryClient(transport=registry)
    said = list(said_by(registry.reference(f"app@{index.digest}"), client))
    for where, text in (
        ("index: annotations.title", "App"),
        ("manifest of linux/amd64: annotations.k", "v"),
        ("configuration of linux/amd64: config.Env[0]", "A=b"),
        ("configuration of linux/amd64: history[0].created_by", "RUN |1 T=t0ken make"),
        ("provenance: predicate.buildDefinition.args.build-arg:T", "t0ken"),
    ):
        assert Said(where, text) in said
    assert sum(where.startswith("provenance: predicate") for where, *_ in said if isinstance(where, str)) >= 1
    assert [each for each in said if isinstance(each, TooLarge)] == [TooLarge("provenance", MAX_MANIFEST + 1)]
    single = list(said_by(registry.reference(f"app@{image.digest}"), client))
    assert Said("configuration: config.Env[0]", "A=b") in single


def test_an_index_in_an_index_says_things_too() -> None:
    registry = FakeRegistry()
    image = registry.push("app", {"annotations": {"k": "deep"}})
    attestation = registry.push(
        "app", {"layers": [{"annotations": {"in-toto.io/predicate-type": "https://spdx.dev/Document"}}]}
    )
    attests = {
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest,
        },
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    inner = registry.push("app", {"manifests": [entry(image), entry(attestation) | attests]})
    outer = registry.push("app", {"manifests": [entry(inner)]})
    client, name = RegistryClient(transport=registry), registry.reference(f"app@{outer.digest}")
    assert Said("manifest: annotations.k", "deep") in list(said_by(name, client))
    assert attested_types(name, client) == {image.digest: {"https://spdx.dev/Document"}}


def test_what_is_no_attestation_attests_nothing() -> None:
    registry = FakeRegistry()
    layers = [{"annotations": {"in-toto.io/predicate-type": "https://spdx.dev/Document"}}]
    image = registry.push("app", {"layers": layers})
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest}
    index = registry.push("app", {"manifests": [entry(image) | {"annotations": about, "platform": LINUX}]})
    client = RegistryClient(transport=registry)
    assert attested_types(registry.reference(f"app@{index.digest}"), client) == {}
    assert attested_types(registry.reference(f"app@{image.digest}"), client) == {}


LINUX = {"os": "linux", "architecture": "amd64"}


def entry(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
