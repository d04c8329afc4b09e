"""The docker-push plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from gocdnext_sdk import DaemonUse, InputMismatch, Job, Plugin, Publishes, Reads, Signs, Writes
from gocdnext_sdk.tools.cosign import KMS

from .checks import check_apart
from .content import Ready, checked, push
from .inputs import DockerPushInputs
from .registries import Registries
from .signing import TOKEN
from .tags import Move, move_tags

_SIGNS = Signs(
    key="key",
    key_content="key-content",
    token=TOKEN,
    signing_config="signing-config",
    trusted_root="trusted-root",
    offline={"tlog": "false"},
)


class DockerPush(Plugin[DockerPushInputs]):
    """Publish an image that exists already: from the daemon, from files, or from one registry to others.

    Images that were built for one platform each are joined into one for all of them.

    From registry to registry no daemon is needed, and every platform, signature, attestation and SBOM goes
    along, byte for byte. Content is copied to all targets and verified by digest first; the tags move last.
    """

    name = "gocdnext-plugin-docker-push"
    category = "container"
    inputs = DockerPushInputs
    outputs = {
        "IMAGE": "The first target's name, without a tag.",
        "DIGEST": "The digest that was published.",
        "REFERENCE": "`IMAGE@DIGEST`.",
        "TAGS": "The first target's tags, with commas between.",
        "PROMOTED_DIGEST": "As DIGEST, under the name that image-copy gives it.",
        "SOURCE": "The source, with its digest; with commas between, if several were joined.",
        "TARGET": "The first target with its first tag.",
        "PREVIOUS": "Every tag of every target, those of `also` among them, with the digest it pointed to "
        "before, empty for a new one: `ghcr.io/org/app:v1=sha256:…,ghcr.io/org/app:latest=`.",
        "RECEIPT": "With `receipt`: the receipts by digest, with commas between; that at the first target is "
        "the first.",
    }

    publishes = Publishes("target", tags="tags", when={"action": ("push", "index")})
    writes = (Writes("also"), Writes("target", when={"action": ("delete-tag", "rollback")}))
    reads = (
        *(Reads(each, without_daemon=True) for each in ("source", "sources")),
        *(Reads(each, when={"pull": "true"}) for each in ("source", "sources")),
    )
    signs = (
        _SIGNS._replace(when={"mark": "attestation"}),
        _SIGNS._replace(when={"receipt": "true"}, optional=True),
    )
    daemon = DaemonUse("maybe")
    variables = ("DOCKER_", *(prefix for each in KMS.values() for prefix in each))

    def run(self, inputs: DockerPushInputs, job: Job) -> Mapping[str, str]:
        """Copy content, then move tags; or delete tags."""
        job.trust(inputs.ca_file)
        if inputs.action == "delete-tag":
            from .deleting import delete_tags

            delete_tags(inputs, job, Registries.of(inputs, job))
            return named(inputs, job)
        if inputs.action == "rollback":
            from .receipt import roll_back

            roll_back(inputs, job, Registries.of(inputs, job))
            return {"IMAGE": inputs.repositories[0].name}
        notary = None
        if leaves_something := inputs.receipt or inputs.mark:
            from .testimony import notary_of

            notary = notary_of(inputs, job)
        images = [found(each, job) for each in inputs.together()]
        for problem in check_apart((each for each, _ in images), job.ci):  # `all-tags` finds further tags
            raise InputMismatch(problem.key, problem.what, problem.advice)
        if leaves_something:
            from .testimony import check_marks

            check_marks(images, job)
        with ExitStack() as held:
            ready = [prepared(whole)(whole, job, registries, held) for whole, registries in images]
            moves = [Move(*image, each.copy()) for image, each in zip(images, ready, strict=True)]
        origins = [each.origin for each in ready]
        previous = move_tags(moves, job)
        for move in moves:
            job.say(f"published {move.digest} as {', '.join(map(str, move.inputs.targets(job.ci)))}")
        if leaves_something:
            from .testimony import leave

            leave(inputs, moves, previous, origins, job, notary)
        digest, first = moves[0].digest, moves[0].inputs.targets(job.ci)[0]
        return {
            **named(moves[0].inputs, job),
            "DIGEST": digest,
            "REFERENCE": str(first.with_digest(digest)),
            "PROMOTED_DIGEST": digest,
            "SOURCE": origins[0],
            "TARGET": str(first),
        }


def named(inputs: DockerPushInputs, job: Job) -> dict[str, str]:
    """Return the outputs that name the first target."""
    targets = inputs.targets(job.ci)
    tags = ",".join(str(target.tag) for target in targets if target.name == targets[0].name)
    return {"IMAGE": targets[0].name, "TAGS": tags}


def found(inputs: DockerPushInputs, job: Job) -> tuple[DockerPushInputs, Registries]:
    """Return what is published in full, its demands checked, and how the job gets there.

    Raises:
        Findings: something that is demanded is missing.
    """
    registries = Registries.of(inputs, job)
    if inputs.all_tags:
        from .selecting import with_all_tags

        inputs = with_all_tags(inputs, job, registries)
    if inputs.action == "push":  # an index may be there already, and kept whatever its sources are by now
        inputs = checked(inputs, job, registries)
    return inputs, registries


def prepared(inputs: DockerPushInputs) -> Callable[[DockerPushInputs, Job, Registries, ExitStack], Ready]:
    """Return what makes an image ready to be copied: imported where it is used, as few jobs use all."""
    if inputs.action == "index":
        from .joining import join

        return join
    if inputs.platforms:
        from .selecting import push_platforms

        return push_platforms
    return push


if __name__ == "__main__":
    DockerPush.main()
