"""The `with:` map of buildx."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import WithJsonSchema

from gocdnext_sdk import (
    Always,
    Boolean,
    Ci,
    ImageBuildInputs,
    Input,
    Invalid,
    Lines,
    OnlyWith,
    Platforms,
    Problem,
    Reference,
    RequiredTogether,
    Secret,
    Words,
    from_text,
    quoted,
)
from gocdnext_sdk.inputs.image_metadata import INDEX, SOURCE_DATE, check_once, source_date
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.secret import looks_secret
from gocdnext_sdk.tools.buildkit.builders import BINFMT, BUILDKIT
from gocdnext_sdk.tools.buildkit.cache import CacheEntry
from gocdnext_sdk.tools.buildkit.nodes import CA, CERTIFICATE, KEY, Node
from gocdnext_sdk.tools.csv import BOOLEANS
from gocdnext_sdk.tools.dockerfile import base_and_stage
from gocdnext_sdk.workspace import is_in_workspace

from .attestation import Attestation, AttestationInput
from .steps import KNOWN_HOSTS, StepInputs

BUCKETS = {"s3": "", "gcs": "https://storage.googleapis.com", "gs": "https://storage.googleapis.com"}
"""Backends of the runner profile's cache, and where they are if it does not say."""

NO_ATTESTATIONS = "BUILDX_NO_DEFAULT_ATTESTATIONS"
"""The variable by which buildx makes no provenance by itself. Source: docker/buildx 0.36.1, build/opt.go."""

