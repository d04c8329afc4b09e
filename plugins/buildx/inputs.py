"""The `with:` map of buildx."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import WithJsonSchema

from gocdnext_sdk import (
    Always,
    Boolean,
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
)
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.tools.buildkit.builders import BINFMT, BUILDKIT
from gocdnext_sdk.tools.buildkit.cache import CacheEntry
from gocdnext_sdk.tools.buildkit.nodes import CA, CERTIFICATE, KEY, Node
from gocdnext_sdk.tools.csv import BOOLEANS

from .attestation import Attestation, AttestationInput
from .steps import StepInputs

NO_ATTESTATIONS = "BUILDX_NO_DEFAULT_ATTESTATIONS"
"""The variable by which buildx makes no provenance by itself. Source: docker/buildx 0.36.1, build/opt.go."""

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: build, cluster: {server: "https://build.example.com:6443", certificate-authority-data: …}}]
users: [{name: ci, user: {token: …}}]
contexts: [{name: ci, context: {cluster: build, user: ci, namespace: builds}}]
current-context: ci
"""

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
        from .checks import problems

        yield from super().check(environ, workspace)
        yield from problems(self, environ, workspace)

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
        return len(self.platforms) > 1 or self.attests(environ)

    def attests(self, environ: Mapping[str, str]) -> bool:
        """Whether the image gets attestations.

        Args:
            environ: the job's.
        """
        provenance = self.provenance_in(environ) or Attestation(wanted=True)
        return provenance.wanted or (self.sbom is not None and self.sbom.wanted)
