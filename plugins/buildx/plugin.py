"""The buildx plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk import (
    BUILD_OUTPUTS,
    Boolean,
    Daemon,
    DaemonError,
    DaemonUse,
    ImageBuildInputs,
    Input,
    Job,
    Lines,
    Plugin,
    Problem,
    Publishes,
    Reference,
    Secret,
    Tool,
    Words,
)
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.secret import looks_secret
from gocdnext_sdk.tools.buildkit.arguments import BuildArg, plan_build_args
from gocdnext_sdk.tools.buildkit.builders import (
    BINFMT,
    BUILDKIT,
    Builder,
    container_builder,
    daemon_builder,
    install_emulators,
    mirror_config,
    read_digest,
)
from gocdnext_sdk.tools.buildkit.cache import CacheEntry, comma_separated

CacheEntries = Annotated[
    tuple[CacheEntry, ...],
    BeforeValidator(lambda text: tuple(map(CacheEntry.parse, parse_lines(text)))),
    WithJsonSchema({"type": "string"}),
]
"""Cache entries or references, one a line."""


class BuildxInputs(ImageBuildInputs):
    """The `with:` map."""

    platforms: Words = Input("linux/amd64,linux/arm64", description="Platforms to build for.")
    cache: str | None = Input(
        None,
        description='Layer cache: "registry" (the tag `buildcache` beside the image), "inline", "bucket" '
        "(from the runner profile's GOCDNEXT_LAYER_CACHE_*), a reference of your own such as "
        '"ghcr.io/org/cache", or "none". `cache-from` and `cache-to` win over it.',
    )
    cache_from: CacheEntries = Input(
        "", description="Caches to read, one a line: BuildKit entries (type=…,key=value) or references."
    )
    cache_to: CacheEntries = Input(
        "", description="Caches to write, one a line, as in `cache-from`. Not written when `push` is false."
    )
    build_contexts: Lines = Input(
        "", description="Named contexts, one NAME=VALUE a line, as buildx takes them."
    )
    provenance: str | None = Input(
        None,
        description='Provenance attestation: "mode=min", "mode=max" or "false". BuildKit\'s own default '
        "otherwise.",
    )
    sbom: str | None = Input(None, description='SBOM attestation: "true", "false" or "generator=IMAGE".')
    no_cache: Boolean = Input("false", description="Do not use any cache.")
    pull: Boolean = Input("false", description="Look for newer base images.")
    load: Boolean = Input("false", description="Put the image into the job's daemon too.")
    push_by_digest: Boolean = Input(
        "false",
        description="Publish a candidate: push content without any tag, so that it can be scanned and signed "
        "by `REFERENCE` before docker-push gives it its tags.",
    )
    buildkit_image: Reference = Input(
        BUILDKIT, description="Image of the BuildKit that is started where the daemon's own will not do."
    )
    driver_opts: Lines = Input(
        "",
        description="Options for a BuildKit in a container, one KEY=VALUE a line, as `buildx create "
        "--driver-opt` takes them, e.g. `network=host`. With any, one is started.",
    )
    qemu_image: Reference = Input(
        BINFMT, description="Image that registers QEMU, used only when the daemon lacks a platform."
    )

    def check(self, environ: Mapping[str, str]) -> Iterable[Problem]:
        """Check what needs the job's environment or two inputs at once."""
        yield from super().check(environ)
        for platform in self.platforms:
            if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", platform):
                yield Problem("platforms", f'"{platform}" is not a platform', 'write it as "linux/amd64"')
        if self.push_by_digest and not self.push:
            yield Problem("push-by-digest", 'needs push: "true"')
        for key, lines in (("build-contexts", self.build_contexts), ("driver-opts", self.driver_opts)):
            for line in lines:
                name, equals, value = line.partition("=")
                if not equals:
                    yield Problem(key, f'"{line}" has no value', "write one KEY=VALUE a line")
                elif looks_secret(name) or re.search("https?://[^/]+@", value):
                    yield Problem(
                        key,
                        f'"{name}" would have a secret stand on a command line',
                        "`secret-envs` takes GIT_AUTH_TOKEN for git; `cache-to` takes the keys of a cache",
                    )
        yield from self._check_build_args(environ)
        yield from self._check_cache(environ)

    def _check_build_args(self, environ: Mapping[str, str]) -> Iterator[Problem]:
        for argument in build_args(self, environ):
            if argument.is_exposed:
                yield Problem(
                    "build-args",
                    f'"{argument.key}" steers buildx too, so its secret would stand on a command line',
                    "use `secret-envs`, or another name; a proxy can be a variable of the job",
                )

    def _check_cache(self, environ: Mapping[str, str]) -> Iterator[Problem]:
        if self.cache == "bucket":
            if not environ.get("GOCDNEXT_LAYER_CACHE_BUCKET"):
                yield Problem(
                    "cache", '"bucket" needs GOCDNEXT_LAYER_CACHE_BUCKET', "set it in the runner profile"
                )
            if _bucket_backend(environ) not in _BUCKETS:
                yield Problem("cache", "GOCDNEXT_LAYER_CACHE_BACKEND is neither s3 nor gcs")
        elif self.cache not in (None, "registry", "inline", "none"):
            try:
                CacheEntry.parse(self.cache)
            except ValueError as error:
                words = '"registry", "inline", "bucket", "none"'
                yield Problem("cache", str(error), f"choose one of {words}, or give a reference")
        given: dict[str, Secret] = {}
        for entry in (*self.cache_from, *self.cache_to):
            for variable, secret in entry.environ.items():
                if given.setdefault(variable, secret) != secret:
                    yield Problem("cache-to", "two entries have different logins", "buildx takes only one")


