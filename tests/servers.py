"""Servers for tests, on a free port of this machine while a block runs: programs, and functions."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

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
def contained(binary: Path, environ: Mapping[str, str], port: int) -> Iterator[int]:
    """Run a static program that listens on all addresses, in a container; give a port of the loopback.

    Args:
        binary: the program.
        environ: its variables.
        port: where it listens.
    """
    import docker

    outside, packed = free_port(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(binary, "server")
    engine = docker.from_env()
    container = engine.containers.create(
        os.environ["GOCDNEXT_REGISTRY_IMAGE"],
        entrypoint=["/server"],
        environment=dict(environ),
        ports={f"{port}/tcp": ("127.0.0.1", outside)},
    )
    try:
        container.put_archive("/", packed.getvalue())
        container.start()
        yield outside
    finally:
        container.remove(force=True, v=True)
        engine.close()


@contextlib.contextmanager
def olareg(*flags: str) -> Iterator[str]:
    """Run a registry with the referrers API and no login; give its address."""

    def argv(port: int) -> list[str]:
        return ["olareg", "serve", "--addr", "127.0.0.1", "--port", str(port), "--store-type", "mem", *flags]

    with serving(argv, within=10) as port:
        yield f"127.0.0.1:{port}"


Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
Handle = Callable[[str, str, Mapping[str, str], bytes], Answer]


@contextlib.contextmanager
def answering(handle: Handle) -> Iterator[str]:
    """Serve `handle(method, path, headers, body)`, which returns a status, JSON, and maybe header fields.

    Give the URL.
    """

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content, *fields = handle(self.command, self.path, headers, body)
            sent = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            for name, value in {**fields[0]}.items() if fields else ():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
