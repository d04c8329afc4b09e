"""Tags: where they point, and that they move last, or go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gocdnext_sdk import Findings, Job, Reference, RegistryClient, RegistryError

from .inputs import DockerPushInputs, fitting
from .registries import Registries


def move_tags(inputs: DockerPushInputs, digest: str, job: Job, registry: RegistryClient) -> None:
    """Let the tags point to the digest.

    Raises:
        Findings: an immutable one would move; none has been moved then.
        RegistryError: one is refused, or points elsewhere afterwards.
    """
    previous = find_tags(registry, inputs.targets(job.ci))  # again: the copy may have taken minutes
    refuse_moves(inputs.immutable_tags, previous, digest)
    job.output(PREVIOUS=describe(previous))
    moved: list[str] = []
    for target, before in previous.items():
        if before == digest:
            job.say(f"{target} exists already")
            continue
        try:
            registry.tag(target.with_digest(digest), str(target.tag))
        except RegistryError as error:
            raise RegistryError(f"{error}; moved before that: {', '.join(moved) or 'no tag'}") from None
        moved.append(str(target))
        job.say(f"{target}: {before or 'new'} -> {digest}")
    for target, now in find_tags(registry, inputs.targets(job.ci), assumed=digest).items():
        if now != digest:
            raise RegistryError(f"{target} is {now or 'gone'} now; did another job move it too?")


def delete_tags(inputs: DockerPushInputs, job: Job, registries: Registries) -> None:
    """Delete the tags. One that is gone already, or points elsewhere by now, is success.

    Raises:
        RegistryError: the registry cannot, or does not let this user.
    """
    expected = inputs.source.reference.digest if inputs.source and inputs.source.reference else None
    previous = find_tags(registries.targets, inputs.targets(job.ci), assumed=expected or "its digest")
    job.output(PREVIOUS=describe(previous))
    for target, before in previous.items():
        if before is None:
            job.say(f"{target} is not there")
        elif expected not in (None, before):
            job.say(f"{target} is left alone: it is {before} by now")
        else:
            deleted = registries.regctl.delete_tag(target)
            after = registries.targets.find(target)
            if not deleted or after is not None:
                raise RegistryError(not_deleted(target, before, after.digest if after else None))
            job.say(f"deleted {target}, which was {before}")


def find_tags(
    registry: RegistryClient, targets: Iterable[Reference], *, assumed: str | None = None
) -> dict[Reference, str | None]:
    """Return the digest each tag points to now; None for one that does not exist.

    Args:
        registry: where to look.
        targets: the tags.
        assumed: what a plan, which asks no registry, takes for the answer.
    """
    found = ((target, registry.find(target, assumed=assumed)) for target in targets)
    return {target: descriptor.digest if descriptor else None for target, descriptor in found}


def refuse_moves(patterns: Iterable[str], current: Mapping[Reference, str | None], digest: str) -> None:
    """Check that no immutable tag would move.

    Args:
        patterns: of immutable tags.
        current: where the tags point.
        digest: where they are to point.

    Raises:
        Findings: one would; nothing has been moved.
    """
    for target, now in current.items():
        pattern = fitting(patterns, str(target.tag))
        if pattern is not None and now not in (None, digest):
            raise Findings(
                f'{target} is {now} and must not become {digest}: immutable-tags has "{pattern}"; no tag was '
                "moved. Publish under a new tag, or remove the pattern"
            )


def describe(previous: Mapping[Reference, str | None]) -> str:
    """Return where tags pointed, as one line for the outputs."""
    return ",".join(f"{target}={digest or ''}" for target, digest in previous.items())


def not_deleted(target: Reference, before: str, after: str | None) -> str:
    """Say why a tag could not be deleted, and what to do by hand."""
    registry = target.registry
    by_hand = f"delete it in the web page of {registry}"
    if registry.host == "ghcr.io":
        package = target.repository.partition("/")[2].replace("/", "%2F")
        by_hand += f", or with `gh api -X DELETE /user/packages/container/{package}/versions/ID`"
    if after == before:
        return f"{registry} did not let {target} be deleted; may this user delete? If it may: {by_hand}"
    now = "an empty manifest" if after else "nothing"
    return f"{registry} cannot delete tags: {target} was {before} and points to {now} now; {by_hand}"