class Buildx(Plugin[BuildxInputs]):
    """Build an image for several platforms with buildx and publish it under any number of tags.

    Needs `docker: true`. The daemon's own builder is used where it can do the job; elsewhere a BuildKit
    is started in a container for the job and removed after it.
    """

    name = "gocdnext-plugin-buildx"
    category = "container"
    inputs = BuildxInputs
    outputs = BUILD_OUTPUTS
    publishes = Publishes(
        "image", tags="tags", push="push", by_digest="push-by-digest", platforms="platforms"
    )
    daemon = DaemonUse("always")
    caches = ("cache", "cache-from", "cache-to")
    variables = ("BUILDX_", "ACTIONS_", "DOCKER_")

    def run(self, inputs: BuildxInputs, job: Job) -> dict[str, str]:
        """Build, and push if asked to."""
        cache = plan_cache(inputs, job.environ)
        for note in cache.notes:
            job.warn(note)
        arguments = build_args(inputs, job.environ)
        daemon = job.daemon()
        buildx = job.tool(
            "buildx",
            env=tool_environ(inputs, arguments, cache, job) | daemon.environ,
            inherit=inherited(cache, job.environ),
        )
        metadata = job.scratch() / "metadata.json"
        with select_builder(inputs, cache, daemon, buildx, job) as builder:
            emulate(inputs, builder.missing(inputs.platforms), daemon, job)
            buildx.run(
                *build_command(inputs, arguments, cache, builder, job.workspace),
                *("--metadata-file", metadata),
            )
        if not inputs.push:
            job.say(f"built {inputs.image.name} for {', '.join(inputs.platforms)}; nothing was pushed")
            return {"IMAGE": inputs.image.name, "TAGS": ""}
        digest = job.digest(inputs.image, lambda: read_digest(metadata))
        tags = [] if inputs.push_by_digest else [str(target.tag) for target in inputs.targets]
        reference = inputs.image.with_digest(digest)
        job.say(f"pushed {reference} with {'the tags ' + ', '.join(tags) if tags else 'no tag'}")
        return inputs.published(digest, tags)


# ---- caches


@dataclass(frozen=True)
class CachePlan:
    """What is read from and written to caches.

    Args:
        sources: read.
        targets: written.
        notes: what the user should know of it.
    """

    sources: tuple[CacheEntry, ...]
    targets: tuple[CacheEntry, ...]
    notes: tuple[str, ...]

    @property
    def entries(self) -> tuple[CacheEntry, ...]:
        """All of them."""
        return (*self.sources, *self.targets)


