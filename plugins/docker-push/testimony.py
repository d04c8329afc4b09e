"""What is left at a published image: that it has met its demands, and what was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gocdnext_sdk import Job, Reference, doing

from .inputs import DockerPushInputs
from .marks import VALIDATED, ImageMark
from .notary import Notary
from .places import Place
from .previous import Tags
from .receipt import leave_receipts, run_of
from .registries import Registries
from .services import check_mark, set_mark
from .tags import Move


def notary_of(inputs: DockerPushInputs, job: Job) -> Notary | None:
    """Return who signs what is left; None: nobody.

    Raises:
        InputMismatch: the password does not open the key.
    """
    attests = any(mark.kind == "attestation" for mark in inputs.mark)
    return Notary(inputs, job) if attests or inputs.can_sign(job.environ) else None


def check_marks(images: Iterable[tuple[DockerPushInputs, Registries]], job: Job) -> None:
    """Check that the services can mark what is to be published.

    Raises:
        InputMismatch: one cannot.
        HttpError: one cannot say.
    """
    for inputs, registries in images:
        for repository in inputs.repositories:
            for mark in inputs.mark:
                if mark.kind != "attestation":
                    check_mark(mark, _place(mark, repository, inputs, registries, job))


def _place(
    mark: ImageMark, image: Reference, inputs: DockerPushInputs, registries: Registries, job: Job
) -> Place:
    login = registries.credentials.targets.get(image.registry, image.repository)
    return Place(job, inputs.api_at(mark, image.registry), login, image)


def leave(
    inputs: DockerPushInputs,
    moves: Sequence[Move],
    previous: Sequence[Tags],
    origins: Sequence[str],
    job: Job,
    notary: Notary | None,
) -> None:
    """Mark what was published, and leave receipts.

    That comes last: nothing says of an image that it is published which is not, and a policy that wants the
    mark refuses the image until it is there.

    Args:
        inputs: the job's.
        moves: what was published.
        previous: where the tags of each pointed before.
        origins: where each came from, by digest.
        job: the run.
        notary: signs it.

    Raises:
        Error: a mark or receipt could not be left; the tags have moved.
    """
    for move, origin in zip(moves, origins, strict=True):
        _mark(move, origin, job, notary)
    if inputs.receipt:
        receipts: list[str] = []
        for each in zip(moves, previous, origins, strict=True):
            receipts += leave_receipts(*each, job, notary)
        job.output(RECEIPT=",".join(receipts))


def _mark(move: Move, origin: str, job: Job, notary: Notary | None) -> None:
    inputs = move.inputs
    statement = {
        "timestamp": f"{job.ci.now:%Y-%m-%dT%H:%M:%SZ}",
        "source": origin,
        "demands": list(inputs.demands),
        "run": run_of(job),
    }
    for repository in inputs.repositories if inputs.mark else ():
        image = repository.with_digest(move.digest)
        for mark in inputs.mark:
            with doing(f"marking {image}, which is published, with {mark}"):
                if mark.kind == "attestation" and notary is not None:
                    notary.attest(image, VALIDATED, statement, insecure=inputs.is_insecure(image.registry))
                else:
                    set_mark(mark, _place(mark, image, inputs, move.registries, job))
            job.say(f"marked {image} with {mark}")
