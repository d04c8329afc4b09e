"""How a pipeline is to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gocdnext_sdk.host.harness.engine.interface import Pull
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.pipeline import Run

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore


@dataclass(frozen=True)
class NewRegistry:
    """A throw-away registry is to be started for the run.

    Args:
        port: 0 takes a free one.
    """

    port: int = 0


@dataclass(frozen=True)
class NewSigstore:
    """A private Sigstore FOR LOCAL USE AND TESTS ONLY is to be started for the run."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run a pipeline.

    Args:
        workspace: the checkout; by default the folder that holds the file's ``.gocdnext``.
        jobs: names of jobs or matrix cells; with what they need. Empty is all.
        secrets: name to value; a job sees those its `secrets:` names.
        variables: replace the pipeline's own of the same name.
        local: plugin name (the last segment of its image's path) to the folder its image is built from.
        use_images: plugin name to the reference that runs instead.
        build_contexts: ``NAME=VALUE``, as for `docker buildx build --build-context`.
        registry: one that runs, or a new one that ends with the session. Jobs run in its network and get
            `REGISTRY`, `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.
        sigstore: one that runs, or a new one that ends with the session. It issues what `id_tokens:`
            declares; jobs get `SIGSTORE_ISSUER`, `SIGSTORE_SIGNING_CONFIG` and `SIGSTORE_TRUSTED_ROOT`. One
            that runs must be on the jobs' network; they run in its if none is named.
        network: jobs run in this one, or in that of ``container:NAME``, instead of one of their own.
        run: what the `CI_*` variables tell; by default read from the checkout.
        pull: when images are fetched.
        parallel: how many jobs run at the same time, 0 for all that may.
        default_image: for scripts that name none.
        private: files of the checkout that jobs must not get.
    """

    workspace: Path | None = None
    jobs: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Path] = field(default_factory=dict)
    use_images: Mapping[str, str] = field(default_factory=dict)
    build_contexts: tuple[str, ...] = ()
    registry: LocalRegistry | NewRegistry | None = None
    sigstore: LocalSigstore | NewSigstore | None = None
    network: str | None = None
    run: Run | None = None
    pull: Pull = Pull.MISSING
    parallel: int = 0
    default_image: str = ""
    private: tuple[Path, ...] = ()