_LAYOUT = "oci-layout://"

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: build, cluster: {server: "https://build.example.com:6443", certificate-authority-data: …}}]
users: [{name: ci, user: {token: …}}]
contexts: [{name: ci, context: {cluster: build, user: ci, namespace: builds}}]
current-context: ci
"""

_LOGIN = re.compile(r"https?://[^/]+@|://[^/@]*:(?!\d+/)[^@\s]*@")
"""In a URL: who logs in, with a password that may hold a `/`. The port of a registry is none."""

_ASKED = re.compile(r"[?&]([^=&]+)=")
"""What the query of a URL names."""

CacheWord = Literal["registry", "branch", "inline", "bucket", "none"]

CACHES = get_args(CacheWord)
"""Words for caches."""


def _cache(text: str) -> str | CacheEntry:
    if text in CACHES:
        return text
    try:
        return CacheEntry.parse(text)
    except ValueError as error:
        words = ", ".join(f'"{each}"' for each in CACHES)
        raise Invalid(str(error), f"choose one of {words}, or give a reference") from None


Cache = Annotated[CacheWord | CacheEntry, from_text(_cache), WithJsonSchema({"type": "string"})]
"""One of `CACHES`, or a cache entry or reference."""

CacheEntries = Annotated[
    tuple[CacheEntry, ...],
    from_text(lambda text: tuple(map(CacheEntry.parse, parse_lines(text)))),
    WithJsonSchema({"type": "string", "format": "cache-entries"}),
]
"""Cache entries or references, one a line."""


Nodes = Annotated[
    tuple[Node, ...],
    from_text(lambda text: tuple(map(Node.parse, parse_lines(text)))),
    WithJsonSchema({"type": "string", "format": "buildkit-nodes"}),
]
"""BuildKits that run already, one a line, each with its platforms."""


ELSEWHERE = {
    "cache-copy-layers": "BuildKit caches COPY and ADD too; leave it out",
    "cache-repo": "name the cache in `cache`",
    "cache-ttl": "BuildKit's cache goes by content, and has no age; leave it out",
    "retries": "BuildKit repeats failed requests on its own; leave it out",
    "snapshot-mode": "BuildKit takes no snapshots of the file system; leave it out",
    "verbosity": "buildx has no levels of its log; leave it out",
}
"""What kaniko takes and buildx does not need."""


_OF_A_BUILD = (
    *("tags", "flavor", "immutable-tags", "existing", "labels", "annotations", "reproducible", "output"),
    *("cache", "cache-from", "cache-to", "no-cache", "no-cache-filter", "pull", "load", "push-by-digest"),
    *("provenance", "sbom", "oci-artifact"),
)
"""What has no effect where the Dockerfile is only checked."""


class BuildxInputs(ImageBuildInputs, StepInputs):
    """The `with:` map."""

    elsewhere = ELSEWHERE

    platforms: Platforms = Input("linux/amd64,linux/arm64", description="Platforms to build for.")
    cache: Cache | None = Input(
        None,
        description='Layer cache: "registry" (the tag `buildcache` beside the image), "branch" (a tag for '
        'each branch, which also reads that of the default branch), "inline", "bucket" '
        "(from the runner profile's GOCDNEXT_LAYER_CACHE_*), a reference of your own such as "
        '"ghcr.io/org/cache", or "none". `cache-from` and `cache-to` win over it.',
    )
    cache_from: CacheEntries = Input(
        "", description="Caches to read, one per line: BuildKit entries (type=…,key=value) or references."
    )
    cache_to: CacheEntries = Input(
        "", description="Caches to write, one per line, as in `cache-from`. Not written when `push` is false."
    )
    build_contexts: Lines = Input(
        "", description="Named contexts, one NAME=VALUE per line, as buildx takes them."
    )
    provenance: AttestationInput | None = Input(
        None,
        description='Provenance attestation: "mode=min", "mode=max" or "false". BuildKit\'s own default '
        f"otherwise, and none where the job's {NO_ATTESTATIONS} is true. The builder's id is the page of "
        "this run.",
    )
    oci_artifact: Boolean | None = Input(
        None,
        description='Whether attestations are OCI artifacts, as BuildKit writes them since 0.32. "false" '
        "where a registry refuses that (`blob unknown`). If not given: not where the registry is known to do "
        "so, such as registry.gitlab.com, and as the job's BUILDX_NO_DEFAULT_OCI_ARTIFACT says.",
    )
    sbom: AttestationInput | None = Input(
        None, description='SBOM attestation: "true", "false" or "generator=IMAGE".'
    )
    call: Literal["build", "check"] = Input(
        "build",
        description="`check` looks for mistakes in the Dockerfile and builds nothing; findings end with 1.",
    )
    no_cache_filter: Words = Input("", description="Stages that are built without any cache.")
    no_cache: Boolean = Input("false", description="Do not use any cache.")
    pull: Boolean = Input("false", description="Look for newer base images.")
    load: Boolean = Input("false", description="Also load the image into the job's daemon.")
    buildkit_image: Reference = Input(
        BUILDKIT, description="Image of the BuildKit that is started where the daemon's own does not suffice."
    )
    builder: Nodes = Input(
        "",
        description="BuildKit that runs already, instead of the daemon's: `tcp://HOST:PORT`; or several, one "
        "a line, each with its platforms after a space: `tcp://arm.build:1234 linux/arm64`.",
    )
    builder_ca: Secret | None = Input(
        None,
        description="The CA that signed the certificate of each `builder`, as PEM text.",
        examples=["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"],
    )
    builder_cert: Secret | None = Input(
        None,
        description="The client certificate for `builder`, as PEM text.",
        examples=["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"],
    )
    builder_key: Secret | None = Input(
        None,
        description="The key of `builder-cert`, as PEM text.",
        examples=["-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n"],
    )
    driver: Literal["auto", "kubernetes"] = Input(
        "auto",
        description="`kubernetes` starts a BuildKit for the job in the cluster of `kubeconfig`, in a pod on "
        "a node of each architecture; no Docker daemon is needed. `auto`: what `builder` names, else the "
        "daemon's own, else one in a container.",
    )
    kubeconfig: Secret | None = Input(
        None,
        description="For `driver: kubernetes`: the text of a kubeconfig that holds everything, such as "
        "`kubectl config view --flatten --minify` writes.",
        examples=[_KUBECONFIG],
    )
    driver_opts: Lines = Input(
        "",
        description="Options for a BuildKit in a container or a pod, one KEY=VALUE per line, as `buildx "
        "create --driver-opt` takes them: `network=host` for a container; `namespace=ci` or "
        "`limits.memory=4Gi` for a pod. With any, one is started.",
    )
    qemu_image: Reference = Input(
        BINFMT, description="Image that registers QEMU, used only when the daemon lacks a platform."
    )

    constraints = (
        RequiredTogether("builder-ca", "builder-cert", "builder-key"),
        OnlyWith(("builder-ca", "builder-cert", "builder-key"), "builder"),
        OnlyWith(("buildkit-image", "qemu-image"), "builder", ""),
        OnlyWith("qemu-image", "driver", "auto"),
        OnlyWith("kubeconfig", "driver", "kubernetes"),
        OnlyWith(_OF_A_BUILD, "call", "build"),
        Always("call", "build-contexts", "builder", "driver", "driver-opts"),
    )

    about_the_push = (*ImageBuildInputs.about_the_push, "sbom", "provenance", "oci-artifact")

    @property
    def unused(self) -> tuple[str, ...]:
        """The inputs about the push that are given; what is loaded has annotations and attestations."""
        about_tags = ("immutable-tags", "existing")
        return tuple(each for each in super().unused if each in about_tags or not self.load)

    @property
    def builder_tls(self) -> dict[str, Secret]:
        """The TLS material for `builder`, by the names that its files have; empty without any."""
        given = {CA: self.builder_ca, CERTIFICATE: self.builder_cert, KEY: self.builder_key}
        return {name: secret for name, secret in given.items() if secret}

    @property
    def given_caches(self) -> Iterator[tuple[str, CacheEntry]]:
        """The caches that are given as entries or references, each with its input."""
        if isinstance(self.cache, CacheEntry):
            yield "cache", self.cache
        yield from (("cache-from", each) for each in self.cache_from)
        yield from (("cache-to", each) for each in self.cache_to)

    @property
    def references(self) -> Iterable[Reference]:
        """The images of caches, named contexts, the scanner for the SBOM, and the BuildKit."""
        yield self.buildkit_image
        named = [entry.attributes.get("ref", "") for _, entry in self.given_caches]
        named += [line.partition("=docker-image://")[2] for line in self.build_contexts]
        if self.sbom:
            named.append(self.sbom.attributes.get("generator", ""))
        for text in named:
            with suppress(ValueError):  # words such as "registry", which are no references of a registry
                if "/" in text:
                    yield Reference.parse(text)

    def words(self) -> dict[str, Iterable[str] | str | None]:
        """Return what people write freely and buildx gets as arguments, by key."""
        return super().words() | {
            "build-contexts": self.build_contexts,
            "driver-opts": self.driver_opts,
            "cache": str(self.cache) if self.cache else None,
            "cache-from": map(str, self.cache_from),
            "cache-to": map(str, self.cache_to),
            "provenance": str(self.provenance) if self.provenance else None,
            "sbom": str(self.sbom) if self.sbom else None,
        }

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check what needs the job's environment or two inputs at once."""
        yield from super().check(environ, workspace)
        if self.output and self.load:
            yield Problem("load", "does not go with `output`", "leave one out")
        for key, lines in (("build-contexts", self.build_contexts), ("driver-opts", self.driver_opts)):
            for number, line in enumerate(lines, start=1):
                name, equals, value = line.partition("=")
                if not equals:
                    yield Problem(key, f"item {number} has no value", "write one KEY=VALUE per line")
                elif (
                    looks_secret(name)
                    or _LOGIN.search(value)
                    or any(map(looks_secret, _ASKED.findall(value)))
                ):
                    yield Problem(
                        key,
                        f"item {number} would have a secret stand on a command line",
                        "`secret-envs` takes GIT_AUTH_TOKEN for git; `cache-to` takes the keys of a cache",
                    )
        yield from self._check_builder()
        yield from self._check_cluster()
        yield from self._check_stages(workspace)
        if self.ssh_known_hosts and any(
            id_ == KNOWN_HOSTS for id_, _ in (*self.secret_envs, *self.secret_files)
        ):
            yield Problem(
                "ssh-known-hosts", f"is the build secret {KNOWN_HOSTS}, which is given", "rename that"
            )
        yield from self._check_annotations(environ)
        if (environ.get(NO_ATTESTATIONS) or "false") not in BOOLEANS:
            what = f"is not clear: the job's {NO_ATTESTATIONS} is neither true nor false"
            yield Problem("provenance", what, 'write "true" or "false" there')
        yield from self._check_reproducible(environ, workspace)
        yield from check_once("build-contexts", (each.partition("=")[0] for each in self.build_contexts))
        for number, context in enumerate(self.build_contexts, start=1):
            place = context.partition("=")[2]
            if place.startswith(_LAYOUT):  # then :TAG or @DIGEST, as buildx cuts them off
                place = place.removeprefix(_LAYOUT).partition("@")[0].partition(":")[0]
            elif "://" in place or place.startswith("target:"):
                continue
            if not is_in_workspace(place, workspace):
                what = f"item {number} is outside the workspace"
                yield Problem("build-contexts", what, "give a path inside the checkout")
        wrong_caches = list(self._check_cache(environ, workspace))
        yield from wrong_caches
        if not wrong_caches:
            yield from self._check_cache_tags(environ, workspace)

    @property
    def needs_tag(self) -> bool:
        """Whether `tags` has to make one: a candidate has none, and what is loaded needs one."""
        if self.call == "check":
            return False
        return super().needs_tag or (self.load and self.has_untagged)

    @property
    def reproducible_note(self) -> str | None:
        """What to say of attestations that a reproducible build is asked for, None if there are none."""
        given = {"provenance": self.provenance, "sbom": self.sbom}
        asked = [key for key, attestation in given.items() if attestation and attestation.wanted]
        if not (self.reproducible and asked):
            return None
        return (
            f"{' and '.join(asked)} hold times: each platform's manifest is reproducible, their index is not"
        )

    @property
    def builder_note(self) -> str | None:
        """What to say of settings that do not reach `builder`, None if there are none."""
        if not (self.builder and self.insecure_registries):
            return None
        return (
            "insecure-registries is for this job's own requests: each `builder` takes insecure registries "
            "from its own settings"
        )

    def provenance_in(self, environ: Mapping[str, str]) -> Attestation | None:
        """Return the provenance that a job gets; None: what buildx makes by itself.

        Args:
            environ: the job's.
        """
        if self.provenance:
            return self.provenance
        is_none = self.reproducible or BOOLEANS.get(environ.get(NO_ATTESTATIONS, ""), False)
        return Attestation(wanted=False) if is_none else None

    def makes_index(self, environ: Mapping[str, str]) -> bool:
        """Whether an index is pushed: of several platforms, or of an image and its attestations.

        Args:
            environ: the job's.
        """
        return len(self.platforms) > 1 or self._attests(environ)

    def _attests(self, environ: Mapping[str, str]) -> bool:
        provenance = self.provenance_in(environ) or Attestation(wanted=True)
        return provenance.wanted or (self.sbom is not None and self.sbom.wanted)

    def _check_stages(self, workspace: Path) -> Iterator[Problem]:
        parsed = self.parsed_dockerfile(workspace) if self.no_cache_filter else None
        if parsed is None:
            return
        stages = {base_and_stage(each)[1] for each in parsed.instructions if each.keyword == "FROM"}
        for stage in self.no_cache_filter:
            if stage.lower() not in stages:
                yield Problem(
                    "no-cache-filter", f"there is no stage {quoted(stage)}", "name one of the Dockerfile"
                )

    def _check_builder(self) -> Iterator[Problem]:
        if not self.builder:
            return
        for key, marker in (
            ("builder-ca", "CERTIFICATE"),
            ("builder-cert", "CERTIFICATE"),
            ("builder-key", "PRIVATE KEY"),
        ):
            secret = getattr(self, key.replace("-", "_"))
            if secret and f"{marker}-----" not in secret.reveal():
                yield Problem(key, f"is no PEM text of a {marker.lower()}", "give the text, not a path")
        if self.builder_key and "ENCRYPTED" in self.builder_key.reveal():
            yield Problem("builder-key", "has a passphrase, which nobody can type here", "remove it")
        if len({each.address for each in self.builder}) < len(self.builder):
            yield Problem("builder", "has an address twice", "write its platforms into one line")
        if len(self.builder) > 1 and not all(each.platforms for each in self.builder):
            yield Problem("builder", "has several nodes", "write the platforms of each after it")
        for platform in self.platforms:
            if not any(each.builds([platform]) for each in self.builder):
                yield Problem("platforms", f"no `builder` is for {platform}", "add it to a node's platforms")
        if self.push_by_digest and sum(each.builds(self.platforms) for each in self.builder) > 1:
            what = "does not go with several nodes in `builder`: buildx would set the tag `latest`"
            yield Problem("push-by-digest", what, "give each a job of its own; docker-push joins them")
        if self.load:
            yield Problem("load", "needs the job's daemon, and `builder` uses none", "remove one of them")
        for key in ("mirror", "ca-file", "driver-opts"):
            if getattr(self, key.replace("-", "_")):
                what = "is for a BuildKit that this job starts"
                yield Problem(key, what, "it belongs into the settings of the one that `builder` names")

    def _check_cluster(self) -> Iterator[Problem]:
        if self.driver != "kubernetes":
            return
        from gocdnext_sdk.tools.buildkit.kubernetes import STAYS, SWITCHES, Kubeconfig, has, is_on, shares

        for key in ("builder", "load"):
            if getattr(self, key):
                yield Problem(key, "does not go with driver: kubernetes", "leave one out")
        if self.kubeconfig is None:
            yield Problem("kubeconfig", "is missing: a job has no cluster of its own", "give it as a secret")
        else:
            try:
                Kubeconfig.parse(self.kubeconfig.reveal())
            except Invalid as error:
                yield Problem.of("kubeconfig", error)
        for option in self.driver_opts:
            if (switch := option.partition("=")[0]) in SWITCHES and is_on(switch, [option]) is None:
                yield Problem("driver-opts", f"{quoted(option)} is not true or false", "write one of them")
            if option.startswith(STAYS):
                yield Problem("driver-opts", f"{STAYS} stays in the cluster after the job", "use a cache")
        named = "buildkit_image" in self.model_fields_set or has(self.driver_opts, "image")
        if is_on("rootless", self.driver_opts) and not named:
            what = "rootless needs a BuildKit image that is made for it"
            yield Problem("driver-opts", what, "name one in `buildkit-image`: moby/buildkit:…-rootless")
        if self.push_by_digest and len(list(shares(self.platforms, self.driver_opts))) > 1:
            what = "does not go with pods on several nodes: buildx would set the tag `latest`"
            yield Problem(
                "push-by-digest", what, "give each platform a job of its own; docker-push joins them"
            )

    def _check_annotations(self, environ: Mapping[str, str]) -> Iterator[Problem]:
        if self.oci_artifact is not None and not self._attests(environ):
            yield Problem("oci-artifact", "has no effect without provenance and sbom", "leave it out")
        for annotation in self.annotations:
            for level in annotation.levels:
                if level.platform and level.platform not in self.platforms:
                    what = f"{quoted(annotation)}: {quoted(level.platform)} is not built"
                    yield Problem("annotations", what, "choose one of `platforms`")
                if level.name in INDEX and not self.makes_index(environ):
                    what = f"{quoted(annotation)}: one platform without attestations has no index"
                    yield Problem("annotations", what, "write manifest:")

    def _check_reproducible(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        if not self.reproducible:
            return
        if source_date(environ, Ci.of(environ, workspace)) is None:
            yield Problem(
                "reproducible", "the date of the commit is not known here", f"set the variable {SOURCE_DATE}"
            )
        if self.load:
            yield Problem("load", "gives files times of their own", 'not with reproducible: "true"')

    def _check_cache(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        if self.cache == "bucket":
            if not environ.get("GOCDNEXT_LAYER_CACHE_BUCKET"):
                yield Problem(
                    "cache", '"bucket" needs GOCDNEXT_LAYER_CACHE_BUCKET', "set it in the runner profile"
                )
            if bucket_backend(environ) not in BUCKETS:
                yield Problem("cache", "GOCDNEXT_LAYER_CACHE_BACKEND is neither s3 nor gcs")
        for key, entry in self.given_caches:
            for folder in entry.folders:
                # An absolute one is meant: a volume that the runner keeps.
                if not folder.startswith("/") and not is_in_workspace(folder, workspace):
                    yield Problem(key, f"{quoted(folder)} is outside the workspace", "give a path inside it")
        given: dict[str, Secret] = {}
        for entry in (*self.cache_from, *self.cache_to):
            for variable, secret in entry.environ.items():
                if given.setdefault(variable, secret) != secret:
                    yield Problem(
                        "cache-to", "two entries have different credentials", "buildx takes only one"
                    )

    def _check_cache_tags(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        """Check that no cache is written where images are: of the two, the last one would be there."""
        from .caches import choose_caches

        ci = Ci.of(environ, workspace)
        with suppress(ValueError):  # the tags and the caches have checks of their own
            tags = self.targets(ci)
            written = (each.attributes.get("ref") for each in choose_caches(self, environ, ci).targets)
            for text in filter(None, written):
                cache = Reference.parse(text)
                place = cache.with_tag(cache.tag or "latest")
                if place in tags or (not cache.tag and cache in self.repositories):
                    what = f"{place} is a tag of the image, which the cache would replace"
                    key = "cache-to" if self.cache_to else "cache"
                    yield Problem(key, what, "give the cache a tag or a repository of its own")


def bucket_backend(environ: Mapping[str, str]) -> str:
    """Return the backend of the runner profile's cache."""
    return environ.get("GOCDNEXT_LAYER_CACHE_BACKEND", "").strip() or "s3"
