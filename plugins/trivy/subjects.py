"""What is scanned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gocdnext_sdk import InputMismatch, Job, Problem, Reference, RegistryClient, ToolError
from gocdnext_sdk.oci.platforms import choose

if TYPE_CHECKING:
    from gocdnext_sdk.oci.descriptor import Descriptor

from .dockerfile import DEFAULT
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
        base: of a Dockerfile's base image, what the Dockerfile calls it.
        in_files: whether the image is in files.
        wanted: the platforms that will do, where only the scan tells which one it is.
    """

    name: str
    argv: tuple[str, ...]
    platform: str = ""
    digest: str = ""
    reference: str = ""
    base: str = ""
    in_files: bool = False
    wanted: tuple[str, ...] = ("all",)


@contextmanager
def subjects_of(inputs: TrivyInputs, job: Job) -> Iterator[list[Subject]]:
    """Find what is scanned, which is there while the block runs."""
    if inputs.archive is None:
        yield find_subjects(inputs, job)
        return
    from .files import in_files

    with in_files(inputs, inputs.archive, job) as subjects:
        yield subjects


def find_subjects(inputs: TrivyInputs, job: Job) -> list[Subject]:
    """Return what is scanned: of an image in a registry every platform, by digest."""
    if inputs.scan_type == "dockerfile":
        return find_bases(inputs, job)
    if inputs.image is None:
        target, _ = without_login(inputs.target or ".")
        return [Subject(target, (target,))]
    image = inputs.image
    job.output(IMAGE=image.name)
    if inputs.image_source == "docker":
        return [Subject(str(image), ("--image-src", "docker", str(image)), wanted=tuple(inputs.platforms))]

    registry = job.registry(inputs.all_credentials, inputs.insecure_registries)
    found = registry.resolve(image)
    name = str(image.with_digest(found.digest))
    if image.digest is None:
        job.say(f"{image} is {found.digest}")
    job.output(DIGEST=found.digest, REFERENCE=name)
    if tag := image.tag or ("" if image.digest else "latest"):
        job.output(TAGS=tag)
    if not found.is_index:
        return [replace(one_image(name, name), wanted=tuple(inputs.platforms))]
    return _platforms(registry, image.with_digest(found.digest), inputs.platforms, name)


def find_bases(inputs: TrivyInputs, job: Job) -> list[Subject]:
    """Return every platform of the base images of a Dockerfile, by digest."""
    registry = job.registry(inputs.all_credentials, inputs.insecure_registries)
    subjects: list[Subject] = []
    pinned: list[str] = []
    for base, image in inputs.bases(job.environ, job.workspace).items():
        found = registry.resolve(image)
        by_digest = image.with_digest(found.digest)
        job.say(f"FROM {base.text} is {by_digest}")
        pinned.append(str(by_digest))
        platforms = (base.platform,) if base.platform else inputs.platforms
        name = inputs.target or DEFAULT
        if found.is_index:
            images = _platforms(registry, by_digest, platforms, name)
        else:
            # One that a FROM has for a platform is what the build takes, whatever it is for.
            wanted = ("all",) if base.platform else tuple(inputs.platforms)
            images = [replace(one_image(name, str(by_digest)), wanted=wanted)]
        subjects += [replace(each, base=base.name) for each in images]
    job.output(BASES=",".join(dict.fromkeys(pinned)))
    return subjects


def one_image(name: str, image: str) -> Subject:
    """Return an image in a registry, by digest; of one platform, which Trivy tells."""
    return Subject(name, ("--image-src", "remote", image), reference=image)


def image_of(index: Reference, child: Descriptor, name: str) -> Subject:
    """Return one image of an index in a registry.

    Args:
        index: the index.
        child: what the index says of the image.
        name: what all of it is called.
    """
    one = one_image(name, str(index.with_digest(child.digest)))
    return replace(one, platform=child.platform or "", digest=child.digest)


def wanted_images(
    registry: RegistryClient, index: Reference, platforms: Sequence[str], name: str
) -> Sequence[Descriptor]:
    """Return the images of an index that are for `platforms`; arguments as for `_platforms`.

    Raises:
        InputMismatch: there is none for one of them.
        ToolError: there are no images at all.
    """
    try:
        found = choose(platforms, registry.platforms(index))
    except ValueError as error:
        problem = Problem.of("platforms", error)
        raise InputMismatch(problem.key, problem.what, problem.advice) from None
    if not found:
        raise ToolError(f"nothing to scan: {name} is an index without images")
    return found


def _platforms(
    registry: RegistryClient, image: Reference, platforms: Sequence[str], name: str
) -> list[Subject]:
    """Return the images of an index that are scanned.

    Args:
        registry: has it.
        image: the index, by digest.
        platforms: those that are wanted.
        name: what all of it is called.
    """
    wanted = wanted_images(registry, image, platforms, str(image))
    return [image_of(image, child, name) for child in wanted]
