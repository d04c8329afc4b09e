"""Which daemon is meant, and what is said when there is none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gocdnext_sdk import DaemonError
from gocdnext_sdk.runtime.daemon import DockerDaemon


class Api(BaseHTTPRequestHandler):
    """The few answers that a client asks for before it believes in a daemon."""

    def do_GET(self) -> None:
        body = json.dumps({"ApiVersion": "1.47"}) if self.path.endswith("/version") else "OK"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def listening(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_daemon_that_comes_up_late_is_waited_for() -> None:
    port = free_port()
    daemon = DockerDaemon({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"})
    with pytest.raises(DaemonError):
        daemon.ping()
    waiting = threading.Thread(target=daemon.wait)
    waiting.start()
    with listening(port):
        waiting.join()
    assert not waiting.is_alive()


def test_one_that_never_comes_is_given_up_with_the_next_step() -> None:
    host = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(DaemonError) as caught:
        DockerDaemon({"DOCKER_HOST": host}).wait(seconds=0.2)
    assert str(caught.value) == (
        f"no Docker daemon at {host} after 0 s (Connection refused); does the job say `docker: true`?"
    )


@pytest.mark.parametrize("host", ["nonsense", "tcp://host.invalid:2375", "tcp://127.0.0.1:1"])
def test_no_address_gives_a_traceback(host: str) -> None:
    with pytest.raises(DaemonError, match="cannot be reached"):
        DockerDaemon({"DOCKER_HOST": host}).ping()


def test_tools_are_led_to_the_same_daemon() -> None:
    given = {"DOCKER_HOST": "tcp://dind:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    assert DockerDaemon({**given, "DOCKER_CONTEXT": "other", "HOME": "/root"}).environ == given


def test_without_variables_the_docker_commands_context_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import docker.context.config

    monkeypatch.setattr(docker.context.config, "find_config_file", lambda: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert DockerDaemon({}).address == "unix:///var/run/docker.sock"
