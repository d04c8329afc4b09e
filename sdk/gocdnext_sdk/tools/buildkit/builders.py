"""Builders: the Docker daemon's own, or one in a container, and what they need from the daemon."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gocdnext_sdk.errors import DaemonError, ToolError
from gocdnext_sdk.oci.mirror import Mirror
from gocdnext_sdk.oci.platforms import normal
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.runtime.daemon import Daemon
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.orphans import builder_name
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.tools.csv import comma_separated

BUILDKIT = (
    "docker.io/moby/buildkit:v0.33.1@sha256:cec9f139f45e93c5c69c60f8b07cfad9f43f4ef6b6a6cd917527fea5ff2e3dea"
)
"""The BuildKit of a builder in a container; `tools.toml` has the same."""

BINFMT = (
    "docker.io/tonistiigi/binfmt:qemu-v10.2.3"
    "@sha256:400a4873b838d1b89194d982c45e5fb3cda4593fbfd7e08a02e76b03b21166f0"
)
"""The image that registers QEMU in a daemon's kernel; `tools.toml` has the same."""


NO_OCI_ARTIFACT = frozenset({"registry.gitlab.com"})
"""Registries that answer "blob unknown" to attestations that are OCI artifacts (moby/buildkit#7007)."""

_LOST = re.compile(
    rb"failed to receive status: rpc error: code = Unavailable"
    rb"|failed to solve: Unavailable: .*(?:closing transport|error reading from server)"
)
"""What buildx says where the connection to a BuildKit ends in mid-build, of whichever node that is.

The call or the stream beside it, whichever ends first. Source: moby/buildkit 0.33 `client/solve.go`, grpc-go
`internal/transport/http2_client.go`.
"""

_DAEMONS_OWN = "default"

_ROOTS = "roots.invalid"
"""A registry that there cannot be: buildx copies the certificates of a registry into the container."""


