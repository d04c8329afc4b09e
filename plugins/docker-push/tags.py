"""Tags: where they point, and that they move last, or go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gocdnext_sdk import Job, Reference, RegistryClient, RegistryError, ToolError
from gocdnext_sdk.oci.tags import TagMove, TagMoves
from gocdnext_sdk.tools.regctl import Regctl

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

    def of_tag(self, tag: Reference, before: str | None) -> TagMove:
        """Return the move of one of its tags from where it points; None: it is not there."""
        return _TagMove(self.registries.targets, tag, before, self.digest, self.registries.regctl)


@dataclass(frozen=True)
class _TagMove(TagMove):
    """One whose tag goes again if it was new, where the registry can delete tags."""

    regctl: Regctl

    def put_back(self) -> bool:
        try:
            if super().put_back() or self.regctl.delete_tag(self.tag):
                return True
            # Where tags stay, regctl may have moved it to an empty manifest, which is worse than the image.
            self.make()
        except ToolError:
            pass
        return False


def move_tags(moves: Sequence[Move], job: Job) -> list[Tags]:
    """Let the tags of all images point to their digests, or those of none; return where they pointed.

    Raises:
        Findings: an immutable one would move; none has been moved then.
        RegistryError: one is refused, or points elsewhere afterwards.
        Cancelled: by a signal or the job's `timeout`; those that had moved are put back.
    """
    previous = [each.current(job) for each in moves]  # again: the copies may have taken minutes
    for each, before in zip(moves, previous, strict=True):
        each.inputs.check_before_moving(before, each.digest)
    job.output(PREVIOUS=describe({tag: at for before in previous for tag, at in before.items()}))
    made = TagMoves(job.say)
    try:
        for each, tags in zip(moves, previous, strict=True):
            for target, now in tags.items():
                if now == each.digest:
                    job.say(f"{target} exists already")
                else:
                    made.make(each.of_tag(target, now))
    except RegistryError as error:
        with job.cleanup():
            said = put_back(made)
        raise RegistryError(f"{error}; {said}") from None
    except BaseException:  # a signal, too, comes between two
        with job.cleanup():
            job.warn(put_back(made))
        raise
    for each in moves:
        for target, now in each.current(job, assumed=each.digest).items():
            if now != each.digest:
                raise RegistryError(f"{target} is {now or 'gone'} now; did another job move it too?")
    return previous


def put_back(made: TagMoves) -> str:
    """Let tags point where they did; return what to say of it."""
    back, left = (", ".join(str(each.tag) for each in moves) for moves in made.put_back())
    said = f"put back: {back}" if back else "no tag is put back" if left else "no tag has moved"
    return said + (f"; still moved, and to be put back by hand: {left}" if left else "")


def find_tags(registry: RegistryClient, targets: Iterable[Reference], *, assumed: str | None = None) -> Tags:
    """Return the digest each tag points to now; None for one that does not exist.

    Args:
        registry: where to look.
        targets: the tags.
        assumed: what a plan, which asks no registry, takes for the answer.
    """
    found = ((target, registry.find(target, assumed=assumed)) for target in targets)
    return {target: descriptor.digest if descriptor else None for target, descriptor in found}
