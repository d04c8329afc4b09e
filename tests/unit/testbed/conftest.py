"""A host of its own for each test, with an engine that answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from testbed import engine, tools
from tests.unit.testbed.docker_api import Api, Engine


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine that DOCKER_HOST names, on a host with an empty cache."""
    monkeypatch.setenv("GOCDNEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(engine.PULL_VARIABLE, raising=False)
    engine.can_pull.cache_clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        server.engine = found = Engine(f"tcp://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
        monkeypatch.setenv("DOCKER_HOST", found.host)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        server.shutdown()
    engine.can_pull.cache_clear()


@pytest.fixture
def without_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host where Go is not installed."""
    monkeypatch.setattr(tools, "_go", lambda: str(tmp_path / "go"))
