"""The docker-push plugin."""

from __future__ import annotations

from collections.abc import Mapping

from gocdnext_sdk import DaemonUse, Job, Plugin, Publishes, Reads, Writes
from gocdnext_sdk.tools.cosign import KMS

from .content import push
from .inputs import DockerPushInputs
from .registries import Registries
from .tags import Move, delete_tags, move_tags


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
    }

    publishes = Publishes("target", tags="tags", when={"action": ("push", "index")})
    writes = (Writes("also"), Writes("target", when={"action": "delete-tag"}))
    reads = (
        *(Reads(each, without_daemon=True) for each in ("source", "sources")),
        *(Reads(each, when={"pull": "true"}) for each in ("source", "sources")),
    )
    daemon = DaemonUse("maybe")
    variables = ("DOCKER_", *(prefix for each in KMS.values() for prefix in each))

    def run(self, inputs: DockerPushInputs, job: Job) -> Mapping[str, str]:
        """Copy content, then move tags; or delete tags."""
        job.trust(inputs.ca_file)
        targets = inputs.targets(job.ci)
        first = targets[0]
        tags = ",".join(str(target.tag) for target in targets if target.name == first.name)
        if inputs.action == "delete-tag":
            delete_tags(inputs, job, Registries.of(inputs, job))
            return {"IMAGE": first.name, "TAGS": tags}
        origins, moves = [], []
        for each in inputs.together():
            registries = Registries.of(each, job)
            if each.action == "index":
                from .joining import join

                copied = join(each, job, registries)
            else:
                copied = push(each, job, registries)
            origins.append(copied.origin)
            moves.append(Move(each, copied.digest, registries))
        move_tags(moves, job)
        for move in moves:
            job.say(f"published {move.digest} as {', '.join(map(str, move.inputs.targets(job.ci)))}")
        digest = moves[0].digest
        return {
            "IMAGE": first.name,
            "DIGEST": digest,
            "REFERENCE": str(first.with_digest(digest)),
            "TAGS": tags,
            "PROMOTED_DIGEST": digest,
            "SOURCE": origins[0],
            "TARGET": str(first),
        }


if __name__ == "__main__":
    DockerPush.main()
