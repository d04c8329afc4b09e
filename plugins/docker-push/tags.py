"""Tags: where they point, and that they move last, or go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gocdnext_sdk import Job, Reference, RegistryClient, RegistryError, ToolError

from .inputs import DockerPushInputs
from .previous import Tags, describe
from .registries import Registries


@dataclass(frozen=True)
class Move:
    """An image whose content is complete, and whose tags are still to move.

    Args:
        inputs: name its tags.
        registries: those of its targets.
        digest: where they are to point.
    """

    inputs: DockerPushInputs
    registries: Registries
    digest: str

    def current(self, job: Job, *, assumed: str | None = None) -> Tags:
        """Return the digest each of its tags points to now."""
        return find_tags(self.registries.targets, self.inputs.targets(job.ci), assumed=assumed)


def move_tags(moves: Sequence[Move], job: Job) -> list[Tags]:
    """Let the tags of all images point to their digests, or those of none; return where they pointed.

    Raises:
        Findings: an immutable one would move; none has been moved then.
        RegistryError: one is refused, or points elsewhere afterwards.
        Cancelled: by a signal or the job's `timeout`; those that had moved are put back.
    """
    previous = [each.current(job) for each in moves]  # again: the copies may have taken minutes
    for each, before in zip(moves, previous, strict=True):
        if kept := each.inputs.keeps(before, each.digest):
            raise RegistryError(f"{kept} got an immutable tag meanwhile; no tag was moved. Run it again")
    job.output(PREVIOUS=describe({tag: at for before in previous for tag, at in before.items()}))
    moved: list[tuple[Move, Reference, str | None]] = []
    try:
        for each, tags in zip(moves, previous, strict=True):
            for target, now in tags.items():
                if now == each.digest:
                    job.say(f"{target} exists already")
                    continue
                moved.append((each, target, now))  # first: it may move though the answer does not get here
                each.registries.targets.tag(target.with_digest(each.digest), str(target.tag))
                job.say(f"{target}: {now or 'new'} -> {each.digest}")
    except RegistryError as error:
        with job.cleanup():
            said = put_back(moved)
        raise RegistryError(f"{error}; {said}") from None
    except BaseException:  # a signal, too, comes between two
        with job.cleanup():
            job.warn(put_back(moved))
        raise
    for each in moves:
        for target, now in each.current(job, assumed=each.digest).items():
            if now != each.digest:
                raise RegistryError(f"{target} is {now or 'gone'} now; did another job move it too?")
    return previous


def put_back(moved: Iterable[tuple[Move, Reference, str | None]]) -> str:
    """Let tags point where they did, the last one first; return what to say of it.

    One that does not point to what it was moved to is left alone: it has not moved, or another job moved it.
    """
    back: list[str] = []
    left: list[str] = []
    for move, target, before in reversed(list(moved)):
        try:
            now = move.registries.targets.find(target)
        except RegistryError:
            left.append(str(target))
            continue
        if now is not None and now.digest == move.digest:
            (back if _restored(move, target, before) else left).append(str(target))
    said = (
        f"put back: {', '.join(back)}" if back else "no tag has moved" if not left else "no tag is put back"
    )
    return said + (f"; still moved, and to be put back by hand: {', '.join(left)}" if left else "")


def _restored(move: Move, target: Reference, before: str | None) -> bool:
    registry = move.registries.targets
    try:
        if before is not None:
            registry.tag(target.with_digest(before), str(target.tag))
            return True
        if move.registries.regctl.delete_tag(target):
            return True
        # Where a tag cannot be deleted, regctl may have moved it to an empty manifest: worse than the image.
        registry.tag(target.with_digest(move.digest), str(target.tag))
    except (RegistryError, ToolError):
        pass
    return False


def find_tags(registry: RegistryClient, targets: Iterable[Reference], *, assumed: str | None = None) -> Tags:
    """Return the digest each tag points to now; None for one that does not exist.

    Args:
        registry: where to look.
        targets: the tags.
        assumed: what a plan, which asks no registry, takes for the answer.
    """
    found = ((target, registry.find(target, assumed=assumed)) for target in targets)
    return {target: descriptor.digest if descriptor else None for target, descriptor in found}
