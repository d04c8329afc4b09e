"""Which caches a build reads and writes, from the inputs and the runner profile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gocdnext_sdk import Ci
from gocdnext_sdk.tools.buildkit.cache import CacheEntry

from .inputs import BuildxInputs

BUCKETS = {"s3": "", "gcs": "https://storage.googleapis.com", "gs": "https://storage.googleapis.com"}
"""Backends of the runner profile's cache, and where they are if it does not say."""


@dataclass(frozen=True)
class ChosenCaches:
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


def choose_caches(inputs: BuildxInputs, environ: Mapping[str, str], ci: Ci) -> ChosenCaches:
    """Decide which caches are used."""
    notes = []
    if inputs.cache_from or inputs.cache_to:
        sources, targets = inputs.cache_from, inputs.cache_to
        if inputs.cache not in (None, "none"):
            notes.append("with.cache is not used: cache-from and cache-to win over it")
    else:
        sources, targets = _shorthand(inputs, environ, ci)
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
    return ChosenCaches(
        tuple(each for each in sources if each.is_active(environ)),
        tuple(each.as_export() for each in targets if each.is_active(environ)),
        tuple(notes),
    )


def _shorthand(
    inputs: BuildxInputs, environ: Mapping[str, str], ci: Ci
) -> tuple[tuple[CacheEntry, ...], tuple[CacheEntry, ...]]:
    """Return the caches to read and to write that `cache` stands for."""
    match inputs.cache:
        case None | "none":
            return (), ()
        case "inline":
            return (), (CacheEntry({"type": "inline"}, {}),)
        case "registry":
            source = _at(inputs, "buildcache")
        case "branch":
            return _of_branch(inputs, ci)
        case "bucket":
            source = _bucket(inputs, environ)
        case CacheEntry() as source:
            pass
    return (source,), (_with_all_layers(source),)


def _with_all_layers(source: CacheEntry) -> CacheEntry:
    """Return a cache to write, with the layers of all stages unless it says otherwise."""
    mode = source.attributes.get("mode", "max")
    return CacheEntry({**source.attributes, "mode": mode}, source.environ)


def _at(inputs: BuildxInputs, tag: str) -> CacheEntry:
    """Return the cache at a tag beside the image."""
    return CacheEntry({"type": "registry", "ref": str(inputs.main.with_tag(tag))}, {})


def _of_branch(inputs: BuildxInputs, ci: Ci) -> tuple[tuple[CacheEntry, ...], tuple[CacheEntry, ...]]:
    """Return the caches of a branch: it reads its own, then the default branch's, and writes its own.

    A run for a tag has no branch, and only reads. A pull request never writes the default branch's, whatever
    its own branch is called: it may come from a fork.
    """
    default = _at(inputs, "buildcache")
    if ci.branch is None:
        return (default,), ()
    if ci.branch == ci.default_branch and ci.pull_request is None:
        return (default,), (_with_all_layers(default),)
    import hashlib

    # A slash cannot be in a tag, and two branches must not share one: the digest tells them apart.
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", ci.branch)[:80]
    own = _at(inputs, f"buildcache-{name}-{hashlib.sha256(ci.branch.encode()).hexdigest()[:8]}")
    return (own, default), (_with_all_layers(own),)


def _bucket(inputs: BuildxInputs, environ: Mapping[str, str]) -> CacheEntry:
    """Return the cache of the runner profile: S3, or Google's bucket through its S3 interface."""

    def setting(name: str) -> str:
        return environ.get(f"GOCDNEXT_LAYER_CACHE_{name}", "").strip()

    backend = bucket_backend(environ)
    region = environ.get("AWS_REGION") or "us-east-1" if backend == "s3" else "auto"
    endpoint = setting("ENDPOINT") or BUCKETS[backend]
    attributes = {
        "type": "s3",
        "region": setting("REGION") or region,
        "bucket": setting("BUCKET"),
        "name": setting("NAME") or inputs.main.short_name,
    }
    if endpoint:
        attributes["endpoint_url"] = endpoint
    if setting("ENDPOINT"):
        # The bucket would be part of the host name otherwise, which servers of one's own rarely know.
        attributes["use_path_style"] = "true"
    return CacheEntry(attributes, {})


def bucket_backend(environ: Mapping[str, str]) -> str:
    """Return the backend of the runner profile's cache."""
    return environ.get("GOCDNEXT_LAYER_CACHE_BACKEND", "").strip() or "s3"
