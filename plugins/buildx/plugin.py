"""The buildx plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from gocdnext_sdk import (
    BUILD_OUTPUTS,
    Daemon,
    DaemonError,
    DaemonUse,
    Job,
    Plugin,
    Publishes,
    ReadsWorkspace,
    Secret,
    Tool,
    doing,
)
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.tools.buildkit.builders import (
    Builder,
    container_builder,
    daemon_builder,
    install_emulators,
    read_digest,
    registry_config,
    trusting,
)
from gocdnext_sdk.tools.csv import comma_separated

from .caches import Caches, choose_caches
from .inputs import BuildxInputs


class Buildx(Plugin[BuildxInputs]):
    """Build an image for several platforms with buildx and publish it under any number of tags.

    Needs `docker: true`, unless `builder` names a BuildKit that runs already. The daemon's own builder is
    used where it can do the job; elsewhere a BuildKit is started in a container for the job and removed after
    it.
    """

    name = "gocdnext-plugin-buildx"
    category = "container"
    inputs = BuildxInputs
    outputs = BUILD_OUTPUTS
    publishes = Publishes(
        "image", tags="tags", push="push", by_digest="push-by-digest", platforms="platforms"
    )
    daemon = DaemonUse("always", when={"builder": ""})
    workspace = ReadsWorkspace()
    keeps = ("build-args", "labels", "annotations")
    caches = ("cache", "cache-from", "cache-to")
    variables = ("BUILDX_", "ACTIONS_", "DOCKER_")

    def run(self, inputs: BuildxInputs, job: Job) -> dict[str, str]:
        """Build, and push if asked to."""
        job.trust(inputs.ca_file)
        if note := inputs.login_note(job.environ, job.workspace):
            job.warn(note)
        build = BuildxBuild(inputs, job)
        for note in build.cache.notes:
            job.warn(note)
        metadata = job.scratch() / "metadata.json"
        with ready(build) as (buildx, builder), doing(f"building {inputs.main.name}"), build.pushing():
            buildx.run(*build.command(builder), "--metadata-file", metadata)
        if not inputs.push:
            return build.built()
        digest = job.digest(build.subject(inputs.platforms), lambda: read_digest(metadata))
        return build.pushed(digest, () if inputs.push_by_digest else build.targets)


@dataclass(frozen=True)
class BuildxBuild(Build[BuildxInputs]):
    """What buildx is given."""

    @cached_property
    def cache(self) -> Caches:
        """The caches."""
        return choose_caches(self.inputs, self.job.environ)

    @property
    def environ(self) -> dict[str, str | Secret]:
        """Build arguments, the logins of caches, build secrets, and registry logins."""
        environ = super().environ
        for entry in self.cache.entries:
            environ.update(entry.environ)
        environ.update(self.job.docker_config(self.inputs.all_logins))
        return environ | {"BUILDX_CONFIG": self.config}

    @cached_property
    def config(self) -> str:
        """The directory in which buildx keeps what it knows of builders, with the TLS material.

        Each start of buildx opens that material again, so it is where each start is told of.
        """
        material = self.inputs.builder_tls
        return self.job.secret_folder(material) if material else str(self.job.scratch() / "buildx")

    def inherited(self) -> Iterator[str]:
        """Yield the job's variables that buildx needs."""
        yield "SOURCE_DATE_EPOCH"
        for entry in self.cache.entries:
            if entry.variables:
                yield from (name for name in self.job.environ if name.startswith(entry.variables))

    def command(self, builder: Builder) -> Iterator[str]:
        """Yield the arguments of buildx."""
        inputs = self.inputs
        # Absolute: buildx would read "-" and "github.com/…" as something else than a folder.
        yield from ("build", str(self.context))
        yield from ("--file", str(self.dockerfile))
        yield from ("--builder", builder.name, "--progress", "plain")
        yield from ("--platform", ",".join(inputs.platforms))
        for argument in self.arguments:
            yield from ("--build-arg", argument.word)
        for id_, variable in inputs.secret_envs:
            yield from ("--secret", f"id={id_},env={variable or id_}")
        for id_, path in inputs.secret_files:
            yield from ("--secret", comma_separated((f"id={id_}", f"src={path}")))
        for context in inputs.build_contexts:
            yield from ("--build-context", context)
        for label in self.labels:
            yield from ("--label", label)
        for annotation in inputs.annotations:
            yield from ("--annotation", str(annotation))
        for source in self.cache.sources:
            yield from ("--cache-from", str(source))
        for target in self.cache.targets:
            yield from ("--cache-to", str(target))
        if inputs.target:
            yield from ("--target", inputs.target)
        if provenance := inputs.provenance or ("false" if inputs.reproducible else None):
            yield from ("--provenance", provenance)
        if inputs.sbom:
            yield from ("--sbom", inputs.sbom)
        if inputs.no_cache:
            yield "--no-cache"
        if inputs.pull:
            yield "--pull"
        yield from self._destination(builder)

    def _destination(self, builder: Builder) -> Iterator[str]:
        inputs = self.inputs
        rewritten = ",rewrite-timestamp=true" if inputs.reproducible else ""
        if inputs.push_by_digest:
            names = comma_separated([f"name={','.join(image.name for image in inputs.repositories)}"])
            by_digest = f"{names},push-by-digest=true,name-canonical=true"
            yield from ("--output", f"type=image,{by_digest},push=true{rewritten}")
        else:
            for reference in self.targets:
                yield from ("--tag", str(reference))
            if inputs.push:
                # The daemon's own builder stores what it pushes, unless it is asked not to.
                stored = inputs.load and builder.is_daemons_own
                yield from ("--output", f"type=image,push=true{'' if stored else ',store=false'}{rewritten}")
        if inputs.load and not (inputs.push and builder.is_daemons_own):
            yield "--load"
        if not (inputs.push or inputs.load):
            yield from ("--output", "type=cacheonly")


