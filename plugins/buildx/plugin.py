"""The buildx plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk import (
    Boolean,
    Credential,
    Credentials,
    Daemon,
    ImageBuild,
    Input,
    Job,
    Lines,
    Pairs,
    Plugin,
    Problem,
    Registry,
    RequiredTogether,
    Secret,
    Tool,
    ToolError,
    Words,
)
from gocdnext_sdk.buildkit import (
    BINFMT,
    BUILDKIT,
    Builder,
    CacheEntry,
    container_builder,
    default_builder,
    install_emulators,
    read_digest,
)
from gocdnext_sdk.inputs.parsers import parse_lines

CacheEntries = Annotated[
    tuple[CacheEntry, ...],
    BeforeValidator(lambda text: tuple(map(CacheEntry.parse, parse_lines(text)))),
    WithJsonSchema({"type": "string"}),
]


class BuildxInputs(ImageBuild):
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
    target: str | None = Input(None, description="The stage to build. The last one if not given.")
    labels: Lines = Input("", description="Image labels, one KEY=VALUE a line.")
    build_contexts: Pairs = Input(
        "", description="Named contexts, one NAME=VALUE a line, as buildx takes them."
    )
    secret_envs: Pairs = Input(
        "", description="Build secrets, one ID=VARIABLE a line: the job's variable is mounted under that id."
    )
    secret_files: Pairs = Input(
        "", description="Build secrets, one ID=PATH a line: the workspace file is mounted under that id."
    )
    provenance: str | None = Input(
        None,
        description='Provenance attestation: "mode=min", "mode=max" or "false". BuildKit\'s own default otherwise.',
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
    mirror: str | None = Input(
        None,
        description='Pull-through mirror of docker.io for base images, e.g. "mirror.gcr.io" or '
        '"registry.example.com/dockerhub". Docker Hub is the fallback.',
    )
    mirror_username: str | None = Input(None, description="User name at the mirror.")
    mirror_password: Secret | None = Input(None, description="Password or token at the mirror.")
    buildkit_image: str = Input(
        BUILDKIT, description="BuildKit image of the docker-container builder, where one is needed."
    )
    driver_opts: Lines = Input(
        "", description="Further options of the docker-container builder, one KEY=VALUE a line."
    )
    qemu_image: str = Input(
        BINFMT, description="Image that registers QEMU, used only when the daemon lacks a platform."
    )

    constraints = (RequiredTogether("mirror-username", "mirror-password"),)

    def check(self, environ: Mapping[str, str]) -> Iterable[Problem]:
        """Check what needs the job's environment or two inputs at once."""
        yield from super().check(environ)
        if self.mirror is not None and not re.fullmatch(r"[A-Za-z0-9._:/-]+", _host_path(self.mirror)):
            yield Problem(
                "mirror", f'"{self.mirror}" is not a host with a path', 'write it as "mirror.gcr.io"'
            )
        for id_, variable in self.secret_envs:
            if (variable or id_) not in environ:
                yield Problem("secret-envs", f'"{variable or id_}" is not in the job\'s environment')
        for id_, path in self.secret_files:
            if path is None or not Path(path).is_file():
                yield Problem("secret-files", f'"{id_}": there is no file "{path or ""}" in the workspace')
        if self.push_by_digest and not self.push:
            yield Problem("push-by-digest", 'needs push: "true"')
        if self.cache == "bucket" and not environ.get("GOCDNEXT_LAYER_CACHE_BUCKET"):
            yield Problem(
                "cache", '"bucket" needs GOCDNEXT_LAYER_CACHE_BUCKET', "set it in the runner profile"
            )
        elif self.cache not in _CACHE_WORDS and self.cache is not None:
            try:
                CacheEntry.parse(self.cache)
            except ValueError as error:
                words = ", ".join(f'"{word}"' for word in _CACHE_WORDS)
                yield Problem("cache", str(error), f"choose one of {words}, or give a reference")


_CACHE_WORDS = ("registry", "inline", "bucket", "none")


