"""The pytest plugin: fixtures to test plugins with, and readable failures.

pytest loads it by its entry point. What takes time to import is imported by the fixture that needs it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import pytest

from gocdnext_sdk.host.testing.result import Argv, side_by_side
from gocdnext_sdk.host.testing.run import PluginRunner

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness import LocalRegistry, RunReport, Session
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore


@dataclass
class FakeTools:
    """Stand-ins for tools a unit test does not have. What they were started with is in `Result.calls`.

    Args:
        folder: where they are; `run_plugin` looks there first, except in containers.
    """

    folder: Path

    def add(self, name: str, *, stdout: str = "", exit_code: int = 0, script: str = "") -> None:
        """Make a tool.

        Args:
            name: what it is called.
            stdout: what it prints.
            exit_code: what it ends with.
            script: shell commands it runs before that.
        """
        self.folder.mkdir(exist_ok=True)
        tool = self.folder / name
        tool.write_text(f"#!/bin/sh\n{script}\nprintf %s {shlex.quote(stdout)}\nexit {exit_code}\n")
        tool.chmod(0o755)


@pytest.fixture
def fake_tools(tmp_path: Path) -> FakeTools:
    """Stand-ins for tools: `fake_tools.add("trivy", stdout="{}")`."""
    return FakeTools(tmp_path / "fake-tools")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty checkout, where `run_plugin` works."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def run_plugin(
    workspace: Path, tmp_path: Path, fake_tools: FakeTools, request: pytest.FixtureRequest
) -> PluginRunner:
    """Run a plugin in `workspace`: ``run_plugin("plugins/trivy", {"target": "."}, mode="image")``."""

    def session() -> Session:
        found: Session = request.getfixturevalue("engine_session")
        return found

    return PluginRunner(workspace, tmp_path / "private", session, (fake_tools.folder,))


@pytest.fixture(scope="session")
def engine_session() -> Iterator[Session]:
    """Own containers, volumes and networks on the Docker engine; all are gone after the tests."""
    from gocdnext_sdk.host.harness import Session
    from gocdnext_sdk.host.harness.engine.docker import DockerEngine

    with Session(DockerEngine()) as session:
        yield session


@pytest.fixture(scope="session")
def registry(engine_session: Session) -> LocalRegistry:
    """Give a real registry with a login, on one address for tests, engine and containers on its `network`."""
    return engine_session.start_registry()


@pytest.fixture(scope="session")
def sigstore(engine_session: Session, registry: LocalRegistry) -> LocalSigstore:
    """Give a private Sigstore that containers on the `registry`'s network reach, and its issuer's tokens."""
    return engine_session.start_sigstore(registry.network)


@pytest.fixture
def repository(registry: LocalRegistry) -> str:
    """Name a repository in `registry` that no other test uses."""
    return f"{registry.address}/test-{uuid4().hex[:8]}/app"


class PipelineRunner(Protocol):
    """Runs a pipeline file; the keywords are those of `harness.RunOptions`."""

    def __call__(self, file: Path | str, **options: Any) -> RunReport:
        """Run `file` on the engine."""


@pytest.fixture
def run_pipeline(engine_session: Session) -> PipelineRunner:
    """Run a whole pipeline: ``run_pipeline(file, secrets={...}, registry=registry).passed``."""
    from gocdnext_sdk.host.harness import RunOptions
    from gocdnext_sdk.host.harness import run_pipeline as run

    def runner(file: Path | str, **options: Any) -> RunReport:
        return run(Path(file), RunOptions(**options), session=engine_session)

    return runner


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show two argument lists side by side."""
    if op != "==" or not (isinstance(left, Argv) or isinstance(right, Argv)):
        return None
    if not (isinstance(left, list | tuple) and isinstance(right, list | tuple)):
        return None
    actual, expected = (left, right) if isinstance(left, Argv) else (right, left)
    return ["a tool got other arguments", *side_by_side(actual, expected)]