def plan_cache(inputs: BuildxInputs, environ: Mapping[str, str]) -> CachePlan:
    """Decide which caches are used."""
    notes = []
    if inputs.cache_from or inputs.cache_to:
        sources, targets = inputs.cache_from, inputs.cache_to
        if inputs.cache not in (None, "none"):
            notes.append("with.cache is not used: cache-from and cache-to win over it")
    else:
        sources, targets = _shorthand(inputs, environ)
    dropped = dict.fromkeys(str(e) for e in (*sources, *targets) if not e.is_active(environ))
    if dropped:
        notes.append(
            f"not used: {' and '.join(dropped)}: the GitHub Actions cache needs ACTIONS_RUNTIME_TOKEN and "
            "ACTIONS_RESULTS_URL, which only GitHub's runners have; write `cache: registry` instead"
        )
    if targets and not inputs.push:
        # What a pull request builds must not get into the main branch's cache.
        notes.append('caches are only read: push is "false"')
        targets = ()
    return CachePlan(
        tuple(each for each in sources if each.is_active(environ)),
        tuple(each.as_export() for each in targets if each.is_active(environ)),
        tuple(notes),
    )


def _shorthand(
    inputs: BuildxInputs, environ: Mapping[str, str]
) -> tuple[tuple[CacheEntry, ...], tuple[CacheEntry, ...]]:
    """Return the caches to read and to write that `cache` stands for."""
    match inputs.cache:
        case None | "none":
            return (), ()
        case "inline":
            return (), (CacheEntry({"type": "inline"}, {}),)
        case "registry":
            source = CacheEntry({"type": "registry", "ref": str(inputs.image.with_tag("buildcache"))}, {})
        case "bucket":
            source = _bucket(inputs, environ)
        case entry:
            source = CacheEntry.parse(entry)
    return (source,), (CacheEntry({**source.attributes, "mode": "max"}, source.environ),)


_BUCKETS = {"s3": "", "gcs": "https://storage.googleapis.com", "gs": "https://storage.googleapis.com"}
"""Backends of the runner profile, and where they are if it does not say."""


def _bucket_backend(environ: Mapping[str, str]) -> str:
    return environ.get("GOCDNEXT_LAYER_CACHE_BACKEND", "").strip() or "s3"


def _bucket(inputs: BuildxInputs, environ: Mapping[str, str]) -> CacheEntry:
    """Return the cache of the runner profile: S3, or Google's bucket through its S3 interface."""

    def setting(name: str) -> str:
        return environ.get(f"GOCDNEXT_LAYER_CACHE_{name}", "").strip()

    backend = _bucket_backend(environ)
    region = environ.get("AWS_REGION") or "us-east-1" if backend == "s3" else "auto"
    endpoint = setting("ENDPOINT") or _BUCKETS[backend]
    attributes = {
        "type": "s3",
        "region": setting("REGION") or region,
        "bucket": setting("BUCKET"),
        "name": setting("NAME") or inputs.image.short_name,
    }
    return CacheEntry(attributes | ({"endpoint_url": endpoint} if endpoint else {}), {})


# ---- what buildx is given


def build_args(inputs: BuildxInputs, environ: Mapping[str, str]) -> tuple[BuildArg, ...]:
    """Return the build arguments, and how buildx gets each."""
    mounted = {variable or id_ for id_, variable in inputs.secret_envs}
    return tuple(plan_build_args(inputs.build_args, environ, mounted))


def tool_environ(
    inputs: BuildxInputs, arguments: Iterable[BuildArg], cache: CachePlan, job: Job
) -> dict[str, str | Secret]:
    """Return buildx's environment: build arguments, cache and build secrets, and logins."""
    environ: dict[str, str | Secret] = {each.key: each.value for each in arguments if each.by_name}
    for entry in cache.entries:
        environ.update(entry.environ)
    environ.update(inputs.secret_environ(job.environ))
    environ.update(job.docker_config(inputs.logins))
    return environ | {"BUILDX_CONFIG": str(job.scratch() / "buildx")}