class Buildx(Plugin[BuildxInputs]):
    """Build an image for several platforms with buildx and publish it under any number of tags.

    Needs `docker: true`. The daemon's own builder is used where it can do the platforms; elsewhere a
    BuildKit container is started for the job and removed after it.
    """

    name = "gocdnext-plugin-buildx"
    category = "container"
    inputs = BuildxInputs
    outputs = {
        "IMAGE": "The image's name, without a tag.",
        "DIGEST": "Digest of the index (of the manifest, for one platform); when something was pushed.",
        "REFERENCE": "IMAGE@DIGEST: what to scan and to sign.",
        "TAGS": "The tags that were pushed, with commas between.",
    }

    def run(self, inputs: BuildxInputs, job: Job) -> dict[str, str]:
        """Build, and push if asked to."""
        cache = plan_cache(inputs, job.environ)
        for note in cache.notes:
            job.warn(note)
        daemon = job.daemon()
        buildx = job.tool(
            "buildx",
            env=tool_environ(inputs, cache, job) | daemon.environ,
            inherit=(
                "SOURCE_DATE_EPOCH",
                *(variable or id_ for id_, variable in inputs.secret_envs),
                *cache.inherit,
            ),
        )
        metadata = job.scratch() / "metadata.json"
        with select_builder(inputs, cache, daemon, buildx, job) as builder:
            missing = builder.missing(inputs.platforms)
            if missing:
                job.say(f"the daemon cannot build for {', '.join(missing)} yet: registering QEMU")
                install_emulators(daemon, inputs.qemu_image, missing)
            buildx.run(*build_command(inputs, cache, builder, metadata, job.workspace))
        if not inputs.push:
            job.say(f"built {inputs.image.name} for {', '.join(inputs.platforms)}; nothing was pushed")
            return {"IMAGE": inputs.image.name, "TAGS": ""}
        digest = read_digest(metadata)
        if digest is None:
            raise ToolError("buildx pushed, but its metadata file names no digest")
        tags = [] if inputs.push_by_digest else [str(target.tag) for target in inputs.targets]
        reference = inputs.image.with_digest(digest)
        job.say(f"pushed {reference} with {'the tags ' + ', '.join(tags) if tags else 'no tag'}")
        return {
            "IMAGE": inputs.image.name,
            "DIGEST": digest,
            "REFERENCE": str(reference),
            "TAGS": ",".join(tags),
        }


class CachePlan:
    """What is read from and written to caches, and what the user should know of it."""

    def __init__(self, sources: Iterable[CacheEntry], targets: Iterable[CacheEntry]) -> None:
        self.sources = tuple(sources)
        self.targets = tuple(targets)
        self.notes: list[str] = []

    @property
    def environ(self) -> dict[str, Secret]:
        """Secrets that were written into entries, by the variable that carries them instead."""
        return {k: v for entry in (*self.sources, *self.targets) for k, v in entry.environ.items()}

    @property
    def inherit(self) -> tuple[str, ...]:
        """Variables of the job that the backends need."""
        types = {entry.type for entry in (*self.sources, *self.targets)}
        aws = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION")
        actions = (
            "ACTIONS_RUNTIME_TOKEN",
            "ACTIONS_CACHE_URL",
            "ACTIONS_RESULTS_URL",
            "ACTIONS_CACHE_SERVICE_V2",
        )
        return (aws if "s3" in types else ()) + (actions if "gha" in types else ())

    @property
    def is_s3_of_others(self) -> bool:
        """Whether an S3 endpoint that is not Amazon's is used."""
        return any("endpoint_url" in entry.attributes for entry in (*self.sources, *self.targets))


def plan_cache(inputs: BuildxInputs, environ: Mapping[str, str]) -> CachePlan:
    """Decide which caches are used."""
    plan = CachePlan(*_cache_entries(inputs, environ))
    if inputs.cache not in (None, "none") and (inputs.cache_from or inputs.cache_to):
        plan.notes.append("with.cache is not used: cache-from and cache-to win over it")
    inactive = [e for e in (*plan.sources, *plan.targets) if not e.is_active(environ)]
    if inactive:
        plan.notes.append(
            f"not used: {', '.join(map(str, inactive))}: the GitHub Actions cache needs ACTIONS_RUNTIME_TOKEN "
            "and ACTIONS_RESULTS_URL, which only GitHub's runners have; write `cache: registry` instead"
        )
    if plan.targets and not inputs.push:
        plan.notes.append('caches are only read: push is "false"')
    active = [entry for entry in plan.targets if entry not in inactive] if inputs.push else []
    final = CachePlan((e for e in plan.sources if e not in inactive), (e.as_export() for e in active))
    final.notes = plan.notes
    return final


def _cache_entries(
    inputs: BuildxInputs, environ: Mapping[str, str]
) -> tuple[tuple[CacheEntry, ...], tuple[CacheEntry, ...]]:
    """Return the caches to read and to write, as the inputs say."""
    if inputs.cache_from or inputs.cache_to:
        return inputs.cache_from, inputs.cache_to
    match inputs.cache:
        case None | "none":
            return (), ()
        case "inline":
            return (), (CacheEntry({"type": "inline"}, {}),)
        case "registry":
            source = CacheEntry({"type": "registry", "ref": str(inputs.image.with_tag("buildcache"))}, {})
        case "bucket":
            source = _bucket(inputs, environ)
        case reference:
            source = CacheEntry.parse(reference)
    return (source,), (CacheEntry({**source.attributes, "mode": "max"}, source.environ),)


