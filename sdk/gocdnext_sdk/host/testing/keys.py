"""A signing key made for one test, by the real cosign in a plugin's image."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.runtime.docker_client import connect, translated


@dataclass(frozen=True)
class KeyPair:
    """A cosign key pair.

    Args:
        private: the encrypted private key, PEM.
        public: the public key, PEM.
        password: of the private key.
    """

    private: str = field(repr=False)
    public: str
    password: str = field(repr=False)


def generate_key_pair(environ: Mapping[str, str], image: str) -> KeyPair:
    """Run `cosign generate-key-pair` in a container that is removed at once.

    Args:
        environ: says which daemon.
        image: an image that has cosign in its PATH, such as the cosign plugin's.

    Raises:
        ToolError: cosign failed.
        DaemonError: the container cannot run.
    """
    password = secrets.token_urlsafe(16)
    client = connect(environ, timeout=60)
    with closing(client), translated("make a signing key"):
        container = client.containers.create(
            image,
            entrypoint=["cosign"],
            command=["generate-key-pair"],
            environment={"COSIGN_PASSWORD": password},
            working_dir="/tmp",  # noqa: S108 - inside a container of its own
            network_mode="none",
        )
        try:
            container.start()
            code = container.wait()["StatusCode"]
            if code != 0:
                raise ToolError(
                    f"cosign generate-key-pair failed: {container.logs().decode(errors='replace')}"
                )

            def read(name: str) -> str:
                archive = b"".join(container.get_archive(f"/tmp/{name}")[0])  # noqa: S108
                with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                    member = tar.extractfile(name)
                    if member is None:
                        raise ToolError(f"cosign made no {name}")
                    return member.read().decode()

            return KeyPair(read("cosign.key"), read("cosign.pub"), password)
        finally:
            container.remove(force=True, v=True)
