"""Pipelines of the SDK's own plugins, as tests of what they publish need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gocdnext_sdk.host.harness import RunOptions
from gocdnext_sdk.host.harness.prepare import Prepared, prepare
from gocdnext_sdk.host.pipeline import parse_file

CHAIN = """
stages: [a, b]
jobs:
  build:
    stage: a
    uses: gocdnext-plugin-buildx@v1
    with: {image: "%s"}
    outputs: {reference: REFERENCE, digest: DIGEST}
  sign:
    stage: b
    needs: [build]
    uses: gocdnext-plugin-cosign@v1
    with: {action: sign, image: "${{ needs.build.outputs.reference }}", key: cosign.key, tlog: "false"}
  promote:
    stage: b
    needs: [build]
    uses: gocdnext-plugin-docker-push@v1
    with: {source: "${{ needs.build.outputs.reference }}", target: "quay.io/org/app:v1"}
"""
"""A job that builds an image, and two that take it from its outputs; the image is a blank."""


def prepared(project: Path, text: str, **options: Any) -> Prepared:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(text)
    return prepare(parse_file(file), RunOptions(**options), project)


def job(body: str, more: str = "") -> str:
    return f"stages: [a]\n{more}jobs:\n  it:\n    stage: a\n    {body}\n"


def uses(plugin: str, **inputs: str) -> str:
    given = ", ".join(f'{key.replace("_", "-")}: "{value}"' for key, value in inputs.items())
    return job(f"uses: ghcr.io/klinux/gocdnext-plugin-{plugin}@v1\n    with: {{{given}}}")
