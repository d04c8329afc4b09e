"""A plugin that is known by its image alone: its manifest is read from there, if the engine has it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import Pull
from gocdnext_sdk.host.harness.engine.memory import MemoryEngine
from gocdnext_sdk.host.harness.image_manifests import manifests_in
from gocdnext_sdk.host.harness.options import RunOptions
from gocdnext_sdk.host.harness.prepare import prepare
from gocdnext_sdk.host.lint.check import lint_text
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.pipeline import parse_text

PATH = "gocdnext/plugin/plugin.yaml"
YAML = b"name: chat\ninputs:\n  text: {required: true, description: x}\n"
PUSHER = b"name: pusher\ninputs:\n  to: {required: true, description: x}\nx-publishes: {image: to}\n"
PIPELINE = "stages: [s]\njobs:\n  a: {stage: s, uses: org/chat@v1, with: {txet: hello}}\n"


class Reluctant(MemoryEngine):
    """Has one image, and fetches none."""

    def ensure_image(self, image: str, pull: Pull, stopping: object, advice: str = "") -> None:
        assert pull is Pull.NEVER
        if image not in self.contents:
            raise DaemonError(f"the engine has no image {image}")


def test_a_manifest_is_read_from_an_image_that_is_here_and_nothing_starts_or_stays() -> None:
    engine = Reluctant()
    engine.contents["org/chat:v1"] = {PATH: YAML}
    found = manifests_in(engine, ["org/elsewhere:v1", "org/chat:v1"])
    assert [*found] == ["org/chat:v1"]
    assert found["org/chat:v1"].name == "chat"
    assert engine.order == []
    assert engine.labels == {}


@pytest.mark.parametrize(
    "content", [{}, {PATH: b"- no manifest"}, {PATH: b"{"}, {PATH: b"\xff"}, {PATH: b""}]
)
def test_an_image_without_a_manifest_stays_unknown(content: dict[str, bytes]) -> None:
    engine = Reluctant()
    engine.contents["org/chat:v1"] = content
    assert manifests_in(engine, ["org/chat:v1"]) == {}
    assert engine.labels == {}


def test_without_an_engine_nothing_is_known() -> None:
    assert manifests_in(MemoryEngine(fail_at=1), ["org/chat:v1"]) == {}


def test_a_run_asks_before_a_plugin_that_only_its_image_knows_publishes(project: Path) -> None:
    engine = Reluctant()
    engine.contents["localhost/pusher:dev"] = {PATH: PUSHER}
    text = "stages: [s]\njobs:\n  a: {stage: s, uses: org/pusher@v1, with: {to: ghcr.io/org/app}}\n"

    def published(**options: Any) -> tuple[str, ...]:
        found = prepare(parse_text(text), RunOptions(**options), project)
        return tuple(each.image for each in found.publications)

    read = partial(manifests_in, engine)
    assert published(manifests=read) == ()  # the image that would run is not here
    assert published(manifests=read, use_images={"pusher": "localhost/pusher:dev"}) == ("ghcr.io/org/app",)
    assert published(use_images={"pusher": "localhost/pusher:dev"}) == ()


def test_lint_checks_by_the_manifest_of_the_very_image() -> None:
    engine = Reluctant()
    engine.contents["org/chat:v1"] = {PATH: YAML}
    known = Catalog([]).with_images(manifests_in(engine, ["org/chat:v1"]))
    before = {each.rule.id for each in lint_text(PIPELINE, "a.yaml", Catalog([]))}
    after = {each.rule.id for each in lint_text(PIPELINE, "a.yaml", known)}
    other = {each.rule.id for each in lint_text(PIPELINE.replace("@v1", "@v2"), "a.yaml", known)}
    assert "GP109" in before
    assert "GP109" not in after
    assert {"GP101", "GP102"} & after
    assert "GP109" in other
