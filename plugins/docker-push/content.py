"""Where the image comes from, and how it gets to the targets: everything but the tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gocdnext_sdk import (
    DaemonError,
    Error,
    InputMismatch,
    Job,
    Reference,
    RegistryClient,
    RegistryError,
    ToolError,
    quoted,
)
from gocdnext_sdk.oci.attached import attached
from gocdnext_sdk.oci.layout import choose, layout_digest, read_archive, unpack
from gocdnext_sdk.oci.referrers import fallback_tag
from gocdnext_sdk.oci.source import Source, Transport
from gocdnext_sdk.oci.tags import has_tags, list_tags
from gocdnext_sdk.tools.regctl import Regctl, layout

from .inputs import DockerPushInputs, has_daemon
from .registries import Registries, regctl_name
from .tags import find_tags


@dataclass(frozen=True)
class Content:
    """What is published.

    Args:
        location: where regctl finds it, with its digest.
        digest: of its index or manifest.
        origin: where it comes from, with its digest, for messages.
        reference: the same in a registry, if it is in one.
        tagged: whether there are tags beside it, which may be signatures of it.
    """

    location: str
    digest: str
    origin: str
    reference: Reference | None = None
    tagged: bool = True


@dataclass(frozen=True)
class Ready:
    """An image with all that is demanded of it, and with no tag in its way; nothing of it is copied yet.

    Args:
        origin: where it comes from, with digests.
        copy: copies it to every target, without a tag, unless one that is there is kept; returns its digest.
    """

    origin: str
    copy: Callable[[], str]


def checked(inputs: DockerPushInputs, job: Job, registries: Registries) -> DockerPushInputs:
    """Return the inputs with every source by the digest whose demands are met; as they are if there are none.

    Raises:
        Findings: a source lacks something that is demanded.
    """
    if not inputs.demands_signature:
        return inputs
    sources = tuple(_checked(inputs, source, job, registries) for source in inputs.origins)
    return inputs.model_copy(update={"sources": sources} if inputs.sources else {"source": sources[0]})


def _checked(inputs: DockerPushInputs, source: Source, job: Job, registries: Registries) -> Source:
    reference = source.reference
    if reference is None:
        raise InputMismatch("source", f"{quoted(source)} is in no registry, and has no signature")
    from .promotable import check_demands

    pinned, insecure = _pinned(source, reference, job, registries), inputs.is_insecure(reference.registry)
    check_demands(inputs, job, pinned, registries.source, registries.credentials.source, insecure=insecure)
    return replace(source, reference=pinned)


def _pinned(source: Source, reference: Reference, job: Job, registries: Registries) -> Reference:
    """Return a source in a registry by its digest, and say what that is, if it does not name it."""
    digest = reference.digest
    if digest is None:
        digest = registries.source.resolve(reference).digest
        job.say(f"{source} is {digest}")
    return reference.with_digest(digest)


@contextmanager
def find_content(
    inputs: DockerPushInputs, source: Source, job: Job, registries: Registries
) -> Iterator[Content]:
    """Find a source and its digest; what is in no registry is a layout on disk while the block runs."""
    reference = source.reference
    if reference is not None and not is_in_daemon(inputs, source, reference, job):
        pinned = _pinned(source, reference, job, registries)
        location = regctl_name(pinned, inputs, registries.credentials)
        tagged = reference.digest is None or has_tags(registries.source, pinned)
        yield Content(str(location), str(pinned.digest), str(pinned), pinned, tagged)
        return

    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="gocdnext-", dir=job.temporary()) as scratch:
        folder, regctl = Path(scratch) / "layout", registries.regctl
        if reference is None:
            digest = from_files(job.workspace / (source.path or ""), source.name, folder, job, regctl)
        else:
            digest = from_daemon(reference, folder, job, regctl)
        job.say(f"{source} is {digest}")
        yield Content(f"{layout(folder)}@{digest}", digest, f"{source}@{digest}")


def push(inputs: DockerPushInputs, job: Job, registries: Registries, held: ExitStack) -> Ready:
    """Find the source, which is to be copied to all targets as it is.

    Args:
        inputs: the job's.
        job: the run.
        registries: those of the source and the targets.
        held: what is in no registry is on disk until it closes.
    """
    (source,) = inputs.origins
    content = held.enter_context(find_content(inputs, source, job, registries))
    kept = find_kept(inputs, job, registries, content.digest)

    def copied() -> str:
        if kept is None:
            copy(inputs, content, job, registries)
        return kept or content.digest

    return Ready(content.origin, copied)


def find_kept(
    inputs: DockerPushInputs, job: Job, registries: Registries, digest: str | None = None
) -> str | None:
    """Return the digest of the image that is there and taken instead of the source's, None if none is.

    Args:
        inputs: the job's.
        job: says so.
        registries: those of the targets.
        digest: the source's, which is no obstacle; None if it is not known yet.

    Raises:
        Findings: an immutable tag would move, or the image that is there lacks the signature.
        RegistryError: a target does not have it.
    """
    if not (inputs.immutable_tags or inputs.existing):
        return None
    kept = inputs.keeps(find_tags(registries.targets, inputs.targets(job.ci)), digest)
    if kept is None:
        return None
    for repository in inputs.repositories:
        image = repository.with_digest(kept)
        if registries.targets.find(image) is None:
            raise RegistryError(
                f"{repository.name} does not have {kept}, which is to be kept; publish that first"
            )
        if inputs.demands_signature:
            from .promotable import check_demands

            login, insecure = registries.credentials.targets, inputs.is_insecure(image.registry)
            check_demands(inputs, job, image, registries.targets, login, insecure=insecure)
    job.say(f"{kept} is there already, and kept")
    return kept


def copy(inputs: DockerPushInputs, content: Content, job: Job, registries: Registries) -> None:
    """Copy everything to all targets, without a tag, and read it back.

    Raises:
        RegistryError: a target does not have all of it.
    """
    regctl, there = registries.regctl, registries.targets
    targets = [repository.with_digest(content.digest) for repository in inputs.repositories]
    if content.reference in targets:
        targets.remove(content.reference)
        _check_complete(inputs, content.reference, there)
    if not targets:
        return
    with _explained(content, targets, registries), ExitStack() as copies:
        for target in targets:
            copies.enter_context(regctl.copying(content.location, target, digest_tags=content.tagged))
        # Meanwhile, what a copy would also run into is said in plainer words and ends all of them.
        belonging = _belonging(inputs, content, registries)
        _look_ahead(inputs, targets, job, registries)
    for target in targets:
        if registries.missing(target, belonging):
            # Regctl passes over what is there without a look at what that names: a platform that was
            # deleted since; or, where there is no referrers API and a copy was killed, a signature that
            # the index of referrers does not name.
            with _explained(content, [target], registries):
                regctl.mend(content.location, target, digest_tags=content.tagged)
            if missing := registries.missing(target, belonging):
                raise RegistryError(
                    f"{target}: was not copied completely; missing: {', '.join(sorted(missing))}"
                )
        more = f", {len(belonging)} signatures and attestations with it" if belonging else ""
        job.say(f"{target} is complete{more}")


def _belonging(inputs: DockerPushInputs, content: Content, registries: Registries) -> frozenset[str]:
    """Return what belongs to an image beside its own children, of which there must be all.

    Raises:
        RegistryError: something of it is not there.
    """
    if content.reference is None:
        return registries.regctl.attached(content.location)
    _check_complete(inputs, content.reference, registries.source)
    return attached(registries.source, content.reference)


def _check_complete(inputs: DockerPushInputs, image: Reference, registry: RegistryClient) -> None:
    if absent := registry.absent(image):
        advice = "`platforms` publishes those that are there" if inputs.action == "push" else ""
        raise RegistryError(f"{image} refers to manifests that do not exist: {', '.join(absent)}", advice)


@contextmanager
def _explained(content: Content, targets: Iterable[Reference], registries: Registries) -> Iterator[None]:
    """Say why a copy failed, where that is known.

    Raises:
        RegistryError: one may not push there.
        ToolError: the copy's, or what regctl cannot copy.
    """
    try:
        yield
    except ToolError:
        for target in targets:
            registries.targets.check_push(target)
        if content.reference is None:
            raise
        source, image = registries.source, content.reference
        listed = list_tags(source, image)  # GitLab's finds the image by such a tag, which it does not have
        for digest in (content.digest, *(child.digest for child in source.children(image))):
            tag = image.with_tag(fallback_tag(image.with_digest(digest)))
            found = source.find(tag) if tag.tag in listed else None
            if found is not None and found.digest == digest:
                # Where there is no API for referrers, it reads their list from that tag, whatever that is
                # (regclient 0.11.6 `scheme/reg/referrer.go`).
                raise ToolError(
                    f"{tag} is the image itself, and regctl takes it for the list of what refers to that, "
                    "where a registry has no API for it",
                    "delete the tag, at the target too",
                ) from None
        raise


def _look_ahead(
    inputs: DockerPushInputs, targets: Iterable[Reference], job: Job, registries: Registries
) -> None:
    """Look whether a copy can get to its targets.

    Raises:
        RegistryError: it cannot.
    """
    try:
        find_tags(registries.targets, inputs.targets(job.ci))
    except RegistryError:
        # Who may make a repository by a push, as at Quay, may not read it before; `move_tags` looks again.
        for target in targets:
            registries.targets.check_push(target)


def is_in_daemon(inputs: DockerPushInputs, source: Source, reference: Reference, job: Job) -> bool:
    """Decide whether the image is taken from the daemon instead of a registry.

    Raises:
        DaemonError: it is meant to be there, and is not.
    """
    if source.transport is not Transport.ANY:
        return source.transport is Transport.DAEMON
    # A digest names the same content everywhere; the registry has all of it, with its signatures.
    if inputs.pull or inputs.demands_signature or reference.digest or not has_daemon(job.environ):
        return False
    if job.daemon().has_image(_in_daemon(reference)):
        return True
    if source.names_registry:
        job.say(f"{reference} is not in the daemon: taking it from {reference.registry}")
        return False
    advice = f"`docker://{source}` is the one on Docker Hub"
    raise DaemonError(f"there is no image {quoted(source)} in the daemon; was it built there? {advice}")


def _in_daemon(reference: Reference) -> str:
    """Return the name of one image there: asked for a name alone, an engine saves all tags of it."""
    return str(reference if reference.tag or reference.digest else reference.with_tag("latest"))


def from_daemon(reference: Reference, folder: Path, job: Job, regctl: Regctl) -> str:
    """Put the daemon's image into a layout in `folder` and return its digest.

    All platforms are kept if the daemon has them, which only the containerd image store can.

    Raises:
        DaemonError: it cannot be had, or is not the only one that the daemon gives.
        ToolError: the daemon has a part of it only.
    """
    daemon = job.daemon()
    archive, name = folder.with_suffix(".tar"), _in_daemon(reference)
    with archive.open("wb") as stream:
        stream.writelines(daemon.save(name))

    def check_one() -> None:
        if (images := len({each.id for each in read_archive(archive).entries})) > 1:
            raise DaemonError(f"the daemon gave {images} images for {name}, which names one")

    def loaded() -> str:
        check_one()  # of several, regctl takes the first, or finds none
        return layout_digest(folder, "image")

    try:
        regctl.load(archive, None, folder)
        digest = job.digest(archive.name, loaded)
    except ToolError as error:
        check_one()
        raise ToolError(
            f"{error}; the daemon may hold only a part of {reference}, as after pulling one platform of "
            'several: pull: "true" copies all of it from its registry'
        ) from None
    archive.unlink()
    if daemon.has_containerd_store:
        return digest
    regctl.compress(folder)
    return job.digest(reference, lambda: layout_digest(folder, "image"))


def from_files(path: Path, name: str | None, folder: Path, job: Job, regctl: Regctl) -> str:
    """Make a layout or an archive available as a layout in `folder` and return the image's digest.

    Raises:
        Error: the image is not there, or several are and `name` does not tell which one.
    """
    if path.is_dir():
        folder.symlink_to(path)  # regctl knows fewer characters in a path than a workspace may have
        return layout_digest(folder, name)
    archive = read_archive(path)
    image = choose(archive.entries, name, path)
    if archive.is_layout and len(archive.entries) > 1:
        unpack(path, folder)  # regctl finds fewer names, and takes the first image where it finds none
        return image.id
    if len(archive.entries) > 1 and not image.names:
        raise Error(f"{path} holds {len(archive.entries)} images, and the one that is meant has no name")
    return load(path, image.names[0] if len(archive.entries) > 1 else None, folder, job, regctl)


def load(path: Path, name: str | None, folder: Path, job: Job, regctl: Regctl) -> str:
    """Let regctl turn an archive into a layout in `folder`, and return the image's digest."""
    regctl.load(path, name, folder)
    return job.digest(path.name, lambda: layout_digest(folder, "image"))
