"""The same release under real runners of other CI systems, with what its steps hand on.

Slow, and with programs of its own: `make test-ci`. The pipelines are those of `examples/everywhere/`, with
the registry and the images of this run.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from testbed import runners, trivydb
from testbed.images import plugin_tag
from testbed.pins import ROOT

from gocdnext_sdk import Credential, Credentials, Reference, Registry, RegistryClient, Secret
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.testing.keys import KeyPair, generate_key_pair

EXAMPLES = ROOT / "examples" / "everywhere"
PUBLISHED = re.compile(r"ghcr\.io/klinux/gocdnext-plugin-([a-z-]+):v1")


@dataclass(frozen=True)
class Here:
    """Where a release goes, and who may.

    Args:
        registry: the registry.
        repository: of the image, with the registry's host.
        database: where Trivy's database is.
        keys: sign.
        runner: the image in which a runner does its own work.
    """

    registry: LocalRegistry
    repository: str
    database: str
    keys: KeyPair = field(repr=False)
    runner: str

    @property
    def secrets(self) -> Mapping[str, str]:
        """All that no log may show."""
        return {
            "password": self.registry.password,
            "key": self.keys.private.splitlines()[1],
            "key's password": self.keys.password,
        }

    def digest(self, tag: str) -> str:
        """Return what a tag is on."""
        return self._client().resolve(Reference.parse(f"{self.repository}:{tag}")).digest

    def is_signed(self, digest: str, folder: Path) -> bool:
        """Ask cosign itself."""
        public = folder / "cosign.pub"
        public.write_text(self.keys.public)
        login = ["--registry-username", self.registry.username, "--registry-password", self.registry.password]
        command = ["cosign", "verify", "--key", str(public), "--insecure-ignore-tlog", *login]
        done = subprocess.run([*command, f"{self.repository}@{digest}"], capture_output=True, check=False)
        return done.returncode == 0

    def _client(self) -> RegistryClient:
        login = Credential(
            Registry.parse(self.registry.address), self.registry.username, Secret(self.registry.password)
        )
        return RegistryClient(Credentials([login]))


@pytest.fixture(scope="session")
def database(registry: LocalRegistry) -> str:
    reference = f"{registry.address}/trivy/db:2"
    trivydb.push(reference, registry.username, registry.password)
    return reference


@pytest.fixture
def here(registry: LocalRegistry, database: str, keys: KeyPair) -> Here:
    repository = f"{registry.address}/ci-{uuid4().hex[:8]}/app"
    return Here(registry, repository, database, keys, runners.image())


@pytest.fixture(scope="session")
def keys() -> KeyPair:
    return generate_key_pair(os.environ, plugin_tag("cosign"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a Dockerfile; its one commit is checked out."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY hello /hello\n")
    (folder / "hello").write_text("hello\n")
    return folder


def commit(folder: Path) -> str:
    """Commit everything; return the commit."""
    who = ["-c", "user.name=ci", "-c", "user.email=ci@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    remote = "https://git.example.com/org/app.git"
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=folder, check=True)
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True)
    return found.stdout.decode().strip()


def with_own_images(text: str) -> str:
    """Return a pipeline with the images of this checkout in the place of the published ones."""
    return PUBLISHED.sub(lambda found: plugin_tag(found[1]), text)
