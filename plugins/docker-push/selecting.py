"""A part of the source: some of its platforms, or all the tags that point to it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from fnmatch import fnmatchcase

from gocdnext_sdk import InputMismatch, Invalid, Job, Reference
from gocdnext_sdk.oci import index
from gocdnext_sdk.oci.tags import list_tags

from .content import Content, Ready, copy, find_content, find_kept
from .inputs import DockerPushInputs
from .registries import Registries


def push_platforms(inputs: DockerPushInputs, job: Job, registries: Registries, held: ExitStack) -> Ready:
    """Find some platforms of the source, which are to be copied to all targets with an index of them.

    Args:
        inputs: the job's.
        job: the run.
        registries: those of the source and the targets.
        held: as for `push`.

    Raises:
        InputMismatch: the source is no index, or has no such platform.
    """
    (source,) = inputs.origins
    content = held.enter_context(find_content(inputs, source, job, registries))
    found: list[index.Index] = []

    def select() -> str:
        if content.reference is None:
            raise InputMismatch("platforms", f"{source} is in no registry", "push it there first")
        try:
            found.append(index.select(content.reference, registries.source, inputs.platforms))
        except Invalid as error:
            raise InputMismatch("platforms", error.what, error.advice) from None
        return found[0].digest

    digest = job.digest(f"the index of {', '.join(inputs.platforms)} of {content.origin}", select)
    kept = find_kept(inputs, job, registries, digest)

    def copied() -> str:
        for selected in found if kept is None else ():
            for child in selected.children:
                copy(inputs, _child(content, child), job, registries)
            for repository in inputs.repositories:
                place = repository.with_digest(digest)
                registries.targets.put(place, selected.content, selected.media_type)
            job.say(
                f"{digest} is the index of {', '.join(selected.platforms)} only: signatures of "
                f"{content.digest} are none of it"
            )
        return kept or digest

    return Ready(content.origin, copied)


def _child(content: Content, digest: str) -> Content:
    """Return one manifest of an index as content of its own."""
    reference = content.reference.with_digest(digest) if content.reference else None
    name = content.location.partition("@")[0]
    origin = f"{content.origin.partition('@')[0]}@{digest}"
    return Content(f"{name}@{digest}", digest, origin, reference, content.tagged)


def with_all_tags(inputs: DockerPushInputs, job: Job, registries: Registries) -> DockerPushInputs:
    """Return the inputs with every tag of the source's digest, as far as `all-tags` wants it, at each target.

    Raises:
        InputMismatch: there is none.
    """
    if not inputs.all_tags or inputs.source is None or inputs.source.reference is None:
        return inputs
    reference, client = inputs.source.reference, registries.source
    digest = reference.digest or client.resolve(reference).digest
    named = [
        each
        for each in list_tags(client, reference)
        if any(fnmatchcase(each, pattern) for pattern in inputs.all_tags)
    ]
    images = [reference.with_tag(each) for each in named]
    found = client.ask_each(reference.registry, client.find, images)
    tags = [tag for tag, at in zip(named, found, strict=True) if at is not None and at.digest == digest]
    if not tags:
        client.resolve(reference.with_digest(digest))  # what is not there at all is said to be missing
        what = f"no tag of {reference.name} that fits points to {digest}"
        raise InputMismatch("all-tags", what, 'with "*" every tag fits')
    job.say(f"{reference.with_digest(digest)} is {', '.join(tags)}")
    source = replace(inputs.source, reference=reference.with_digest(digest))
    return inputs.model_copy(update={"source": source, "target": _tagged(inputs, tags)})


def _tagged(inputs: DockerPushInputs, tags: list[str]) -> tuple[Reference, ...]:
    further = [repository.with_tag(tag) for repository in inputs.repositories for tag in tags]
    given = (
        inputs.target if "tags" in inputs.model_fields_set else (each for each in inputs.target if each.tag)
    )
    return tuple(dict.fromkeys((*given, *further)))