@dataclass(frozen=True)
class Builder:
    """A builder that is ready.

    Args:
        name: its name for `--builder`.
        platforms: those that it can build for and run steps for.
        nodes: how many BuildKits are asked to build.
    """

    name: str
    platforms: frozenset[str]
    nodes: int = 1

    @property
    def is_daemons_own(self) -> bool:
        """Whether it is part of the Docker daemon and stores images there."""
        return self.name == _DAEMONS_OWN

    @property
    def pushes_without_tags(self) -> bool:
        """Whether it can push content and set no tag.

        The daemon's own refuses to (docker/buildx 0.36, `build/opt.go`). Of several nodes each does, and
        buildx then writes the index of all under a tag, `latest` if it is told none (`build/build.go`).
        """
        return not self.is_daemons_own and self.nodes == 1

    def missing(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Return the Linux platforms among `wanted` that it cannot run steps for without an emulator."""
        return tuple(
            each for each in wanted if each.startswith("linux/") and normal(each) not in self.platforms
        )


@contextmanager
def daemon_builder(buildx: Tool) -> Iterator[Builder]:
    """Use the daemon's own builder, which needs no helper image."""
    yield Builder(_DAEMONS_OWN, platforms_of(buildx, _DAEMONS_OWN))


@contextmanager
def container_builder(
    job: Job,
    buildx: Tool,
    daemon: Daemon,
    image: Reference,
    options: Iterable[str] = (),
    config: Path | None = None,
) -> Iterator[Builder]:
    """Start a BuildKit in a container, and remove it and its volume at the end.

    A killed job cannot: the next one that asks for the daemon does it (`runtime/orphans.py`).

    Args:
        job: removes the container even after a signal.
        buildx: the tool.
        daemon: where the container runs.
        image: the BuildKit image.
        options: further `--driver-opt` values, one `key=value` each.
        config: a `buildkitd.toml`.

    Raises:
        ToolError: it does not start.
    """
    name = builder_name(daemon)
    # A digest is stronger than the signature that buildx would look for next to a tag.
    exact = image.with_digest(image.digest) if image.digest else image
    create = ["create", "--name", name, "--driver", "docker-container"]
    for option in (f"image={exact}", *options):
        create += ["--driver-opt", comma_separated([option])]
    if config is not None:
        create += ["--buildkitd-config", str(config)]
    try:
        buildx.capture(*create, "--bootstrap")
        with naming_lost(lambda: "the container with BuildKit", "was it killed for its memory?"):
            yield Builder(name, platforms_of(buildx, name))
    finally:
        with job.cleanup(), suppress(ToolError):
            buildx.capture("rm", "--force", name)


@contextmanager
def naming_lost(find: Callable[[], str], advice: str) -> Iterator[None]:
    """Name the BuildKit that a build has lost, in the error with which that ends the block.

    Args:
        find: finds out which it is.
        advice: what to do next.
    """
    try:
        yield
    except ToolError as error:
        if not _LOST.search(error.said):
            raise
        raise ToolError(f"{error.what}: {find()} was lost in mid-build", advice, said=error.said) from None


def install_emulators(daemon: Daemon, image: Reference, platforms: Iterable[str]) -> None:
    """Register QEMU for `platforms` in the daemon's kernel.

    Args:
        daemon: where.
        image: tonistiigi/binfmt, or what works as it does.
        platforms: `linux/arch[/variant]` each.

    Raises:
        DaemonError: the daemon refuses privileged containers, or cannot get the image.
    """
    architectures = ",".join(dict.fromkeys(platform.split("/")[1] for platform in platforms))
    try:
        daemon.run(str(image), ["--install", architectures], privileged=True)
    except DaemonError as error:
        raise DaemonError(
            f"the Docker daemon cannot emulate {architectures}: {error.what}", error.advice
        ) from None


def trusting(roots: Path | None) -> Iterator[str]:
    """Yield the `--driver-opt` with which a BuildKit trusts `roots` for all hosts that it speaks to.

    Args:
        roots: the file that `registry_config` was given.
    """
    if roots is not None:
        # Where docker/buildx puts a registry's certificates: `util/confutil/container.go`.
        yield f"env.SSL_CERT_FILE=/etc/buildkit/certs/{_ROOTS}/{roots.name}"


def registry_config(
    mirror: Mirror | None, insecure: Iterable[Registry] = (), roots: Path | None = None
) -> str:
    """Return the `buildkitd.toml` that says how registries are spoken to; empty if nothing is to say.

    Args:
        mirror: what docker.io is read through.
        insecure: registries that speak plain http.
        roots: a file of certificates that `trusting` has the BuildKit use.
    """
    plain = [each.host for each in insecure]
    config = f'[registry."{_ROOTS}"]\nca = ["{roots}"]\n' if roots else ""
    if mirror:
        config += f'[registry."docker.io"]\nmirrors = ["{mirror}"]\n'
        if mirror.plain_http:
            plain.append(mirror.registry.host)
    return config + "".join(f'[registry."{host}"]\nhttp = true\n' for host in dict.fromkeys(plain))


def read_digest(metadata: Path) -> str | None:
    """Return the digest of what was built, from the file of `--metadata-file`; None if nothing was kept."""
    digest = json.loads(metadata.read_text()).get("containerimage.digest")
    return str(digest) if digest else None


def platforms_of(buildx: Tool, builder: str) -> frozenset[str]:
    """Return the platforms that a builder can run steps for.

    Raises:
        ToolError: it does not work.
    """
    usual = json.dumps({"Name": builder, "Nodes": [{"Platforms": _USUAL}]}).encode()
    for line in buildx.capture("ls", "--format", "{{json .}}", assumed=usual).stdout.splitlines():
        row = json.loads(line)
        if row.get("Name") != builder:
            continue
        if row.get("Err"):
            raise ToolError(f"the builder {builder} does not work: {row['Err']}")
        return frozenset(normal(each) for node in row["Nodes"] for each in node.get("Platforms") or ())
    raise ToolError(f"buildx does not know the builder {builder}")


_USUAL = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/ppc64le", "linux/s390x"]
"""What a builder has once QEMU is registered."""
