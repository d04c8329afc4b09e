"""A plugin from nothing but the wheel and a Docker engine: no checkout, no published image.

Skipped, and said so, where no engine answers; `make test` has one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from tests.dist.installed import Environment

from gocdnext_sdk.host.harness.build import BASE_IMAGE, BUILDX_VARIABLE, CONTEXTS_VARIABLE

PIPELINE = """
name: try
stages: [check]
jobs:
  words:
    stage: check
    uses: ghcr.io/org/gocdnext-plugin-words@v1
    with: {path: src, words: FIXME}
"""


@pytest.fixture
def engine(gocdnext_engine: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """The engine, without the base image under its published name before and after."""
    with closing(docker.from_env()) as client:
        before = {tag for image in client.images.list(BASE_IMAGE) for tag in image.tags}
        if BASE_IMAGE in before:
            client.images.remove(BASE_IMAGE)
        yield client
        for image in client.images.list(BASE_IMAGE):
            client.images.remove(BASE_IMAGE, force=True)
            assert image


@pytest.fixture
def variables() -> dict[str, str]:
    """Where the engine is, and what stands for docker.io on a host that cannot pull; the base is neither."""
    given = {
        name: os.environ[name]
        for name in ("DOCKER_HOST", BUILDX_VARIABLE, "BUILDX_BUILDER")
        if name in os.environ
    }
    contexts = os.environ.get(CONTEXTS_VARIABLE, "").split()
    return given | {
        CONTEXTS_VARIABLE: " ".join(each for each in contexts if each.startswith(("python=", "native=")))
    }


def test_a_plugin_is_made_tested_and_run_without_a_checkout(
    author: Environment, engine: docker.DockerClient, variables: dict[str, str], tmp_path: Path
) -> None:
    there = author.having(variables)
    assert there.command("new", "words", cwd=tmp_path).exit_code == 0
    folder = tmp_path / "words"

    # Before there is a base, a build says how to make one.
    early = there.command("exec", ".", "--image", cwd=folder)
    assert early.exit_code == 3, early
    assert "gocdnext-plugin base build" in early.err

    base = there.command("base", "build", cwd=tmp_path)
    assert (base.exit_code, base.out) == (0, f"{BASE_IMAGE}\n"), base
    assert engine.images.get(BASE_IMAGE).attrs["Config"]["Entrypoint"] == ["/gocdnext/run"]

    tests = there.shell("pytest -q", cwd=folder)
    assert tests.exit_code == 0, tests.out
    assert re.search(r"\b\d+ passed in", tests.out)
    assert "skipped" not in tests.out

    (folder / "src").mkdir()
    (folder / "src/app.py").write_text("# FIXME: later\n")
    (folder / ".gocdnext/try.yaml").write_text(PIPELINE)
    run = there.command(
        *("run", ".gocdnext/try.yaml", "--local", "gocdnext-plugin-words=.", "--json", "report.json"),
        cwd=folder,
    )
    assert run.exit_code == 1, run
    assert "src/app.py:1: FIXME" in run.out
    (job,) = json.loads((folder / "report.json").read_text())["jobs"]
    assert (job["exit_code"], job["outputs"]) == (1, {})


def test_without_an_engine_the_tests_in_the_container_are_skipped_aloud(
    author: Environment, tmp_path: Path
) -> None:
    there = author.having({"DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock"})
    assert there.command("new", "words", cwd=tmp_path).exit_code == 0
    tests = there.shell("pytest -q", cwd=tmp_path / "words")
    assert tests.exit_code == 0, tests.out
    assert re.search(r"^SKIPPED \[1\] .*: no Docker engine at unix://", tests.out, re.MULTILINE), tests.out
