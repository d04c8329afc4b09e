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
    from gocdnext_sdk.host.testing.web import LocalWeb


@dataclass
class FakeTools:
    """Stand-ins for tools a unit test does not have. What they were started with is in `Result.calls`.

    Args:
        folder: where they are; `gocdnext_run_plugin` looks there first, except in containers.
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
def gocdnext_fake_tools(tmp_path: Path) -> FakeTools:
    """Stand-ins for tools: `gocdnext_fake_tools.add("trivy", stdout="{}")`."""
    return FakeTools(tmp_path / "fake-tools")


@pytest.fixture
def gocdnext_workspace(tmp_path: Path) -> Path:
    """An empty checkout, where `gocdnext_run_plugin` works."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def gocdnext_run_plugin(
    gocdnext_workspace: Path,
    gocdnext_fake_tools: FakeTools,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> PluginRunner:
    """Run a plugin in the workspace: ``gocdnext_run_plugin("plugins/trivy", {"target": "."})``."""

    def session() -> Session:
        found: Session = request.getfixturevalue("gocdnext_session")
        return found

    return PluginRunner(gocdnext_workspace, tmp_path / "private", session, (gocdnext_fake_tools.folder,))


@pytest.fixture
def gocdnext_web() -> Iterator[LocalWeb]:
    """Give a web service on this machine: its ``url``, what it ``received``, and how it is to ``answer``."""
    from gocdnext_sdk.host.testing.web import local_web

    with local_web() as web:
        yield web


@pytest.fixture(scope="session")
def gocdnext_engine() -> None:
    """Skip the tests that use it, and say why, where no Docker engine answers."""
    from gocdnext_sdk.errors import DaemonError
    from gocdnext_sdk.host.harness.engine.local import local_engine

    engine = local_engine()
    try:
        engine.describe()
    except DaemonError as error:
        pytest.skip(str(error))
    engine.close()


@pytest.fixture(scope="session")
def gocdnext_session() -> Iterator[Session]:
    """Own containers, volumes and networks on this machine's engine; all are gone after the tests."""
    from gocdnext_sdk.host.harness import Session
    from gocdnext_sdk.host.harness.engine.local import local_engine

    with Session(local_engine()) as session:
        yield session


@pytest.fixture(scope="session")
def gocdnext_registry(gocdnext_session: Session) -> LocalRegistry:
    """Give a real registry with a login, on one address for tests, engine and containers on its `network`."""
    return gocdnext_session.start_registry()


@pytest.fixture(scope="session")
def gocdnext_sigstore(gocdnext_session: Session, gocdnext_registry: LocalRegistry) -> LocalSigstore:
    """Give a private Sigstore that containers on the registry's network reach, and its issuer's tokens."""
    return gocdnext_session.start_sigstore(gocdnext_registry.network)


@pytest.fixture
def gocdnext_repository(gocdnext_registry: LocalRegistry) -> str:
    """Name a repository in the registry that no other test uses."""
    return f"{gocdnext_registry.address}/test-{uuid4().hex[:8]}/app"


class PipelineRunner(Protocol):
    """Runs a pipeline file; the keywords are those of `harness.RunOptions`."""

    def __call__(self, file: Path | str, **options: Any) -> RunReport:
        """Run `file` on the engine."""


@pytest.fixture
def gocdnext_run_pipeline(gocdnext_session: Session) -> PipelineRunner:
    """Run a whole pipeline: ``gocdnext_run_pipeline(file, secrets={...}).passed``."""
    from gocdnext_sdk.host.harness import RunOptions, run_pipeline

    def runner(file: Path | str, **options: Any) -> RunReport:
        return run_pipeline(Path(file), RunOptions(**options), session=gocdnext_session)

    return runner


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show two argument lists side by side."""
    if op != "==" or not (isinstance(left, Argv) or isinstance(right, Argv)):
        return None
    if not (isinstance(left, list | tuple) and isinstance(right, list | tuple)):
        return None
    actual, expected = (left, right) if isinstance(left, Argv) else (right, left)
    return ["a tool got other arguments", *side_by_side(actual, expected)]
