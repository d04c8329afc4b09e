"""A package index with a login, in a container: what stands in for PyPI while a session lasts."""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import bases, engine
from testbed.cache import arriving, cache_dir, lock, run, step
from testbed.pins import pins

LOCK = Path(__file__).parent / "tools" / "pypiserver" / "requirements.lock"
PORT = 8080
START_SECONDS = 30


@dataclass(frozen=True)
class PackageIndex:
    """The index.

    Args:
        url: where packages are uploaded to, in the network that it was started in.
        token: what an upload needs.
    """

    url: str
    token: str


def _packages() -> Path:
    """Give the folder with pypiserver, for the Python of the base image."""
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]
    target = cache_dir() / "tools" / f"pypiserver-{key}"
    with lock(target.name):
        if not target.exists():
            with step("downloading pypiserver"), arriving(target) as scratch:
                only = (
                    "--no-deps",
                    "--only-binary=:all:",
                    "--python-version=3.13",
                    "--require-hashes",
                    "--quiet",
                )
                command = (sys.executable, "-m", "pip", "install", *only, "--target", scratch)
                run(*command, "--requirement", LOCK)
    return target


@contextmanager
def started(network: str, labels: dict[str, str]) -> Iterator[PackageIndex]:
    """Run an index in *network* while the block runs."""
    host = engine.up()
    image = pins()["python"].image if engine.can_pull(host) else bases.image("python")
    token = secrets.token_hex(16)
    password = base64.b64encode(hashlib.sha1(token.encode()).digest()).decode()
    start = (
        f"mkdir /tmp/packages && echo '__token__:{{SHA}}{password}' > /tmp/htpasswd && "
        f"exec python3 -m pypiserver run -p {PORT} -P /tmp/htpasswd -a update /tmp/packages"
    )
    with engine.client(host) as client:
        container = client.containers.run(
            image,
            ["sh", "-c", start],
            detach=True,
            environment={"PYTHONPATH": "/pypiserver"},
            volumes=[f"{_packages()}:/pypiserver:ro"],
            network=network,
            labels=labels,
        )
        try:
            container.reload()
            # Containers that share one network stack are each other's loopback.
            networks = container.attrs["NetworkSettings"]["Networks"]
            address = networks[network]["IPAddress"] if network in networks else "localhost"
            deadline = time.monotonic() + START_SECONDS
            while b"Listening on" not in container.logs():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"pypiserver does not start: {container.logs().decode()}")
                time.sleep(0.1)
            yield PackageIndex(f"http://{address}:{PORT}/", token)
        finally:
            container.remove(force=True, v=True)
