"""The engine of this machine: the one place that says which implementation that is."""

from __future__ import annotations

from pathlib import Path

from gocdnext_sdk.host.harness.engine.interface import Engine


def is_on_this_machine() -> bool:
    """Tell whether the engine would be reached through a socket here, and not over a network."""
    from gocdnext_sdk.host.harness.engine.docker import endpoint

    return endpoint().startswith("unix://") and Path(endpoint().removeprefix("unix://")).is_socket()


def local_engine() -> Engine:
    """Return the engine that commands and fixtures use. Nothing is contacted yet."""
    from gocdnext_sdk.host.harness.engine.docker import DockerEngine

    return DockerEngine()
