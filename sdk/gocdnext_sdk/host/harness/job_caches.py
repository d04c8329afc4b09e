"""The caches of one job: restored before it, and stored after its success."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from gocdnext_sdk.host.harness.caches import CacheError, Caches, expanded
from gocdnext_sdk.host.harness.engine.interface import Engine, NoSuchPath
from gocdnext_sdk.host.harness.log import Log
from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob


@dataclass(frozen=True)
class JobCaches:
    """What one job keeps for later runs.

    Args:
        engine: where its container is.
        caches: where they are kept; without one, nothing is restored or stored.
        job: the job.
        snapshot: the checkout that its keys are made of.

    Raises:
        CacheError: a key cannot be made.
    """

    engine: Engine
    caches: Caches | None
    job: ResolvedJob
    snapshot: Snapshot

    def keys(self) -> dict[str, tuple[str, ...]]:
        """Return the paths of the caches by their keys, made for this checkout."""
        if self.caches is None:
            return {}
        return {expanded(each.key, self.snapshot): each.paths for each in self.job.cache}

    def restore(self, keys: Iterable[str], container: str, log: Log) -> None:
        """Unpack those that there are into the job's container."""
        if self.caches is None:
            return
        for key in keys:
            tar = self.caches.restore(key)
            log.say(f"cache {key}: {'restored' if tar else 'there is none yet'}")
            if tar:
                self.engine.put(container, self.job.checkout, tar)

    def store(self, keys: dict[str, tuple[str, ...]], container: str, log: Log) -> None:
        """Keep what the job has left; one that cannot be kept is no reason to fail."""
        if self.caches is None:
            return
        for key, paths in keys.items():
            try:
                size = self.caches.store(key, self._packed(paths, container))
            except (CacheError, OSError) as error:
                log.say(f"cache {key}: not stored: {error}")
            else:
                log.say(f"cache {key}: stored ({size} bytes)")

    def _packed(self, paths: Iterable[str], container: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield those of the paths that the job has left, as the engine packs them."""
        for path in paths:
            if wrong := syntax.relative_path(path):
                raise CacheError(f"{path} {wrong}")
            chunks = self.engine.get(container, posixpath.normpath(f"{self.job.checkout}/{path}"))
            with suppress(NoSuchPath):
                yield path, chain([next(chunks, b"")], chunks)
