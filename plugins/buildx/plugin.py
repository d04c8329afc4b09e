"""The buildx plugin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import sleep

from gocdnext_sdk import (
    BUILD_OUTPUTS,
    Daemon,
    DaemonError,
    DaemonUse,
    InputMismatch,
    Job,
    Plugin,
    Publishes,
    ReadsWorkspace,
    Reference,
    RegistryError,
    Secret,
    Tool,
    ToolError,
    Writes,
    doing,
)
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.inputs.registry_login import CLOUD_VARIABLES
from gocdnext_sdk.tools.buildkit.builders import (
    NO_OCI_ARTIFACT,
    Builder,
    container_builder,
    daemon_builder,
    install_emulators,
    read_digest,
    registry_config,
    trusting,
)
from gocdnext_sdk.tools.buildkit.progress import Progress
from gocdnext_sdk.tools.csv import comma_separated

from .attestation import Attestation
from .caches import ChosenCaches, choose_caches
from .inputs import BuildxInputs


class Buildx(Plugin[BuildxInputs]):
    """Build an image for several platforms with buildx and publish it under any number of tags.

    Needs `docker: true`, unless `builder` names a BuildKit that runs already, or `driver: kubernetes` starts
    one in a cluster. The daemon's own builder is used where it can do the job; elsewhere a BuildKit is
    started in a container for the job and removed after it.
    """

    name = "gocdnext-plugin-buildx"
    category = "container"
    inputs = BuildxInputs
    outputs = BUILD_OUTPUTS
    publishes = Publishes(
        "image",
        tags="tags",
        push="push",
        by_digest="push-by-digest",
        platforms="platforms",
        when={"call": "build", "output": ""},
    )
    writes = tuple(Writes(each, when={"call": "build", "push": "true"}) for each in ("cache", "cache-to"))
    daemon = DaemonUse("always", when={"builder": "", "driver": "auto"})
    workspace = ReadsWorkspace()
    keeps = ("build-args", "labels", "annotations")
    caches = ("cache", "cache-from", "cache-to")
    variables = ("BUILDX_", "ACTIONS_", "DOCKER_", *CLOUD_VARIABLES)

    def run(self, inputs: BuildxInputs, job: Job) -> dict[str, str]:
        """Build, and push if asked to."""
        job.trust(inputs.ca_file)
        if note := inputs.login_note(job.environ, job.workspace):
            job.warn(note)
        if note := inputs.builder_note:
            job.warn(note)
        for note in filter(None, (inputs.reproducible_note, inputs.tags_note)):
            job.say(note)
        build = BuildxBuild(inputs, job)
        for note in (*build.cache.notes, *build.artifact_notes):
            job.warn(note)
        if inputs.call == "check":
            from .mistakes import check

            with ready(build) as (buildx, builder):
                check(build, buildx, builder)
            return build.inputs.named()
        if (kept := build.kept()) is not None:
            return kept
        metadata = job.scratch() / "metadata.json"
        with build.writing():
            with ready(build) as (buildx, builder), doing(f"building {inputs.main.name}"), build.pushing():
                notes = run_patiently(build, buildx, (*build.command(builder), "--metadata-file", metadata))
            outputs = self._published(build, builder, metadata)
        for note in notes:
            job.warn(note)
        return outputs

    def _published(self, build: BuildxBuild, builder: Builder, metadata: Path) -> dict[str, str]:
        """Return the outputs, once what was built is where it is to be."""
        inputs, job = build.inputs, build.job
        if inputs.output:
            return build.written(build.unpacked)
        if inputs.is_pushed:
            digest = job.digest(build.subject(inputs.platforms), lambda: read_digest(metadata))
            if build.sets_tags(builder):
                build.set_tags(digest)
            return build.pushed(digest, () if inputs.push_by_digest else build.targets)
        return build.built()


PUSH_WAITS = (2.0, 8.0, 30.0)
"""Seconds before a push is tried again."""


def run_patiently(build: BuildxBuild, buildx: Tool, command: Sequence[object]) -> tuple[str, ...]:
    """Run buildx, again where a push failed for what may pass; return what is to be said of caches.

    What was built is in the builder's cache by then, so nothing is built again.
    """
    job, waits = build.job, iter(PUSH_WAITS)
    while True:
        progress = Progress()
        try:
            buildx.run(*command, watch=progress)
        except ToolError:
            reason, wait = progress.passing_failure, next(waits, None)
            if reason is None or wait is None:
                raise
            why = job.excerpt(reason)
            job.warn(f"the push failed ({why}); it is tried again in {wait:.0f} s, without a new build")
            sleep(wait)
            with suppress(RegistryError):  # it heeds `Retry-After`, which buildx does not pass on
                build.registry.find(build.targets[0])
            command = [word for word in command if not str(word).startswith(("--no-cache", "--pull"))]
        else:
            return progress.failed_caches


@dataclass(frozen=True)
class BuildxBuild(Build[BuildxInputs]):
    """What buildx is given."""

    @cached_property
    def cache(self) -> ChosenCaches:
        """The caches."""
        return choose_caches(self.inputs, self.job.environ, self.job.ci)

    @property
    def environ(self) -> dict[str, str | Secret]:
        """Build arguments, the logins of caches, build secrets, and registry logins."""
        environ = super().environ
        for entry in self.cache.entries:
            environ.update(entry.environ)
        environ.update(self.job.docker_config(self.inputs.all_credentials))
        # The labels name the commit, in the provenance too; buildx would only say that there is no git.
        return environ | {"BUILDX_CONFIG": self.config, "BUILDX_GIT_INFO": "false"}

    @cached_property
    def config(self) -> str:
        """The directory in which buildx keeps what it knows of builders, with the TLS material.

        Each start of buildx opens that material again, so it is where each start is told of.
        """
        material = self.inputs.builder_tls
        return self.job.secret_folder(material) if material else str(self.job.scratch() / "buildx")

    def unpacked(self) -> Path:
        """Return the layout in the archive that buildx has written; it would race with itself at a layout."""
        from gocdnext_sdk.oci.layout import unpack

        unpack(self.staged_archive, self.staged)
        self.staged_archive.unlink()
        return self.staged

    @property
    def artifact_notes(self) -> Iterator[str]:
        """What to say of attestations whose form a registry that is known decides."""
        hosts = [each.host for each in self.inputs.registries if each.host in NO_OCI_ARTIFACT]
        if hosts and self.inputs.makes_index(self.job.environ) and self.inputs.oci_artifact is None:
            yield f"attestations are no OCI artifacts: {hosts[0]} refuses those"

    @property
    def _artifact(self) -> str | None:
        """Whether attestations are OCI artifacts; None: as buildx does by itself."""
        given = self.inputs.oci_artifact
        if given is None and NO_OCI_ARTIFACT.isdisjoint(each.host for each in self.inputs.registries):
            return None
        return "true" if given else "false"

    @property
    def _provenance(self) -> Attestation | None:
        """What follows `--provenance`: as given, and with the page of this run for the builder's id."""
        given = self.inputs.provenance_in(self.job.environ)
        page = self.job.ci.run_url
        if page is None or (given and not given.wanted):
            return given
        # Without the option, buildx attests in this mode, where the image's form has a place for it.
        attributes = given.attributes if given else {"mode": "min", "inline-only": "true"}
        return Attestation(True, {**attributes, "builder-id": attributes.get("builder-id", page)})

    def sets_tags(self, builder: Builder) -> bool:
        """Whether all content goes to all repositories first, and the tags are then set by us.

        BuildKit pushes to one repository after the other, each with its tags.

        Raises:
            RegistryError: a login of the job is refused; nothing was built.
        """
        return not self.inputs.push_by_digest and builder.pushes_without_tags and self.pushes_by_digest

    def inherited(self) -> Iterator[str]:
        """Yield the job's variables that buildx needs."""
        yield from ("SOURCE_DATE_EPOCH", "BUILDX_NO_DEFAULT_OCI_ARTIFACT")
        for entry in self.cache.entries:
            if entry.variables:
                yield from (name for name in self.job.environ if name.startswith(entry.variables))

    def command(self, builder: Builder) -> Iterator[str]:
        """Yield the arguments of buildx for a build."""
        yield from self.definition(builder)
        yield from self._caching()
        yield from self._destination(builder)

    def definition(self, builder: Builder) -> Iterator[str]:
        """Yield the arguments of buildx that say what is built."""
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
        if inputs.target:
            yield from ("--target", inputs.target)
        yield from inputs.step_arguments(self.job)

    def _caching(self) -> Iterator[str]:
        inputs = self.inputs
        for source in self.cache.sources:
            yield from ("--cache-from", str(source))
        for target in self.cache.targets:
            yield from ("--cache-to", str(target))
        if inputs.no_cache:
            yield "--no-cache"
        for stage in inputs.no_cache_filter:
            yield f"--no-cache-filter={stage}"
        if inputs.pull:
            yield "--pull"

    def _destination(self, builder: Builder) -> Iterator[str]:
        """Yield what becomes of the image; a push last, since the digest that buildx tells is the last's."""
        inputs = self.inputs
        for annotation in inputs.annotations:
            yield from ("--annotation", str(annotation))
        if provenance := self._provenance:
            yield from ("--provenance", str(provenance))
        if inputs.sbom:
            yield from ("--sbom", str(inputs.sbom))
        # Media types too: which ones BuildKit takes by itself depends on its version and on attestations.
        form = ",rewrite-timestamp=true,oci-mediatypes=true" if inputs.reproducible else ""
        form += f",oci-artifact={self._artifact}" if self._artifact else ""
        if inputs.output:
            for reference in inputs.names(self.job.ci):
                yield from ("--tag", str(reference))
            yield from ("--output", f"{comma_separated(['type=oci', f'dest={self.staged_archive}'])}{form}")
            return
        if inputs.push_by_digest or self.sets_tags(builder):
            by_digest = f"{_named(inputs.repositories)},push-by-digest=true,name-canonical=true"
            if inputs.load:
                yield from ("--output", f"type=docker,{_named(self.targets)}")
            yield from ("--output", f"type=image,{by_digest},push=true{form}")
        else:
            for reference in self.targets:
                yield from ("--tag", str(reference))
            # The daemon's own builder stores what it pushes, unless it is asked not to.
            stored = inputs.push and builder.is_daemons_own
            if inputs.load and not stored:
                yield from ("--output", "type=docker")
            if inputs.push:
                store = "" if inputs.load and stored else ",store=false"
                yield from ("--output", f"type=image,push=true{store}{form}")
        if not (inputs.push or inputs.load):
            yield from ("--output", "type=cacheonly")


