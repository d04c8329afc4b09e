"""What is scanned."""

from __future__ import annotations

from dataclasses import dataclass

from gocdnext_sdk import InputMismatch, Job, Problem, ToolError
from gocdnext_sdk.oci.platforms import choose

from .inputs import TrivyInputs, without_login


@dataclass(frozen=True)
class Subject:
    """One thing to scan.

    Args:
        name: the display name; the same for all platforms of an image.
        argv: its arguments for Trivy.
        platform: of an image.
        digest: of one image of an index; what else tells it from the others there may be alike.
        reference: the one image in its registry, by digest; empty if it is in none.
    """

    name: str
    argv: tuple[str, ...]
    platform: str = ""
    digest: str = ""
    reference: str = ""


def find_subjects(inputs: TrivyInputs, job: Job) -> list[Subject]:
    """Return what is scanned: of an image in a registry every platform, by digest."""
    if inputs.archive:
        return [Subject(inputs.archive, ("--input", inputs.archive))]
    if inputs.image is None:
        target, _ = without_login(inputs.target or ".")
        return [Subject(target, (target,))]
    image = inputs.image
    job.output(IMAGE=image.name)
    if inputs.image_source == "docker":
        return [Subject(str(image), ("--image-src", "docker", str(image)))]

    registry = job.registry(inputs.all_logins(), inputs.insecure_registries)
    found = registry.resolve(image)
    name = str(image.with_digest(found.digest))
    if image.digest is None:
        job.say(f"{image} is {found.digest}")
    job.output(DIGEST=found.digest, REFERENCE=name)
    if tag := image.tag or ("" if image.digest else "latest"):
        job.output(TAGS=tag)
    if not found.is_index:
        return [Subject(name, ("--image-src", "remote", name), reference=name)]
    try:
        children = choose(inputs.platforms, registry.platforms(image.with_digest(found.digest)))
    except ValueError as error:
        problem = Problem.of("platforms", error)
        raise InputMismatch(problem.key, problem.what, problem.advice) from None
    if not children:
        raise ToolError(f"nothing to scan: {name} is an index without images")
    found_images = [(child, str(image.with_digest(child.digest))) for child in children]
    return [
        Subject(name, ("--image-src", "remote", each), child.platform or "", child.digest, each)
        for child, each in found_images
    ]
