"""What two inputs of buildx must agree on: builders, contexts, attestations and annotations, caches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gocdnext_sdk import Ci, Invalid, Problem, Reference, Secret, quoted
from gocdnext_sdk.inputs.image_metadata import INDEX, SOURCE_DATE, check_once, source_date
from gocdnext_sdk.secret import looks_secret
from gocdnext_sdk.tools.csv import BOOLEANS
from gocdnext_sdk.workspace import is_in_workspace

from .caches import BUCKETS, bucket_backend, choose_caches
from .inputs import NO_ATTESTATIONS, BuildxInputs
from .steps import KNOWN_HOSTS

_LAYOUT = "oci-layout://"

_LOGIN = re.compile(r"https?://[^/]+@|://[^/@]*:(?!\d+/)[^@\s]*@")
"""In a URL: who logs in, with a password that may hold a `/`. The port of a registry is none."""

_ASKED = re.compile(r"[?&]([^=&]+)=")
"""What the query of a URL names."""


def problems(inputs: BuildxInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    """Yield what is wrong beyond a single input."""
    if inputs.output and inputs.load:
        yield Problem("load", "does not go with `output`", "leave one out")
    yield from _check_command_line(inputs)
    yield from _check_contexts(inputs, workspace)
    yield from _check_stages(inputs, workspace)
    yield from _check_known_hosts(inputs)
    yield from _check_builder(inputs)
    yield from _check_cluster(inputs)
    yield from _check_attestations(inputs, environ)
    yield from _check_annotations(inputs, environ)
    yield from _check_reproducible(inputs, environ, workspace)
    wrong_caches = list(_check_cache(inputs, environ, workspace))
    yield from wrong_caches
    if not wrong_caches:
        yield from _check_cache_tags(inputs, environ, workspace)


def _check_command_line(inputs: BuildxInputs) -> Iterator[Problem]:
    """Check KEY=VALUE lines that become arguments of buildx as they are."""
    for key, lines in (("build-contexts", inputs.build_contexts), ("driver-opts", inputs.driver_opts)):
        for number, line in enumerate(lines, start=1):
            name, equals, value = line.partition("=")
            if not equals:
                yield Problem(key, f"item {number} has no value", "write one KEY=VALUE per line")
            elif looks_secret(name) or _LOGIN.search(value) or any(map(looks_secret, _ASKED.findall(value))):
                yield Problem(
                    key,
                    f"item {number} would have a secret stand on a command line",
                    "`secret-envs` takes GIT_AUTH_TOKEN for git; `cache-to` takes the keys of a cache",
                )


def _check_contexts(inputs: BuildxInputs, workspace: Path) -> Iterator[Problem]:
    yield from check_once("build-contexts", (each.partition("=")[0] for each in inputs.build_contexts))
    for number, context in enumerate(inputs.build_contexts, start=1):
        place = context.partition("=")[2]
        if place.startswith(_LAYOUT):  # then :TAG or @DIGEST, as buildx cuts them off
            place = place.removeprefix(_LAYOUT).partition("@")[0].partition(":")[0]
        elif "://" in place or place.startswith("target:"):
            continue
        if not is_in_workspace(place, workspace):
            what = f"item {number} is outside the workspace"
            yield Problem("build-contexts", what, "give a path inside the checkout")


def _check_stages(inputs: BuildxInputs, workspace: Path) -> Iterator[Problem]:
    parsed = inputs.parsed_dockerfile(workspace) if inputs.no_cache_filter else None
    if parsed is None:
        return
    for stage in inputs.no_cache_filter:
        if stage.lower() not in parsed.stages:
            yield Problem(
                "no-cache-filter", f"there is no stage {quoted(stage)}", "name one of the Dockerfile"
            )


def _check_known_hosts(inputs: BuildxInputs) -> Iterator[Problem]:
    ids = [id_ for id_, _ in (*inputs.secret_envs, *inputs.secret_files)]
    if inputs.ssh_known_hosts and KNOWN_HOSTS in ids:
        yield Problem("ssh-known-hosts", f"is the build secret {KNOWN_HOSTS}, which is given", "rename that")


def _check_builder(inputs: BuildxInputs) -> Iterator[Problem]:
    if not inputs.builder:
        return
    for key, marker in (
        ("builder-ca", "CERTIFICATE"),
        ("builder-cert", "CERTIFICATE"),
        ("builder-key", "PRIVATE KEY"),
    ):
        secret = getattr(inputs, key.replace("-", "_"))
        if secret and f"{marker}-----" not in secret.reveal():
            yield Problem(key, f"is no PEM text of a {marker.lower()}", "give the text, not a path")
    if inputs.builder_key and "ENCRYPTED" in inputs.builder_key.reveal():
        yield Problem("builder-key", "has a passphrase, which nobody can type here", "remove it")
    if len({each.address for each in inputs.builder}) < len(inputs.builder):
        yield Problem("builder", "has an address twice", "write its platforms into one line")
    if len(inputs.builder) > 1 and not all(each.platforms for each in inputs.builder):
        yield Problem("builder", "has several nodes", "write the platforms of each after it")
    for platform in inputs.platforms:
        if not any(each.builds([platform]) for each in inputs.builder):
            yield Problem("platforms", f"no `builder` is for {platform}", "add it to a node's platforms")
    if inputs.push_by_digest and sum(each.builds(inputs.platforms) for each in inputs.builder) > 1:
        what = "does not go with several nodes in `builder`: buildx would set the tag `latest`"
        yield Problem("push-by-digest", what, "give each a job of its own; docker-push joins them")
    if inputs.load:
        yield Problem("load", "needs the job's daemon, and `builder` uses none", "remove one of them")
    for key in ("mirror", "ca-file", "driver-opts"):
        if getattr(inputs, key.replace("-", "_")):
            what = "is for a BuildKit that this job starts"
            yield Problem(key, what, "it belongs into the settings of the one that `builder` names")


def _check_cluster(inputs: BuildxInputs) -> Iterator[Problem]:
    if inputs.driver != "kubernetes":
        return
    from gocdnext_sdk.tools.buildkit.kubernetes import STAYS, SWITCHES, Kubeconfig, has, is_on, shares

    for key in ("builder", "load"):
        if getattr(inputs, key):
            yield Problem(key, "does not go with driver: kubernetes", "leave one out")
    if inputs.kubeconfig is None:
        yield Problem("kubeconfig", "is missing: a job has no cluster of its own", "give it as a secret")
    else:
        try:
            Kubeconfig.parse(inputs.kubeconfig.reveal())
        except Invalid as error:
            yield Problem.of("kubeconfig", error)
    for option in inputs.driver_opts:
        if (switch := option.partition("=")[0]) in SWITCHES and is_on(switch, [option]) is None:
            yield Problem("driver-opts", f"{quoted(option)} is not true or false", "write one of them")
        if option.startswith(STAYS):
            yield Problem("driver-opts", f"{STAYS} stays in the cluster after the job", "use a cache")
    named = "buildkit_image" in inputs.model_fields_set or has(inputs.driver_opts, "image")
    if is_on("rootless", inputs.driver_opts) and not named:
        what = "rootless needs a BuildKit image that is made for it"
        yield Problem("driver-opts", what, "name one in `buildkit-image`: moby/buildkit:…-rootless")
    if inputs.push_by_digest and len(list(shares(inputs.platforms, inputs.driver_opts))) > 1:
        what = "does not go with pods on several nodes: buildx would set the tag `latest`"
        yield Problem("push-by-digest", what, "give each platform a job of its own; docker-push joins them")


def _check_attestations(inputs: BuildxInputs, environ: Mapping[str, str]) -> Iterator[Problem]:
    if (environ.get(NO_ATTESTATIONS) or "false") not in BOOLEANS:
        what = f"is not clear: the job's {NO_ATTESTATIONS} is neither true nor false"
        yield Problem("provenance", what, 'write "true" or "false" there')
    if inputs.oci_artifact is not None and not inputs.attests(environ):
        yield Problem("oci-artifact", "has no effect without provenance and sbom", "leave it out")


def _check_annotations(inputs: BuildxInputs, environ: Mapping[str, str]) -> Iterator[Problem]:
    for annotation in inputs.annotations:
        for level in annotation.levels:
            if level.platform and level.platform not in inputs.platforms:
                what = f"{quoted(annotation)}: {quoted(level.platform)} is not built"
                yield Problem("annotations", what, "choose one of `platforms`")
            if level.name in INDEX and not inputs.makes_index(environ):
                what = f"{quoted(annotation)}: one platform without attestations has no index"
                yield Problem("annotations", what, "write manifest:")


def _check_reproducible(
    inputs: BuildxInputs, environ: Mapping[str, str], workspace: Path
) -> Iterator[Problem]:
    if not inputs.reproducible:
        return
    if source_date(environ, Ci.of(environ, workspace)) is None:
        yield Problem(
            "reproducible", "the date of the commit is not known here", f"set the variable {SOURCE_DATE}"
        )
    if inputs.load:
        yield Problem("load", "gives files times of their own", 'not with reproducible: "true"')


def _check_cache(inputs: BuildxInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    if inputs.cache == "bucket":
        if not environ.get("GOCDNEXT_LAYER_CACHE_BUCKET"):
            yield Problem(
                "cache", '"bucket" needs GOCDNEXT_LAYER_CACHE_BUCKET', "set it in the runner profile"
            )
        if bucket_backend(environ) not in BUCKETS:
            yield Problem("cache", "GOCDNEXT_LAYER_CACHE_BACKEND is neither s3 nor gcs")
    for key, entry in inputs.given_caches:
        for folder in entry.folders:
            # An absolute one is meant: a volume that the runner keeps.
            if not folder.startswith("/") and not is_in_workspace(folder, workspace):
                yield Problem(key, f"{quoted(folder)} is outside the workspace", "give a path inside it")
    given: dict[str, Secret] = {}
    for entry in (*inputs.cache_from, *inputs.cache_to):
        for variable, secret in entry.environ.items():
            if given.setdefault(variable, secret) != secret:
                yield Problem("cache-to", "two entries have different credentials", "buildx takes only one")


def _check_cache_tags(inputs: BuildxInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    """Check that no cache is written where images are: of the two, the last one would be there."""
    ci = Ci.of(environ, workspace)
    with suppress(ValueError):  # the tags and the caches have checks of their own
        tags = inputs.targets(ci)
        written = (each.attributes.get("ref") for each in choose_caches(inputs, environ, ci).targets)
        for text in filter(None, written):
            cache = Reference.parse(text)
            place = cache.with_tag(cache.tag or "latest")
            if place in tags or (not cache.tag and cache in inputs.repositories):
                what = f"{place} is a tag of the image, which the cache would replace"
                key = "cache-to" if inputs.cache_to else "cache"
                yield Problem(key, what, "give the cache a tag or a repository of its own")