@contextmanager
def ready(build: BuildxBuild) -> Iterator[tuple[Tool, Builder]]:
    """Give buildx, and the builder that it is to use: that of `builder`, or one of the job's daemon."""
    inputs, job = build.inputs, build.job
    if inputs.driver == "kubernetes":
        with in_cluster(build) as (buildx, builder):
            yield buildx, builder
        return
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
    buildx = job.tool("buildx", env={**build.environ, **daemon.environ}, inherit=build.inherited())
    with select_builder(build, daemon, buildx) as builder:
        emulate(inputs, builder.missing(inputs.platforms), daemon, job)
        yield buildx, builder


@contextmanager
def in_cluster(build: BuildxBuild) -> Iterator[tuple[Tool, Builder]]:
    """Give buildx, and a builder in pods of the job's own."""
    from gocdnext_sdk.tools.buildkit.kubernetes import Kubeconfig, kubernetes_builder

    inputs, job = build.inputs, build.job
    if inputs.kubeconfig is None:
        raise ValueError("`check` demands a kubeconfig")
    cluster = Kubeconfig.parse(inputs.kubeconfig.reveal())
    for secret in cluster.secrets:
        job.mask(secret)
    job.say(f"starting BuildKit in pods of {cluster.server}")
    login = {"KUBECONFIG": job.secret_file(inputs.kubeconfig, "kubeconfig")}
    buildx = job.tool("buildx", env=build.environ | login, inherit=build.inherited())
    config, options = started_with(build)
    image = inputs.buildkit_image
    with kubernetes_builder(job, buildx, cluster, image, inputs.platforms, options, config) as builder:
        for platform in builder.missing(inputs.platforms):
            job.warn(f"the pods cannot run steps for {platform}; `nodeselector` of driver-opts places them")
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
    if inputs.load and len(inputs.platforms) > 1:
        what = f"takes one platform where a BuildKit in a container builds, as here: {reason}"
        raise InputMismatch("load", what, "build one platform, or leave it out")
    job.say(f"starting a BuildKit in a container: {reason}")
    config, options = started_with(build)
    options = (*options, *own_network(inputs))
    with container_builder(job, buildx, daemon, inputs.buildkit_image, options, config) as builder:
        yield builder


