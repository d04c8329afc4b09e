"""A receipt of a promotion, at the image itself, and the way back by it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from gocdnext_sdk import Findings, InputMismatch, Job, Reference, RegistryError
from gocdnext_sdk.oci.referrers import CREATED, File, attach
from gocdnext_sdk.oci.tags import where
from gocdnext_sdk.tools.cosign import verified_predicates, verifier

from .deleting import delete_tag
from .inputs import DockerPushInputs
from .notary import Notary
from .previous import Tags, describe, names_receipts, parse_previous, parse_receipts
from .registries import Registries
from .tags import Move, find_tags

TYPE = "application/vnd.gocdnext.promotion.v1+json"
PROMOTION = "https://github.com/klinux/gocdnext/promotion/v1"
"""The predicate type of a receipt that is signed."""


def leave_receipts(move: Move, previous: Tags, origin: str, job: Job, notary: Notary | None) -> list[str]:
    """Attach a receipt to the image at each of its targets; return them, by digest.

    Args:
        move: the image and its targets.
        previous: where the tags pointed before.
        origin: where the image comes from, by digest.
        job: the run.
        notary: signs it; None: nobody does.

    Raises:
        RegistryError: a registry refuses it; the tags have moved.
        ToolError: it could not be signed.
    """
    when = f"{job.ci.now:%Y-%m-%dT%H:%M:%SZ}"
    receipts = []
    for repository in move.inputs.repositories:
        content = {
            "source": origin,
            "target": repository.name,
            "digest": move.digest,
            "previous": {str(tag): at for tag, at in previous.items() if tag.name == repository.name},
            "when": when,
            "who": job.ci.tag_author or move.inputs.username,
            "run": run_of(job),
        }
        file = File("receipt.json", TYPE, json.dumps(content, indent=2).encode())
        image = repository.with_digest(move.digest)
        store = partial(attach, move.registries.targets, image, TYPE, [file], {CREATED: when})
        digest = job.digest(f"the receipt of {image}", store)
        receipts.append(str(repository.with_digest(digest)))
        if notary is not None:
            notary.attest(image, PROMOTION, content, insecure=move.inputs.is_insecure(image.registry))
        job.say(f"the receipt is {receipts[-1]}{', signed' if notary else ''}")
    return receipts


def run_of(job: Job) -> dict[str, Any]:
    """Return what is known of the run."""
    ci = job.ci
    found = {"id": ci.run_id, "url": ci.run_url, "job": ci.job, "commit": ci.commit, "cause": ci.cause}
    return {key: value for key, value in found.items() if value is not None}


def roll_back(inputs: DockerPushInputs, job: Job, registries: Registries) -> None:
    """Let tags point where they did before a promotion; those that were new go.

    Raises:
        InputMismatch: what to go back to is not of the targets.
        RegistryError: an image is not there any more, or a repository takes no push, and no tag has moved; or
            a tag cannot be moved, with where all are.
    """
    wanted = _before(inputs, job, registries)
    targets = registries.targets
    current = find_tags(targets, wanted)
    for tag, digest in wanted.items():  # before any moves
        if digest is not None and targets.find(tag.with_digest(digest), assumed=digest) is None:
            raise RegistryError(f"{tag} cannot go back: {digest} is not there any more")
    moving = {tag.name for tag, digest in wanted.items() if digest is not None and digest != current[tag]}
    for repository in inputs.repositories:
        if repository.name in moving:
            targets.check_push(repository)
    job.output(PREVIOUS=describe(current))
    try:
        # What has to be deleted comes last: that may be refused, and must keep no tag from going back.
        for tag, digest in sorted(wanted.items(), key=lambda item: item[1] is None):
            now = current[tag]
            if now == digest:
                job.say(f"{tag} is {digest or 'not there'} already")
            elif digest is None:
                delete_tag(inputs, job, registries, tag, str(now))
                job.say(f"deleted {tag}, which was new")
            else:
                targets.tag(tag.with_digest(digest), str(tag.tag))
                job.say(f"{tag}: {now or 'gone'} -> {digest}")
    except RegistryError as error:
        told = f" ({where(wanted, targets)})" if len(wanted) > 1 else ""
        raise RegistryError(f"{error}{told}") from None
    for tag, digest in wanted.items():
        found = targets.find(tag, assumed=digest)
        if (found.digest if found else None) != digest:
            raise RegistryError(f"{tag} is {found.digest if found else 'gone'}; did another job move it too?")


def _before(inputs: DockerPushInputs, job: Job, registries: Registries) -> Tags:
    """Return where the tags are to point, by the text of `PREVIOUS` or by receipts.

    Raises:
        Findings: a receipt is not signed as demanded.
        InputMismatch: one is no receipt, or one of other targets.
    """
    text = inputs.previous or ""
    found: dict[Reference, str | None] = {}
    if names_receipts(text):
        for receipt in parse_receipts(text):
            found |= _read(receipt, inputs, job, registries)
    else:
        found |= parse_previous(text)
    names = {each.name for each in inputs.repositories}
    for tag in found:
        if tag.name not in names:
            raise InputMismatch("previous", f"{tag} is in no repository of `target`", "name it there")
    return found


def _read(receipt: Reference, inputs: DockerPushInputs, job: Job, registries: Registries) -> Tags:
    _, manifest = registries.targets.manifest(receipt)
    try:
        content = json.loads(registries.targets.blob(receipt, manifest["layers"][0]["digest"]))
        found = parse_previous(",".join(f"{tag}={at or ''}" for tag, at in content["previous"].items()))
        image = receipt.with_digest(manifest["subject"]["digest"])
    except (AttributeError, LookupError, TypeError, ValueError):
        raise InputMismatch("previous", f"{receipt} is no receipt of a promotion") from None
    if inputs.demands_signature:
        _check_signed(inputs, job, registries, image, content)
    return found


def _check_signed(
    inputs: DockerPushInputs, job: Job, registries: Registries, image: Reference, content: object
) -> None:
    """Check that the signer of `verify-…` attests just what a receipt says."""
    policy = inputs.policy(job, insecure=inputs.is_insecure(image.registry))
    cosign = verifier(job, registries.credentials.targets, [inputs.verify_key])
    for form in (policy, policy.older):
        if content in verified_predicates(cosign, form, image, PROMOTION, assumed=content):
            job.say("the receipt is signed as demanded")
            return
    raise Findings("the receipt is not signed as demanded; no tag was moved")
