"""BuildKit's ways, for plugins that build with it: cache entries and builders."""

from __future__ import annotations

import csv
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gocdnext_sdk.daemon import Daemon
from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.secrets import Secret
from gocdnext_sdk.tools import Tool

BINFMT = (
    "docker.io/tonistiigi/binfmt:qemu-v10.2.3"
    "@sha256:400a4873b838d1b89194d982c45e5fb3cda4593fbfd7e08a02e76b03b21166f0"
)
"""The image that registers QEMU in a daemon's kernel."""

BUILDKIT = (
    "docker.io/moby/buildkit:v0.33.1@sha256:cec9f139f45e93c5c69c60f8b07cfad9f43f4ef6b6a6cd917527fea5ff2e3dea"
)
"""The BuildKit of a docker-container builder."""

_SECRET_ATTRIBUTES = {
    ("s3", "access_key_id"): "AWS_ACCESS_KEY_ID",
    ("s3", "secret_access_key"): "AWS_SECRET_ACCESS_KEY",
    ("s3", "session_token"): "AWS_SESSION_TOKEN",
    ("gha", "token"): "ACTIONS_RUNTIME_TOKEN",
}
"""Attributes that buildx also takes from a variable of its own environment, off the command line.

Source: docker/buildx `util/buildflags/cache.go`.
"""

_TOLERANT = frozenset({"registry", "local", "gha", "s3", "azblob"})
"""Backends that know `ignore-error`."""


@dataclass(frozen=True)
class CacheEntry:
    """One `--cache-from` or `--cache-to`.

    Args:
        attributes: its attributes in order, `type` among them; none of them secret.
        environ: the secret ones, by the variable that carries them.
    """

    attributes: Mapping[str, str]
    environ: Mapping[str, Secret]

    @classmethod
    def parse(cls, text: str) -> CacheEntry:
        """Parse a BuildKit cache entry (`type=…,key=value`), or a reference of an image in a registry.

        Raises:
            ValueError: it is neither, or has a secret that could only go onto the command line.
        """
        if "=" not in text.partition(",")[0]:
            return cls({"type": "registry", "ref": str(Reference.parse(text))}, {})
        fields = [field.partition("=") for field in next(csv.reader([text]))]
        if any(not equals for _, equals, _ in fields):
            raise ValueError(f'"{text}" is not a cache entry; write "type=…,key=value"')
        attributes = {key.strip().lower(): value for key, _, value in fields}
        kind = attributes.get("type", "")
        if not kind:
            raise ValueError(f'"{text}" has no type; write "type=registry,ref=…" or the reference alone')
        environ: dict[str, Secret] = {}
        for key in [key for key in attributes if re.search(r"secret|token|key_id", key)]:
            variable = _SECRET_ATTRIBUTES.get((kind, key))
            if variable is None:
                raise ValueError(f'"{key}" would put a secret on the command line; leave it out, use a role')
            environ[variable] = Secret(attributes.pop(key))
        return cls(attributes, environ)

    @property
    def type(self) -> str:
        """The backend."""
        return self.attributes["type"]

    def is_active(self, environ: Mapping[str, str]) -> bool:
        """Tell whether buildx will use it: it drops `gha` entries silently when there is no token.

        Source: docker/buildx `build/opt.go`.
        """
        if self.type != "gha":
            return True
        token = "ACTIONS_RUNTIME_TOKEN" in self.environ or environ.get("ACTIONS_RUNTIME_TOKEN")
        urls = ("ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL")
        return bool(token) and ("url" in self.attributes or any(environ.get(url) for url in urls))

    def as_export(self) -> CacheEntry:
        """Return the entry for `--cache-to`: a failed export must not fail a build whose image is fine."""
        if self.type not in _TOLERANT or "ignore-error" in self.attributes:
            return self
        return CacheEntry({**self.attributes, "ignore-error": "true"}, self.environ)

    def __str__(self) -> str:
        fields = (f"{key}={value}" for key, value in self.attributes.items())
        return ",".join(f'"{each}"' if "," in each else each for each in fields)


