"""A registry with the referrers API and no login, on this machine."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Iterator


@contextlib.contextmanager
def olareg(*flags: str) -> Iterator[str]:
    """Run a registry with the referrers API and no login; give its address."""
    port = _free_port()
    server = subprocess.Popen(
        ["olareg", "serve", "--addr", "127.0.0.1", "--port", str(port), "--store-type", "mem", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, server)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        assert server.poll() is None, "the registry ended at once"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/v2/")
            connection.getresponse().read()
            return
        time.sleep(0.02)
    raise AssertionError("the registry does not answer")