def started_with(build: BuildxBuild) -> tuple[Path | None, tuple[str, ...]]:
    """Return the configuration and the driver options of a BuildKit that is started for the job."""
    inputs, job = build.inputs, build.job
    config = None
    if settings := registry_config(inputs.mirror, inputs.insecure_registries, job.roots):
        config = job.scratch() / "buildkitd.toml"
        config.write_text(settings)
    return config, (*inputs.driver_opts, *_s3_options(build.cache), *trusting(job.roots))


def container_reason(inputs: BuildxInputs, cache: ChosenCaches, *, containerd_store: bool) -> str | None:
    """Say why the daemon's own builder cannot do the job, None if it can.

    Args:
        inputs: what is wanted.
        cache: what is read and written.
        containerd_store: whether the daemon keeps images in containerd.
    """
    foreign = [entry.type for entry in cache.entries if entry.needs_container]
    if not containerd_store:
        return "the daemon's image store cannot hold images of several platforms"
    if inputs.call == "check":
        return "older daemons cannot check a Dockerfile"
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
    if inputs.is_pushed and len(inputs.repositories) > 1:
        return "the daemon's own sets the tags of one repository before the next has the image"
    if foreign:
        return f"the daemon's own has no cache of type {foreign[0]}"
    return None


def _named(images: Sequence[Reference]) -> str:
    return comma_separated([f"name={','.join(map(str, images))}"])


def own_network(inputs: BuildxInputs) -> Iterator[str]:
    """Yield the option with which a BuildKit in a container reaches registries on the daemon's machine."""
    if any(each.startswith("network=") for each in inputs.driver_opts):
        return
    if any(each.is_loopback for each in inputs.registries):
        yield "network=host"


def _s3_options(cache: ChosenCaches) -> Iterator[str]:
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
