"""The `with:` map of kaniko."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from gocdnext_sdk import (
    Always,
    Boolean,
    ImageBuildInputs,
    Input,
    OnlyWith,
    Platforms,
    Problem,
    Reference,
    quoted,
)
from gocdnext_sdk.tools import dockerfile, dockerignore

from . import container, context, preflight

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
    def cache_repository(self) -> str:
        """Where the cache is, if there is one."""
        return self.cache_repo.name if self.cache_repo else f"{self.main.registry}/{self._own_cache}"

    @property
    def _own_cache(self) -> str:
        """The repository of the image's own cache. Docker Hub has no repositories below an image."""
        separator = "-" if self.main.registry.host == "docker.io" else "/"
        return f"{self.main.repository}{separator}cache"

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
        if self.cache and not self.cache_repo and len(self._own_cache) > _LONGEST_NAME:
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
            left_out=container.kept_out(workspace),
        )
        root = (workspace / self.context).resolve()
        ignore_file = dockerignore.find(path, root)
        for line, pattern in context.malformed(ignore_file):
            what = f"{line}: {quoted(pattern)} is not a pattern, and kaniko then leaves nothing out"
            yield Problem("context", what, "escape what is meant literally with a backslash")
        sources = context.sources(preflight.built(parsed, known), root, ignore_file)
        for each in (*preflight.unsupported(parsed, known), *sources):
            yield Problem("dockerfile", f"{name}:{each.line}: {each.what}", each.advice)
