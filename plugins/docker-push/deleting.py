"""Deleting tags: through the registry, or through the API of the service that runs it."""

from __future__ import annotations

from gocdnext_sdk import HttpError, Job, Reference, RegistryError, doing

from .inputs import DockerPushInputs
from .previous import describe
from .registries import Registries
from .tags import find_tags


def delete_tags(inputs: DockerPushInputs, job: Job, registries: Registries) -> None:
    """Delete the tags. One that is gone already, or points elsewhere by now, is success.

    Raises:
        RegistryError: the registry cannot, or does not let this user; the tag points where it did.
    """
    expected = inputs.expected
    previous = find_tags(registries.targets, inputs.targets(job.ci), assumed=expected or "its digest")
    job.output(PREVIOUS=describe(previous))
    for target, before in previous.items():
        if before is None:
            job.say(f"{target} is not there")
        elif expected not in (None, before):
            job.say(f"{target} is left alone: it is {before} by now")
        else:
            delete_tag(inputs, job, registries, target, before)
            job.say(f"deleted {target}, which was {before}")


def delete_tag(
    inputs: DockerPushInputs, job: Job, registries: Registries, target: Reference, before: str
) -> None:
    """Delete one tag, and no other on its digest.

    Raises:
        RegistryError: it could not be deleted; it points where it did.
    """
    service = inputs.service(target.registry)
    if service == "registry":
        deleted = _delete_at_registry(registries, target, before)
    else:
        from .apis import Deletion, delete

        login = registries.credentials.targets.get(target.registry, target.repository)
        try:
            url = inputs.api_of(service, target.registry)
            delete(service, Deletion(job, url, login, target, registries.targets, before))
        except HttpError as error:
            raise RegistryError(f"{target} is not deleted, and still is {before}: {error}") from None
        deleted = True
    after = registries.targets.find(target)
    if deleted and after is None:
        return
    if after is None or after.digest != before:
        _put_back(registries, target, before)
    raise RegistryError(_not_deleted(target, before))


def _delete_at_registry(registries: Registries, target: Reference, before: str) -> bool:
    """Let regctl delete a tag; where the registry cannot, that moves it to an empty manifest first."""
    try:
        return registries.regctl.delete_tag(target)
    except BaseException:  # a signal, too, comes between the two
        after = registries.targets.find(target)
        if after is not None and after.digest != before:
            _put_back(registries, target, before)
        raise


def _put_back(registries: Registries, target: Reference, before: str) -> None:
    with doing(f"putting {target} back to {before}"):
        registries.targets.tag(target.with_digest(before), str(target.tag))


def _not_deleted(target: Reference, before: str) -> str:
    """Say why a tag could not be deleted, and what to do."""
    return (
        f"{target.registry} did not let {target} be deleted, and it still is {before}; may this user delete? "
        "If it is a Harbor, a GitLab or a Quay, say so in `delete-through`; else delete it in its web page"
    )
