"""The kaniko plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from gocdnext_sdk import (
    BUILD_OUTPUTS,
    Always,
    Boolean,
    ContainerError,
    DaemonUse,
    ImageBuildInputs,
    Input,
    Job,
    OnlyWith,
    Platforms,
    Plugin,
    Problem,
    Publishes,
    ReadsWorkspace,
    Reference,
    Secret,
    Writes,
    doing,
    quoted,
)
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.inputs.registry_login import CLOUD_VARIABLES
from gocdnext_sdk.tools import dockerfile, dockerignore

from . import container, context, preflight

RUNTIME = "/gocdnext"
"""Where this program itself is in its image; kaniko is told to leave it alone, as it leaves /kaniko alone."""
SHELL = "/busybox"
"""What the image with a shell has besides (sdk/shell/Dockerfile), which is left alone likewise."""

LIKE_DOCKER = tuple(
    f"FF_KANIKO_{name}"
    for name in (
        *("COPY_AS_ROOT", "EXPAND_HEREDOC", "RUN_HONOR_GROUP", "CHOWN_ON_IMPLICIT_DIRS"),
        *("COPY_CHMOD_ON_IMPLICIT_DIRS", "UNTAR_SKIP_ROOT"),
    )
)
"""Switches with which kaniko builds what a Dockerfile means; without them it keeps to its own past."""

INHERITED = re.compile(r"FF_KANIKO_\w+|(AWS|AZURE|GOOGLE)_\w+|SOURCE_DATE_EPOCH")
"""Variables of the job that kaniko may see: its switches, and where its cloud logins are."""

STEERS = re.compile(
    r"""(?ix) (FF_KANIKO|KANIKO|DOCKER|AWS|AZURE|GOOGLE|OTEL|SSL_CERT|IDENTITY|MSI)_\w+
    | (HTTP|HTTPS|NO|FTP|ALL)_PROXY | GODEBUG | GOGC | GOMAXPROCS | GOMEMLIMIT | GOTRACEBACK
    | PATH | HOME | USER | TMPDIR | LANG | LC_ALL | TZ | CONTAINER | UPSTREAM_CLIENT_TYPE | GCE_METADATA_HOST
    | CI_(REGISTRY|JOB_TOKEN)\w*
    """
)
"""Variables that change what kaniko itself does. Source: what kaniko 1.28 and its credential helpers read."""


_LEAST_NAME, _LONGEST_NAME = 2, 255
"""Characters of a repository's name, slashes and all."""

_STEPS = "kaniko runs steps in the job's own container, with its network, hosts and limits; buildx has it"

ELSEWHERE = {
    **dict.fromkeys(("network", "add-hosts", "ulimits", "shm-size"), _STEPS),
    **dict.fromkeys(("ssh-key", "ssh-known-hosts"), "kaniko has no SSH agent for steps; buildx has one"),
    **dict.fromkeys(
        (
            "driver",
            "kubeconfig",
            "builder",
            "builder-ca",
            "builder-cert",
            "builder-key",
            "driver-opts",
            "buildkit-image",
            "qemu-image",
        ),
        "kaniko builds in the job's own container, without BuildKit; buildx has it",
    ),
    **dict.fromkeys(("cache-from", "cache-to"), "kaniko has one cache: `cache` and `cache-repo`"),
    **dict.fromkeys(
        ("oci-artifact", "provenance", "sbom"), "kaniko makes no attestations; buildx does, and trivy an SBOM"
    ),
    "build-contexts": "kaniko has one context; buildx has named ones",
    "call": "kaniko cannot check a Dockerfile without building it; buildx can",
    "load": "there is no daemon to load into; buildx has one",
    "no-cache": "leave `cache` out",
    "no-cache-filter": "kaniko caches all steps or none; buildx has it",
    "pull": "kaniko always looks for newer base images",
}
"""What other builders take and kaniko cannot do."""


