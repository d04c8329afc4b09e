"""Images that were built for one platform each become one for all of them."""

from __future__ import annotations

from gocdnext_sdk import InputMismatch, Invalid, Job, Reference
from gocdnext_sdk.oci import index
from gocdnext_sdk.oci.platforms import normal

from .content import Published, checked, copy, find_content, find_kept
from .inputs import DockerPushInputs
from .registries import Registries


def join(inputs: DockerPushInputs, job: Job, registries: Registries) -> Published:
    """Copy all sources to all targets, and write the index there, without a tag.

    Raises:
        InputMismatch: they cannot be joined, or not into what is wanted.
        Findings: a source lacks something that is demanded; nothing is copied.
        RegistryError: a target does not have all of it, or refuses the index.
    """
    if inputs.existing == "keep" and (kept := find_kept(inputs, job, registries)):
        return Published(kept, ",".join(map(str, inputs.sources)))
    contents = []
    for source in checked(inputs, job, registries).sources:
        with find_content(inputs, source, job, registries) as content:
            copy(inputs, content, job, registries)
        contents.append(content)
    images = [inputs.repositories[0].with_digest(each.digest) for each in contents]
    digest = job.digest(f"the index of {len(images)} images", lambda: _write(images, inputs, job, registries))
    return Published(digest, ",".join(each.origin for each in contents))


def _write(images: list[Reference], inputs: DockerPushInputs, job: Job, registries: Registries) -> str:
    """Write the index to every target and return its digest."""
    levels = [(each, level) for each in inputs.annotations for level in each.levels]
    try:
        joined = index.join(
            images,
            registries.targets,
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
    for repository in inputs.repositories:
        registries.targets.put(repository.with_digest(joined.digest), joined.content, joined.media_type)
    more = f" and {joined.attestations} attestations" if joined.attestations else ""
    job.say(f"{joined.digest} is the index of {', '.join(joined.platforms)}{more}")
    return joined.digest
