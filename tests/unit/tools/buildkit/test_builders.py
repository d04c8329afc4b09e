"""What a builder can do, and what it is told of a mirror."""

from __future__ import annotations

import tomllib

import pytest
from testbed.pins import pins

from gocdnext_sdk import ToolError
from gocdnext_sdk.oci.mirror import Mirror
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.tools.buildkit.builders import BINFMT, BUILDKIT, Builder, naming_lost, registry_config

BUILDER = Builder("default", frozenset({"linux/amd64", "linux/arm64", "linux/arm/v7"}))


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/amd64/v1", "linux/arm64/v8", "linux/arm"])
def test_a_platform_is_known_by_all_its_names(platform: str) -> None:
    assert BUILDER.missing([platform]) == ()


def test_only_what_the_daemon_lacks_is_emulated() -> None:
    assert BUILDER.missing(["linux/amd64", "linux/s390x", "linux/arm64"]) == ("linux/s390x",)


def test_nothing_emulates_other_systems() -> None:
    assert BUILDER.missing(["windows/amd64", "wasip1/wasm"]) == ()


@pytest.mark.parametrize(
    ("mirror", "place", "http"),
    [
        ("mirror.gcr.io", "mirror.gcr.io", False),
        ("https://registry.example.com/dockerhub/", "registry.example.com/dockerhub", False),
        ("http://registry.example.com:5000/hub", "registry.example.com:5000/hub", True),
        ("HTTP://Registry.example.com/hub", "registry.example.com/hub", True),
    ],
)
def test_docker_hub_is_read_through_the_mirror(mirror: str, place: str, http: bool) -> None:
    registries = tomllib.loads(registry_config(Mirror.parse(mirror)))["registry"]
    assert registries["docker.io"] == {"mirrors": [place]}
    assert registries.get(place.split("/")[0], {}).get("http", False) is http


def test_named_registries_speak_plain_http_and_each_is_named_once() -> None:
    hosts = [Registry("registry:5000"), Registry("[fd00::1]:5000"), Registry("hub.corp:80")]
    registries = tomllib.loads(registry_config(Mirror.parse("http://hub.corp:80/x"), hosts))["registry"]
    assert registries.pop("docker.io") == {"mirrors": ["hub.corp:80/x"]}
    assert registries == {str(host): {"http": True} for host in hosts}
    assert registry_config(None) == ""


@pytest.mark.parametrize(("name", "image"), [("binfmt", BINFMT), ("buildkit", BUILDKIT)])
def test_helper_images_are_those_of_the_one_file_of_versions(name: str, image: str) -> None:
    assert image == pins()[name].image


@pytest.mark.parametrize(
    ("said", "is_lost"),
    [
        (
            b"failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
            True,
        ),
        (b"failed to solve: Unavailable: closing transport due to: connection error: EOF", True),
        (b"failed to solve: Unavailable: https://registry.example.com: 503 Service Unavailable", False),
        (b"ERROR: failed to solve: process /bin/sh did not complete successfully: exit code: 1", False),
        (b"ERROR: failed to push r/x: rpc error: code = Unavailable", False),
    ],
)
def test_a_buildkit_that_is_lost_is_named_and_no_other_failure_is_taken_for_it(
    said: bytes, is_lost: bool
) -> None:
    with pytest.raises(ToolError) as caught, naming_lost(lambda: "the node tcp://arm:1", "does it run?"):
        raise ToolError("buildx failed with exit code 1", "its own message is above", said=said)
    assert ("the node tcp://arm:1 was lost" in caught.value.what) == is_lost
    assert (caught.value.advice == "does it run?") == is_lost