class KanikoInputs(ImageBuildInputs):
    """The `with:` map."""

    built_by = "kaniko"
    elsewhere = ELSEWHERE
    steers = STEERS

    platforms: Platforms = Input(
        "",
        description="The platform to build for, e.g. linux/arm64; one only. The runner's own if not given.",
    )
    cache: Boolean = Input(
        "false", description="Cache the layers of RUN steps in `cache-repo`. Only read when `push` is false."
    )
    cache_repo: Reference | None = Input(
        None,
        description="Repository of the cache, without a tag. `<image>/cache` if not given, on Docker Hub "
        "`<image>-cache`.",
    )
    cache_ttl: str = Input(
        "336h",
        description="How old a cached layer may be, e.g. 6h or 90m.",
        pattern=r"^([0-9]+(\.[0-9]+)?(h|m|s))+$",
    )
    cache_copy_layers: Boolean = Input("false", description="Cache the layers of COPY and ADD too.")
    snapshot_mode: Literal["full", "redo", "time"] = Input(
        "full",
        description="How changed files are found: by content, or quicker by size, owner and times (redo), or "
        "by modification time alone (time).",
    )
    retries: int = Input(3, ge=0, le=20, description="How often a failed pull or push is tried again.")
    verbosity: Literal["error", "warn", "info", "debug", "trace"] = Input(
        "info", description="kaniko's log level."
    )

    constraints = (
        OnlyWith(("cache-repo", "cache-ttl", "cache-copy-layers"), "cache"),
        Always("cache", "snapshot-mode", "retries", "verbosity"),
    )

    @property
    def references(self) -> Iterable[Reference]:
        """The repository of the cache."""
        return (self.cache_repo,) if self.cache_repo else ()

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check what needs several inputs, and read the Dockerfile for what kaniko does not do."""
        problems = list(super().check(environ, workspace))
        yield from problems
        if len(self.platforms) > 1:
            yield Problem(
                "platforms", "kaniko builds for one platform at a time", "use one job for each, or buildx"
            )
        if self.cache_repo and (self.cache_repo.tag or self.cache_repo.digest):
            yield Problem("cache-repo", "has a tag or digest, which kaniko sets itself", "give the name only")
        for number, pair in enumerate(self.secret_files, start=1):
            if any("," in (word or "") for word in pair):
                what = f"kaniko cannot take the comma in item {number}"
                yield Problem("secret-files", what, "rename the file")
        yield from self._check_names()
        if any(str(each) == "localhost" for each in self.dockerfile_images(environ, workspace).registries):
            what = "names an image at localhost without a port, which kaniko takes for a path at Docker Hub"
            yield Problem("dockerfile", what, 'write it as "localhost:443/…"')
        yield from self._check_annotations()
        if not any(problem.key in ("context", "dockerfile") for problem in problems):
            yield from self._check_dockerfile(environ, workspace)

    def _check_names(self) -> Iterator[Problem]:
        """Refuse what kaniko takes for no name, after the build, or for another one.

        Source: go-containerregistry 0.20 `pkg/name/repository.go`, `checkRepository` and `NewRepository`.
        """
        given = [("image", each) for each in self.repositories]
        given += [("cache-repo", each) for each in (self.cache_repo,) if each]
        for key, name in given:
            if len(name.repository) < _LEAST_NAME:
                what = f"{name}: kaniko takes no repository with a name of one character"
                yield Problem(key, what, "give it a longer one, or build with buildx")
            if name.registry.host == "localhost":
                what = f"{name}: kaniko takes localhost without a port for a path at Docker Hub"
                yield Problem(key, what, f'write "localhost:443/{name.repository}"')
        if self.cache and not self.cache_repo and len(cache_path(self.main)) > _LONGEST_NAME:
            what = f"the repository of the cache beside the image is longer than {_LONGEST_NAME} characters"
            yield Problem("cache", what, "give it another one in cache-repo")

    def _check_annotations(self) -> Iterator[Problem]:
        for annotation in self.annotations:
            for level in annotation.levels:
                if level.name != "manifest":
                    what = f"{quoted(annotation)}: kaniko writes one manifest, and no {level.name}"
                    yield Problem("annotations", what, "write manifest:, or build it with buildx")
                elif level.platform and (level.platform,) != self.platforms:
                    what = f"{quoted(annotation)}: {quoted(level.platform)} is not built"
                    yield Problem("annotations", what, "leave the platform out")

    def _check_dockerfile(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        path = self.find_dockerfile(workspace)
        name = path.relative_to(workspace)
        try:
            parsed = dockerfile.parse(path.read_bytes().decode(errors="replace"))
        except ValueError as error:
            yield Problem("dockerfile", f"{name}: {error}")
            return
        known = preflight.Known(
            target=self.target,
            arguments={each.key: each.value for each in self.arguments(environ)},
            secrets=frozenset(id_ for id_, _ in (*self.secret_envs, *self.secret_files)),
            labels=frozenset(label.partition("=")[0] for label in self.labels),
            left_out=(PurePosixPath(mount_of(workspace)), *map(PurePosixPath, ("/kaniko", *own_folders()))),
        )
        root = (workspace / self.context).resolve()
        ignore_file = dockerignore.find(path, root)
        for line, pattern in context.malformed(ignore_file):
            what = f"{line}: {quoted(pattern)} is not a pattern, and kaniko then leaves nothing out"
            yield Problem("context", what, "escape what is meant literally with a backslash")
        sources = context.sources(preflight.built(parsed, known), root, ignore_file)
        for each in (*preflight.unsupported(parsed, known), *sources):
            yield Problem("dockerfile", f"{name}:{each.line}: {each.what}", each.advice)


class Kaniko(Plugin[KanikoInputs]):
    """Build an image in an unprivileged container and publish it under any number of tags.

    Needs no daemon, no socket and no privileges. For several platforms use buildx.
    """

    name = "gocdnext-plugin-kaniko"
    category = "container"
    inputs = KanikoInputs
    outputs = BUILD_OUTPUTS
    publishes = Publishes("image", tags="tags", push="push", by_digest="push-by-digest", when={"output": ""})
    writes = (Writes("cache-repo", when={"push": "true"}),)
    daemon = DaemonUse("never")
    workspace = ReadsWorkspace()
    keeps = ("build-args", "labels", "annotations")
    variables = ("FF_KANIKO_", "DOCKER_", *CLOUD_VARIABLES)

    def run(self, inputs: KanikoInputs, job: Job) -> dict[str, str]:
        """Build, and push if asked to."""
        for what, advice in container.lacks():
            raise ContainerError(what, advice)
        job.trust(inputs.ca_file)
        if inputs.cache and not inputs.push:
            job.warn('the cache is only read: push is "false"')
        if note := inputs.login_note(job.environ, job.workspace):
            job.warn(note)
        if note := inputs.tags_note:
            job.say(note)
        build = KanikoBuild(inputs, job)
        if (kept := build.kept()) is not None:
            return kept
        digest_file = job.scratch() / "digest"
        # Not in anonymous memory: kaniko would hand its descriptor on to every RUN step.
        login = job.docker_config(inputs.all_credentials, job.scratch() / "docker")
        inherit = filter(INHERITED.fullmatch, job.environ)
        executor = job.tool("executor", env=build.environ | login, inherit=inherit)
        with build.writing():
            with doing(f"building {inputs.main.name}"), build.pushing():
                executor.run(*build.command(digest_file))
            # From here on / is the image's: only /kaniko, this program and mounts are as before.
            if inputs.output:
                return build.written(lambda: build.staged)
            if build.pushes_by_digest:
                return build.push_staged(inputs.retries + 1)
        if not inputs.is_pushed:
            return build.built()
        digest = job.digest(build.subject(inputs.platforms), lambda: digest_file.read_text().strip())
        return build.pushed(digest, build.targets)


def own_folders() -> tuple[str, ...]:
    """Return what this image holds beside kaniko, and what is no part of an image that it builds."""
    return (RUNTIME, SHELL) if Path(SHELL).is_dir() else (RUNTIME,)


@dataclass(frozen=True)
class KanikoBuild(Build[KanikoInputs]):
    """What kaniko is given."""

    @property
    def environ(self) -> dict[str, str | Secret]:
        """Switches, build arguments and build secrets."""
        switches = {name: "true" for name in LIKE_DOCKER if name not in self.job.environ}
        # Without a name it looks itself up in a root file system that has no users yet.
        return {"USER": "root", **switches, **super().environ}

    @cached_property
    def pushes_by_digest(self) -> bool:
        """Whether we push instead of kaniko, which does it under tags only, one after the other.

        Raises:
            RegistryError: a candidate cannot be pushed, or as for all builders; nothing was built.
        """
        if not self.inputs.push_by_digest:
            return super().pushes_by_digest
        for image in self.inputs.repositories:
            self.registry.check_push(image)
        return True

    @property
    def is_staged(self) -> bool:
        """Whether kaniko writes the image to the workspace."""
        return super().is_staged or self.pushes_by_digest

    def ignored(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Return the patterns in the form that means to kaniko what it means to BuildKit."""
        return context.left_out(super().ignored(patterns), self.context)

    def command(self, digest_file: Path) -> Iterator[str]:
        """Yield the arguments of kaniko."""
        inputs, workspace = self.inputs, self.job.workspace
        yield f"--context=dir://{self.context}"
        yield f"--dockerfile={self.dockerfile}"
        for target in self.targets:
            yield f"--destination={target}"
        yield f"--digest-file={digest_file}"
        mirror = inputs.mirror
        plain = (mirror.registry,) if mirror and mirror.plain_http else ()
        for registry in dict.fromkeys((*inputs.insecure_registries, *plain)):
            yield f"--insecure-registry={registry}"
        for folder in (*own_folders(), workspace):
            yield f"--ignore-path={folder}"
        if not inputs.is_pushed or self.pushes_by_digest:
            yield "--no-push"
        if self.is_staged:
            yield f"--oci-layout-path={self.staged}"
        yield from self._cache()
        for argument in self.arguments:
            yield f"--build-arg={argument.word}"
        for id_, variable in inputs.secret_envs:
            yield f"--secret=id={id_},type=env,env={variable or id_}"
        for id_, path in inputs.secret_files:
            yield f"--secret=id={id_},type=file,src={workspace / (path or id_)}"
        for label in self.labels:
            yield f"--label={label}"
        for annotation in inputs.annotations:
            yield f"--annotation={annotation.key}={annotation.value}"
        if inputs.target:
            yield f"--target={inputs.target}"
        for platform in inputs.platforms:
            yield f"--custom-platform={platform}"
        if mirror:
            yield f"--registry-mirror={mirror}"
        if inputs.reproducible:
            yield "--reproducible"
        yield f"--snapshot-mode={inputs.snapshot_mode}"
        for flag in ("push-retry", "image-download-retry"):
            yield f"--{flag}={inputs.retries}"
        yield f"--verbosity={inputs.verbosity}"
        yield "--log-format=text"

    def _cache(self) -> Iterator[str]:
        inputs = self.inputs
        if not inputs.cache:
            return
        yield "--cache"
        yield f"--cache-repo={cache_repository(inputs)}"
        yield f"--cache-ttl={inputs.cache_ttl}"
        if inputs.cache_copy_layers:
            yield "--cache-copy-layers"
        if not inputs.push:
            # What a pull request builds must not get into the main branch's cache.
            yield "--no-push-cache"


def cache_repository(inputs: KanikoInputs) -> str:
    """Return where the cache is. Docker Hub has no repositories below an image."""
    if inputs.cache_repo:
        return inputs.cache_repo.name
    return f"{inputs.main.registry}/{cache_path(inputs.main)}"


def cache_path(image: Reference) -> str:
    """Return the repository of an image's own cache, in its registry."""
    separator = "-" if image.registry.host == "docker.io" else "/"
    return f"{image.repository}{separator}cache"


def mount_of(workspace: Path) -> Path:
    """Return the mount that holds the workspace; kaniko puts nothing from a mount into an image."""
    mounts = (folder for folder in (workspace, *workspace.parents[:-1]) if folder.is_mount())
    return next(mounts, workspace)


if __name__ == "__main__":
    Kaniko.main()
