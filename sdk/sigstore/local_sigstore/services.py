"""The real transparency log and the real timestamp authority, started with keys made for them."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import Certificate

REKOR_PORT = 3000
TIMESTAMP_PORT = 3001
TIMESTAMP_PATH = "/api/v1/timestamp"

_READY_WITHIN = 20.0


@dataclass(frozen=True)
class Service:
    """A program that answers by HTTP once it is ready.

    Args:
        argv: how it is started.
        port: where it answers.
        health: the path that tells.
    """

    argv: tuple[str, ...]
    port: int
    health: str

    def answers(self) -> bool:
        """Return whether it is ready."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", self.health)
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def rekor(folder: Path, host: str, key: EllipticCurvePrivateKey) -> Service:
    """Return the transparency log.

    Args:
        folder: where it keeps its key and its entries.
        host: by what name clients reach it; a checkpoint is only accepted under the name in the client's URL.
        key: what it signs with.
    """
    return Service(
        (
            *("rekor-server", "serve", "--log-level", "warn"),
            *("--hostname", host, "--http-address", "0.0.0.0", "--http-port", str(REKOR_PORT)),  # noqa: S104
            # The timestamp authority has its metrics on 2112, whatever it is told.
            *("--grpc-port", "3010", "--http-metrics-port", "3011"),
            *("--storage-dir", str(folder / "log"), "--signer-filepath", _write(folder / "log.pem", key)),
            # Who signs waits for a checkpoint.
            *("--checkpoint-interval", "200ms", "--batch-max-age", "50ms"),
        ),
        REKOR_PORT,
        "/healthz",
    )


def timestamp_authority(folder: Path, key: EllipticCurvePrivateKey, *chain: Certificate) -> Service:
    """Return the timestamp authority.

    Args:
        folder: where it finds its key and its certificates.
        key: what it signs with.
        chain: certificates, its own first.
    """
    certificates = folder / "timestamping-chain.pem"
    certificates.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in chain))
    return Service(
        (
            *("timestamp-server", "serve", "--host", "0.0.0.0", "--port", str(TIMESTAMP_PORT)),  # noqa: S104
            *("--timestamp-signer", "file", "--certificate-chain-path", str(certificates)),
            *("--file-signer-key-path", _write(folder / "timestamping.pem", key)),
            "--disable-ntp-monitoring",
        ),
        TIMESTAMP_PORT,
        "/ping",
    )


@contextmanager
def running(*services: Service) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start `services` and wait until all answer; stop them at the end.

    Raises:
        RuntimeError: one ended, or does not answer within 20 seconds.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(_started(service)) for service in services]
        give_up = time.monotonic() + _READY_WITHIN
        for service, process in zip(services, processes, strict=True):
            while not service.answers():
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{service.argv[0]} does not answer; its own message is above")
                time.sleep(0.02)
        yield processes


@contextmanager
def _started(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(service.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _write(file: Path, key: EllipticCurvePrivateKey) -> str:
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(file)
