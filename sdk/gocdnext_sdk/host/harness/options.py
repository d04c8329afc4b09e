"""How a pipeline is to be run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gocdnext_sdk.host.harness.engine.interface import Pull
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.pipeline import Run
from gocdnext_sdk.host.pipeline.model import Approval, Profile
from gocdnext_sdk.host.pipeline.modes import DOCKER, Mode

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
    from gocdnext_sdk.host.manifest.model import Manifest


MANY_FILES = 2000
"""From here on, a copy of the checkout for each job takes longer than a layer."""


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
class Preferred:
    """What runs instead of an image wherever a pipeline uses it; those that it does not use are no mistake.

    Args:
        images: image as written, or a plugin's name, to the reference that runs instead.
        local: plugin's name to the directory from which its image is built.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run a pipeline.

    Args:
        workspace: the checkout; by default the folder that holds the file's ``.gocdnext``.
        jobs: names of jobs or matrix cells; with what they need. Empty is all.
        secrets: name to value; a job sees those that its `secrets:` names.
        variables: replace variables of the pipeline.
        local: plugin name (the last segment of its image's path, with or without `gocdnext-plugin-`) to the
            directory from which to build its image.
        use_images: image as written, or plugin name, to the reference that runs instead.
        preferred: the same, as far as the pipeline uses them.
        build_contexts: ``NAME=VALUE``, as for `docker buildx build --build-context`.
        registry: a running one, or a new one that ends with the session. Jobs run in its network and get
            `REGISTRY`, `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.
        registry_for: hosts that the registry stands in for, `all` among them: what the run publishes there
            goes to the registry instead, and is read from it.
        publish: whether jobs may publish outside of throw-away registries and this machine's loopback.
        sigstore: a running one, or a new one that ends with the session. It issues the tokens that
            `id_tokens:` declares; jobs get `SIGSTORE_ISSUER`, `SIGSTORE_SIGNING_CONFIG` and
            `SIGSTORE_TRUSTED_ROOT`. A running one must be on the jobs' network; without `network`, jobs run
            in its network.
        id_tokens: name to token, for jobs that declare it: from an issuer of your own, not from `sigstore`.
        network: the jobs' network, or ``container:NAME``, instead of a new one.
        run: the source of the `CI_*` variables; by default read from the checkout.
        mode: how the platform's agent would run the jobs.
        pull: when images are fetched.
        parallel: how many jobs may run at the same time, 0 for no limit.
        default_image: for scripts that name no image.
        profiles: the runner profiles that `agent.profile` may name.
        private: files of the checkout that jobs must not see.
        notify: whether the pipeline's notifications are sent; they are shown otherwise.
        approve: asked at each approval gate, with the job's name; without it, all pass.
        brought_back: the folder of notes about what runs wrote into checkouts, so that a later one leaves it
            out; without one, it is taken for the user's own.
        layered_from: the number of files in the checkout from which on jobs share one copy of it on the
            engine, each with a layer of its own for what it changes; None gives every job a copy.
        handover: the folder of what jobs leave for one another, so that a later run can redo one; without
            one, nothing is kept after the run.
        reuse: run the `jobs` alone, with what those that they need have left there.
        show_outputs: whether logs show outputs that are no secret; the platform masks them.
        caches: the folder of what `cache:` keeps between runs; without one, nothing is restored or stored.
        manifests: reads those of plugins that are known by their image alone, as far as they can be had now.
    """

    workspace: Path | None = None
    jobs: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Path] = field(default_factory=dict)
    use_images: Mapping[str, str] = field(default_factory=dict)
    preferred: Preferred = field(default_factory=Preferred)
    build_contexts: tuple[str, ...] = ()
    registry: LocalRegistry | NewRegistry | None = None
    registry_for: tuple[str, ...] = ()
    publish: bool = False
    sigstore: LocalSigstore | NewSigstore | None = None
    id_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    network: str | None = None
    run: Run | None = None
    mode: Mode = DOCKER
    pull: Pull = Pull.MISSING
    parallel: int = 0
    default_image: str = ""
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    private: tuple[Path, ...] = ()
    notify: bool = False
    approve: Callable[[str, Approval], bool] | None = None
    brought_back: Path | None = None
    layered_from: int | None = MANY_FILES
    handover: Path | None = None
    reuse: bool = False
    show_outputs: bool = False
    caches: Path | None = None
    manifests: Callable[[Iterable[str]], Mapping[str, Manifest]] | None = None
