"""Where a BuildKit runs already, as users write it; tests/e2e/test_remote_builders.py has real ones."""

from __future__ import annotations

import pytest

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.tools.buildkit.nodes import Node


@pytest.mark.parametrize(
    ("text", "address", "platforms"),
    [
        ("tcp://build:1234", "tcp://build:1234", ()),
        (
            "tcp://10.0.0.1:1 linux/arm64,linux/arm/v7",
            "tcp://10.0.0.1:1",
            ("linux/arm64", "linux/arm/v7"),
        ),
        ("tcp://[::1]:1234  linux/amd64 linux/386", "tcp://[::1]:1234", ("linux/amd64", "linux/386")),
    ],
)
def test_a_node_is_an_address_and_its_platforms(text: str, address: str, platforms: tuple[str, ...]) -> None:
    node = Node.parse(text)
    assert (node.address, node.platforms) == (address, platforms)
    assert Node.parse(str(node)) == node


@pytest.mark.parametrize(
    "text",
    [
        *(
            "build:1234",
            "tcp://build",
            "tcp://build:0",
            "tcp://build:99999",
            "tcp://[",
            "",
            ", ,",
            "tcp://:1234",
            "https://build:1",
        ),
        *(
            "tcp://me@build:1",
            "tcp://build:1/x",
            "tcp://build:1?x",
            "tcp://build:1 amd64",
            "unix:///run/x.sock",
        ),
    ],
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(Invalid):
        Node.parse(text)


@pytest.mark.parametrize(
    ("platforms", "wanted", "builds"),
    [
        ("", "linux/amd64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64", "linux/amd64", False),
    ],
)
def test_a_node_builds_what_it_names(platforms: str, wanted: str, *, builds: bool) -> None:
    assert Node.parse(f"tcp://build:1 {platforms}").builds([wanted]) is builds