@contextmanager
def ready(build: BuildxBuild) -> Iterator[tuple[Tool, Builder]]:
    """Give buildx, and the builder that it is to use: that of `builder`, or one of the job's daemon."""
    inputs, job = build.inputs, build.job
    if inputs.builder:
        from gocdnext_sdk.tools.buildkit.remote import remote_builder

        if not inputs.builder_tls:
            job.warn("the connection to `builder` is not encrypted: it carries the sources, and the logins")
        buildx = job.tool("buildx", env=build.environ, inherit=build.inherited())
        files = build.config if inputs.builder_tls else None
        with remote_builder(job, buildx, inputs.builder, inputs.platforms, "remote", files) as builder:
            yield buildx, builder
        return
    daemon = job.daemon()
    buildx = job.tool("buildx", env=build.environ | daemon.environ, inherit=build.inherited())
    with select_builder(build, daemon, buildx) as builder:
        emulate(inputs, builder.missing(inputs.platforms), daemon, job)
        yield buildx, builder


@contextmanager
def select_builder(build: BuildxBuild, daemon: Daemon, buildx: Tool) -> Iterator[Builder]:
    """Use the daemon's own builder if it can do the job, else start one in a container."""
    inputs, cache, job = build.inputs, build.cache, build.job
    reason = container_reason(inputs, cache, containerd_store=daemon.has_containerd_store)
    if reason is None:
        with daemon_builder(buildx) as builder:
            yield builder
        return
    job.say(f"starting a BuildKit in a container: {reason}")
    config = None
    if settings := registry_config(inputs.mirror, inputs.insecure_registries, job.roots):
        config = job.scratch() / "buildkitd.toml"
        config.write_text(settings)
    options = (*inputs.driver_opts, *_s3_options(cache), *trusting(job.roots))
    with container_builder(job, buildx, daemon, inputs.buildkit_image, options, config) as builder:
        yield builder


def container_reason(inputs: BuildxInputs, cache: Caches, *, containerd_store: bool) -> str | None:
    """Say why the daemon's own builder cannot do the job, None if it can.

    Args:
        inputs: what is wanted.
        cache: what is read and written.
        containerd_store: whether the daemon keeps images in containerd.
    """
    foreign = [entry.type for entry in cache.entries if entry.needs_container]
    if not containerd_store:
        return "the daemon's image store cannot hold images of several platforms"
    if inputs.driver_opts:
        return "driver-opts are for one"
    if inputs.mirror:
        return "the daemon takes its mirrors from its own settings only"
    if inputs.insecure_registries:
        return "the daemon takes its insecure registries from its own settings only"
    if inputs.ca_file:
        return "the daemon takes its certificate authorities from its own settings only"
    if inputs.push_by_digest:
        return "the daemon's own cannot push without a tag"
    if foreign:
        return f"the daemon's own has no cache of type {foreign[0]}"
    return None


def _s3_options(cache: Caches) -> Iterator[str]:
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
