"""Servers for tests: programs that listen on a free port of this machine while a block runs."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence

from gocdnext_sdk.host.harness.local_registry import free_port
from gocdnext_sdk.runtime.polling import poll


@contextlib.contextmanager
def serving(argv_at: Callable[[int], Sequence[str]], *, within: float = 60) -> Iterator[int]:
    """Run a server and give its port, once it takes connections.

    Args:
        argv_at: its command line, by the port.
        within: seconds until it must listen.
    """
    port = free_port()
    argv = argv_at(port)
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens() -> bool | None:
        assert server.poll() is None, f"{argv[0]} has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return None

    try:
        assert poll(listens, within=within, every=0.02), f"{argv[0]} does not listen"
        yield port
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def olareg(*flags: str) -> Iterator[str]:
    """Run a registry with the referrers API and no login; give its address."""

    def argv(port: int) -> list[str]:
        return ["olareg", "serve", "--addr", "127.0.0.1", "--port", str(port), "--store-type", "mem", *flags]

    with serving(argv, within=10) as port:
        yield f"127.0.0.1:{port}"
