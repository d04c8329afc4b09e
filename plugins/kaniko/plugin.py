"""The kaniko plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gocdnext_sdk import (
    BUILD_OUTPUTS,
    ContainerError,
    DaemonUse,
    Job,
    Plugin,
    Publishes,
    ReadsWorkspace,
    Secret,
    Writes,
    doing,
)
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.inputs.registry_login import CLOUD_VARIABLES

from . import container, context
from .inputs import KanikoInputs

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
        for folder in (*container.own_folders(), workspace):
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
        yield f"--cache-repo={inputs.cache_repository}"
        yield f"--cache-ttl={inputs.cache_ttl}"
        if inputs.cache_copy_layers:
            yield "--cache-copy-layers"
        if not inputs.push:
            # What a pull request builds must not get into the main branch's cache.
            yield "--no-push-cache"


if __name__ == "__main__":
    Kaniko.main()