def inherited(cache: CachePlan, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the job's variables that buildx needs."""
    yield "SOURCE_DATE_EPOCH"
    for entry in cache.entries:
        if entry.variables:
            yield from (name for name in environ if name.startswith(entry.variables))


def build_command(
    inputs: BuildxInputs, arguments: Iterable[BuildArg], cache: CachePlan, builder: Builder, workspace: Path
) -> Iterator[str]:
    """Yield the arguments of buildx."""
    # Absolute: buildx would read "-" and "github.com/…" as something else than a folder.
    yield from ("build", str(workspace / inputs.context))
    yield from ("--file", str(inputs.find_dockerfile(workspace)))
    yield from ("--builder", builder.name, "--progress", "plain")
    yield from ("--platform", ",".join(inputs.platforms))
    for argument in arguments:
        yield from ("--build-arg", argument.word)
    for id_, variable in inputs.secret_envs:
        yield from ("--secret", f"id={id_},env={variable or id_}")
    for id_, path in inputs.secret_files:
        yield from ("--secret", comma_separated((f"id={id_}", f"src={path}")))
    for context in inputs.build_contexts:
        yield from ("--build-context", context)
    for label in inputs.labels:
        yield from ("--label", label)
    for source in cache.sources:
        yield from ("--cache-from", str(source))
    for target in cache.targets:
        yield from ("--cache-to", str(target))
    if inputs.target:
        yield from ("--target", inputs.target)
    if inputs.provenance:
        yield from ("--provenance", inputs.provenance)
    if inputs.sbom:
        yield from ("--sbom", inputs.sbom)
    if inputs.no_cache:
        yield "--no-cache"
    if inputs.pull:
        yield "--pull"
    yield from _destination(inputs, builder)


def _destination(inputs: BuildxInputs, builder: Builder) -> Iterator[str]:
    if inputs.push_by_digest:
        yield "--output"
        yield f"type=image,name={inputs.image.name},push-by-digest=true,name-canonical=true,push=true"
    else:
        for reference in inputs.targets:
            yield from ("--tag", str(reference))
        if inputs.push:
            # The daemon's own builder stores what it pushes, unless told not to.
            stored = inputs.load and builder.is_daemons_own
            yield from ("--output", "type=image,push=true" + ("" if stored else ",store=false"))
    if inputs.load and not (inputs.push and builder.is_daemons_own):
        yield "--load"
    if not (inputs.push or inputs.load):
        yield from ("--output", "type=cacheonly")


# ---- where it is built


@contextmanager
def select_builder(
    inputs: BuildxInputs, cache: CachePlan, daemon: Daemon, buildx: Tool, job: Job
) -> Iterator[Builder]:
    """Use the daemon's own builder if it can do the job, else start one in a container."""
    reason = container_reason(inputs, cache, containerd_store=daemon.has_containerd_store)
    if reason is None:
        with daemon_builder(buildx) as builder:
            yield builder
        return
    job.say(f"starting a BuildKit in a container: {reason}")
    config = None
    if inputs.mirror:
        config = job.scratch() / "buildkitd.toml"
        config.write_text(mirror_config(inputs.mirror))
    options = (*inputs.driver_opts, *_s3_options(cache))
    with container_builder(job, buildx, daemon, inputs.buildkit_image, options, config) as builder:
        yield builder


def container_reason(inputs: BuildxInputs, cache: CachePlan, *, containerd_store: bool) -> str | None:
    """Say why the daemon's own builder cannot do the job, None if it can.

    Args:
        inputs: what is wanted.
        cache: as planned.
        containerd_store: whether the daemon keeps images in containerd.
    """
    foreign = [entry.type for entry in cache.entries if entry.needs_container]
    if not containerd_store:
        return "the daemon's image store cannot hold images of several platforms"
    if inputs.driver_opts:
        return "driver-opts are for one"
    if inputs.mirror:
        return "the daemon takes its mirrors from its own settings only"
    if inputs.push_by_digest:
        return "the daemon's own cannot push without a tag"
    if foreign:
        return f"the daemon's own has no cache of type {foreign[0]}"
    return None


def _s3_options(cache: CachePlan) -> Iterator[str]:
    if any("endpoint_url" in entry.attributes for entry in cache.entries):
        # Other S3 services reject the checksum headers that the AWS SDK adds by default.
        yield "env.AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
        yield "env.AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"


def emulate(inputs: BuildxInputs, missing: tuple[str, ...], daemon: Daemon, job: Job) -> None:
    """Register QEMU in the daemon's kernel for platforms it cannot run steps for yet."""
    if not missing:
        return
    job.say(f"registering QEMU: the daemon cannot run steps for {', '.join(missing)} yet")
    try:
        install_emulators(daemon, inputs.qemu_image, missing)
    except DaemonError as error:
        # A Dockerfile that cross-compiles runs no steps for them.
        job.warn(f"{error}; RUN steps outside of `FROM --platform=$BUILDPLATFORM` stages will fail")


if __name__ == "__main__":
    Buildx.main()
