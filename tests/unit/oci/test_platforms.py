from __future__ import annotations

import pytest

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.oci.descriptor import OCI_MANIFEST, Descriptor
from gocdnext_sdk.oci.platforms import choose, is_platform, matches, normal


def image(platform: str | None, digit: str) -> Descriptor:
    return Descriptor(f"sha256:{digit * 64}", OCI_MANIFEST, 1, platform)


IMAGES = (image("linux/arm/v7", "1"), image("linux/amd64", "2"), image(None, "3"))


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "windows/amd64", "linux/ppc64le"])
def test_what_a_platform_looks_like(text: str) -> None:
    assert is_platform(text)


@pytest.mark.parametrize(
    "text", ["", "linux", "linux/", "linux/arm/v7/x", "Linux/amd64", "linux/amd64,linux/arm64"]
)
def test_what_is_not_a_platform(text: str) -> None:
    assert not is_platform(text)


def test_without_a_variant_every_variant_matches() -> None:
    assert matches("linux/arm/v7", "linux/arm")
    assert matches("linux/arm/v6", "linux/arm")
    assert matches("linux/amd64/v3", "linux/amd64")
    assert not matches("linux/arm64", "linux/arm")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/arm64", "linux/aarch64"),
            ("linux/arm64/v9", "linux/arm64/9"),
        ),
        *(("linux/amd64", "linux/amd64/v1"), ("linux/amd64", "linux/x86_64"), ("linux/386", "linux/i386")),
        *(("linux/arm", "linux/arm/v7"), ("linux/arm/v7", "linux/armhf"), ("linux/arm/v6", "linux/armel")),
        *(("linux/arm/v6", "linux/arm/6"), ("darwin/arm64", "macos/arm64"), ("linux/amd64", "Linux/AMD64")),
    ],
)
def test_two_names_of_one_platform_match(one: str, other: str) -> None:
    """As in containerd's `platforms.Normalize`."""
    assert normal(one) == normal(other)
    assert matches(one, other)
    assert matches(other, one)
    assert choose([other], [image(one, "1")])
    assert choose([one], [image(other, "1")])


@pytest.mark.parametrize(
    ("platform", "wanted"),
    [
        *(("linux/arm/v6", "linux/arm/v7"), ("linux/arm", "linux/arm/v6"), ("linux/arm/v6", "linux/armhf")),
        *(("linux/arm64/v9", "linux/arm64/v8"), ("linux/amd64/v3", "linux/amd64/v1")),
        *(("windows/amd64", "linux/amd64"), ("linux/386", "linux/amd64"), ("", "linux/amd64")),
    ],
)
def test_another_variant_is_another_platform(platform: str, wanted: str) -> None:
    assert not matches(platform, wanted)


def test_all_are_chosen_in_the_order_of_the_index() -> None:
    assert choose(("all",), IMAGES) == IMAGES
    assert choose(("linux/amd64", "linux/arm"), IMAGES) == IMAGES[:2]


def test_a_platform_that_is_missing_is_named_with_those_that_are_there() -> None:
    with pytest.raises(Invalid) as caught:
        choose(("linux/s390x",), IMAGES[:2])
    assert "linux/s390x" in caught.value.what
    assert "linux/arm/v7, linux/amd64" in caught.value.advice