def _bucket(inputs: BuildxInputs, environ: Mapping[str, str]) -> CacheEntry:
    """Return the cache of the runner profile: S3, or Google's bucket through its S3 interface."""
    google = environ.get("GOCDNEXT_LAYER_CACHE_BACKEND", "s3").strip() in ("gcs", "gs")
    region = "auto" if google else environ.get("AWS_REGION", "us-east-1")
    attributes = {
        "type": "s3",
        "region": environ.get("GOCDNEXT_LAYER_CACHE_REGION", region),
        "bucket": environ["GOCDNEXT_LAYER_CACHE_BUCKET"],
        "name": environ.get("GOCDNEXT_LAYER_CACHE_NAME", inputs.image.name),
    }
    endpoint = environ.get("GOCDNEXT_LAYER_CACHE_ENDPOINT") or (
        "https://storage.googleapis.com" if google else ""
    )
    return CacheEntry(attributes | ({"endpoint_url": endpoint} if endpoint else {}), {})


def credentials(inputs: BuildxInputs) -> Credentials:
    """Return the logins: the image's registry and the mirror, each for its own host only."""
    logins = list(inputs.credentials(inputs.image.registry))
    if inputs.mirror and inputs.mirror_username and inputs.mirror_password:
        mirror = Registry.parse(_host_path(inputs.mirror).split("/")[0])
        logins.append(Credential(mirror, inputs.mirror_username, inputs.mirror_password))
    return Credentials(logins)


def tool_environ(inputs: BuildxInputs, cache: CachePlan, job: Job) -> dict[str, str | Secret]:
    """Return buildx's environment; build arguments travel in it, off the command line."""
    by_name = {k: v for k, v in inputs.build_environ(job.environ).items() if not _steers_buildx(k)}
    return (
        by_name
        | cache.environ
        | job.docker_config(credentials(inputs))
        | {"BUILDX_CONFIG": str(job.scratch() / "buildx")}
    )


def _steers_buildx(name: str) -> bool:
    """Tell whether a variable of that name would change buildx itself instead of only the build."""
    return (
        re.match(
            r"(?i)(DOCKER|BUILDX|BUILDKIT|SSL|GO|OTEL)|.*_PROXY$|(PATH|HOME|TMPDIR|LANG|LC_ALL|TZ)$", name
        )
        is not None
    )


@contextmanager
def select_builder(
    inputs: BuildxInputs, cache: CachePlan, daemon: Daemon, buildx: Tool, job: Job
) -> Iterator[Builder]:
    """Use the daemon's own builder if it can do the job, else start one in a container."""
    options = list(inputs.driver_opts)
    if cache.is_s3_of_others:
        # Other S3 services reject the checksum headers that the AWS SDK adds by default.
        options += [
            f"env.AWS_{each}=when_required"
            for each in ("REQUEST_CHECKSUM_CALCULATION", "RESPONSE_CHECKSUM_VALIDATION")
        ]
    # The daemon's own builder takes no options of ours and cannot push without a tag.
    if daemon.has_containerd_store and not (options or inputs.mirror or inputs.push_by_digest):
        with default_builder(buildx) as builder:
            yield builder
        return
    config = None
    if inputs.mirror:
        config = job.scratch() / "buildkitd.toml"
        config.write_text(f'[registry."docker.io"]\n  mirrors = ["{_host_path(inputs.mirror)}"]\n')
    with container_builder(
        buildx, daemon, image=inputs.buildkit_image, options=options, config=config
    ) as builder:
        yield builder


def build_command(
    inputs: BuildxInputs, cache: CachePlan, builder: Builder, metadata: Path, workspace: Path
) -> Iterator[str]:
    """Yield the arguments of buildx."""
    yield from ("build", "--builder", builder.name, "--progress", "plain")
    yield from ("--platform", ",".join(inputs.platforms))
    yield from ("--file", str(inputs.find_dockerfile(workspace).relative_to(workspace)))
    yield from ("--metadata-file", str(metadata))
    for key, value in inputs.build_args:
        yield from ("--build-arg", f"{key}={value}" if _steers_buildx(key) and value is not None else key)
    for id_, variable in inputs.secret_envs:
        yield from ("--secret", f"id={id_},env={variable or id_}")
    for id_, path in inputs.secret_files:
        yield from ("--secret", f"id={id_},src={path}")
    for name, value in inputs.build_contexts:
        yield from ("--build-context", f"{name}={value}")
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
    yield from _destination(inputs)
    yield inputs.context


def _destination(inputs: BuildxInputs) -> Iterator[str]:
    if inputs.push_by_digest:
        yield from (
            "--output",
            f"type=image,name={inputs.image.name},push-by-digest=true,name-canonical=true,push=true",
        )
        return
    for reference in inputs.targets:
        yield from ("--tag", str(reference))
    if inputs.push:
        yield "--push"
    if inputs.load:
        yield "--load"
    if not (inputs.push or inputs.load):
        yield from ("--output", "type=cacheonly")


def _host_path(mirror: str) -> str:
    return re.sub(r"^https?://", "", mirror).rstrip("/")


if __name__ == "__main__":
    Buildx.main()