@dataclass(frozen=True)
class Builder:
    """A builder that is ready.

    Args:
        name: what `--builder` takes.
        platforms: what it can build for.
    """

    name: str
    platforms: frozenset[str]

    def missing(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Return the platforms among `wanted` it cannot build for."""
        return tuple(each for each in wanted if _normal(each) not in self.platforms)


_PREFIX = "gocdnext-"
_CONTAINER = "buildx_buildkit_"
_STALE = timedelta(hours=24)


@contextmanager
def default_builder(buildx: Tool) -> Iterator[Builder]:
    """Use the daemon's own builder, which needs no helper image."""
    yield Builder("default", _platforms(buildx, "default"))


@contextmanager
def container_builder(
    buildx: Tool, daemon: Daemon, *, image: str, options: Iterable[str] = (), config: Path | None = None
) -> Iterator[Builder]:
    """Start a BuildKit of one's own in a container and remove it at the end.

    A killed job cannot clean up, so builders left by one a day ago or more are removed here.

    Args:
        buildx: the tool.
        daemon: where the container runs.
        image: the BuildKit image.
        options: further `--driver-opt` values.
        config: a `buildkitd.toml`.
    """
    _remove_stale(daemon)
    name = f"{_PREFIX}{secrets.token_hex(6)}"
    create = ["create", "--name", name, "--driver", "docker-container", "--driver-opt", f"image={image}"]
    for option in options:
        create += ["--driver-opt", option]
    if config is not None:
        create += ["--buildkitd-config", str(config)]
    try:
        buildx.capture(*create, "--bootstrap")
        yield Builder(name, _platforms(buildx, name))
    finally:
        with buildx.signals.shield(), suppress(ToolError):
            buildx.capture("rm", "--force", name)


def install_emulators(daemon: Daemon, image: str, platforms: Iterable[str]) -> None:
    """Register QEMU for `platforms` in the daemon's kernel.

    Raises:
        DaemonError: the daemon refuses privileged containers, or cannot get the image.
    """
    architectures = ",".join(dict.fromkeys(_emulator(platform) for platform in platforms))
    with daemon.translated(f"emulate {', '.join(platforms)}"):
        daemon.client.containers.run(image, ["--install", architectures], privileged=True, remove=True)


def read_digest(metadata: Path) -> str | None:
    """Return the digest of what was built, from the file of `--metadata-file`; None if nothing was kept."""
    digest = json.loads(metadata.read_text()).get("containerimage.digest")
    return str(digest) if digest else None


def _platforms(buildx: Tool, builder: str) -> frozenset[str]:
    for line in buildx.capture("ls", "--format", "{{json .}}").stdout.splitlines():
        row = json.loads(line)
        if row.get("Name") != builder:
            continue
        if row.get("Err"):
            raise ToolError(f"the builder {builder} does not work: {row['Err']}")
        return frozenset(_normal(each) for node in row["Nodes"] for each in node.get("Platforms") or ())
    raise ToolError(f"buildx does not know the builder {builder}")


def _normal(platform: str) -> str:
    """Return a platform's shortest name, as containerd normalises it: the default variants left out."""
    return re.sub(r"/(arm64)/v8$|/(amd64)/v1$", lambda match: f"/{match[1] or match[2]}", platform)


def _emulator(platform: str) -> str:
    return platform.split("/")[1]


def _remove_stale(daemon: Daemon) -> None:
    now = datetime.now(UTC)
    with daemon.translated("list builders that killed jobs left"):
        for container in daemon.client.containers.list(all=True, filters={"name": _CONTAINER + _PREFIX}):
            created = datetime.fromisoformat(container.attrs["Created"])
            if now - created > _STALE:
                container.remove(force=True)
                daemon.client.volumes.get(f"{container.name}_state").remove()
