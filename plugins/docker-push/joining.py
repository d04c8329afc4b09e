"""Images that were built for one platform each become one for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from gocdnext_sdk import InputMismatch, Invalid, Job, Reference, RegistryClient
from gocdnext_sdk.oci import index
from gocdnext_sdk.oci.platforms import normal

from .content import Ready, checked, copy, find_content, find_kept
from .inputs import DockerPushInputs
from .registries import Registries


def join(inputs: DockerPushInputs, job: Job, registries: Registries, held: ExitStack) -> Ready:
    """Find all sources, which are to be copied to all targets with an index of them.

    Args:
        inputs: the job's.
        job: the run.
        registries: those of the sources and the targets.
        held: as for `push`.

    Raises:
        InputMismatch: they cannot be joined, or not into what is wanted.
        Findings: a source lacks something that is demanded, or an immutable tag would move.
    """
    if inputs.existing == "keep" and (kept := find_kept(inputs, job, registries)):
        return Ready(",".join(map(str, inputs.sources)), lambda: kept)
    sources = checked(inputs, job, registries).sources
    contents = [held.enter_context(find_content(inputs, each, job, registries)) for each in sources]
    in_registries = [each.reference for each in contents if each.reference]
    joined: list[index.Index] = []

    def joined_from(images: Sequence[Reference], registry: RegistryClient) -> str:
        def read() -> str:
            joined.append(_joined(images, registry, inputs))
            return joined[0].digest

        return job.digest(f"the index of {len(images)} images", read)

    digest = ""
    if len(in_registries) == len(contents):  # what is in files is joined once it is at a target
        digest = joined_from(in_registries, registries.source)
        find_kept(inputs, job, registries, digest)

    def copied() -> str:
        for content in contents:
            copy(inputs, content, job, registries)
        there = [inputs.repositories[0].with_digest(each.digest) for each in contents]
        written = digest or joined_from(there, registries.targets)
        for each in joined:
            _write(each, inputs, job, registries)
        return written

    return Ready(",".join(each.origin for each in contents), copied)


def _joined(images: Sequence[Reference], registry: RegistryClient, inputs: DockerPushInputs) -> index.Index:
    levels = [(each, level) for each in inputs.annotations for level in each.levels]
    try:
        joined = index.join(
            images,
            registry,
            {each.key: each.value for each, level in levels if level.name == "index"},
            [
                index.EntryAnnotation(each.key, each.value, level.platform)
                for each, level in levels
                if level.name != "index"
            ],
        )
    except Invalid as error:
        raise InputMismatch("sources", error.what, error.advice) from None
    found, wanted = set(map(normal, joined.platforms)), set(map(normal, inputs.platforms))
    if wanted and found != wanted:
        what = f"the sources are for {', '.join(sorted(found))}, and not for {', '.join(sorted(wanted))}"
        raise InputMismatch("platforms", what, "is a build missing from `sources`?")
    return joined


def _write(joined: index.Index, inputs: DockerPushInputs, job: Job, registries: Registries) -> None:
    """Write the index to every target."""
    for repository in inputs.repositories:
        registries.targets.put(repository.with_digest(joined.digest), joined.content, joined.media_type)
    more = f" and {joined.attestations} attestations" if joined.attestations else ""
    job.say(f"{joined.digest} is the index of {', '.join(joined.platforms)}{more}")
