"""The engine of this machine: the one place that says which implementation that is."""

from __future__ import annotations

from gocdnext_sdk.host.harness.engine.interface import Engine


def local_engine() -> Engine:
    """Return the engine that commands and fixtures use. Nothing is contacted yet."""
    from gocdnext_sdk.host.harness.engine.docker import DockerEngine

    return DockerEngine()
