"""Where the images of a Dockerfile are, as far as that can be told."""

from __future__ import annotations

import pytest

from gocdnext_sdk.tools.dockerfile import parse
from gocdnext_sdk.tools.dockerfile_images import images


@pytest.mark.parametrize(
    ("text", "registries", "all_known"),
    [
        ("FROM scratch", "", True),
        ("FROM ghcr.io/a/b:1 AS one\nFROM one\nCOPY --from=one /x /\nCOPY --from=0 /x /", "ghcr.io", True),
        ("FROM alpine", "docker.io", True),
        ("FROM --platform=$BUILDPLATFORM quay.io/a/b AS x", "quay.io", True),
        ("FROM scratch\nCOPY --from=quay.io/a/b /x /", "quay.io", True),
        ("FROM scratch\nRUN --mount=type=bind,from=quay.io/a/b,target=/x true", "quay.io", True),
        ("FROM scratch\nRUN --mount=From=quay.io/a/b,target=/x true", "quay.io", True),
        ('FROM scratch\nRUN --mount=\'"type=bind","from=quay.io/a/b"\',target=/x true', "quay.io", True),
        ("FROM scratch\nRUN --mount=form=quay.io/a/b,target=/x true", "", False),
        ("FROM scratch\nONBUILD COPY --from=quay.io/a/b /x /", "quay.io", True),
        ("# syntax=quay.io/a/frontend\nFROM scratch", "quay.io", False),
        ("ARG BASE=ghcr.io/a/b\nFROM $BASE", "ghcr.io", True),
        ("ARG HOST\nFROM ${HOST}/a/b", "given.io", True),
        ("ARG HOST=x.io\nARG BASE=$HOST/a\nFROM ${BASE}:1", "given.io", True),
        ("ARG TAG\nFROM ghcr.io/a/b:${TAG}", "ghcr.io", True),
        ("FROM ${NONE:-quay.io}/a/b", "quay.io", True),
        ("ARG BASE\nFROM $BASE", "", False),
        ("ARG X=1\nFROM ${X%1}/a/b", "", False),
        ("ARG X=quay.io Y=$X/a\nFROM $Y", "quay.io", True),
    ],
)
def test_registries(text: str, registries: str, all_known: bool) -> None:
    found = images(parse(text), {"HOST": "given.io"})
    assert (" ".join(sorted(map(str, found.registries))), found.all_known) == (registries, all_known)


def test_a_frontend_that_is_given_wins() -> None:
    found = images(parse("# syntax=ghcr.io/a/one\nFROM scratch"), {"BUILDKIT_SYNTAX": "quay.io/a/two:1 x"})
    assert (" ".join(map(str, found.registries)), found.all_known) == ("quay.io", False)
