"""The docker-push plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self

from gocdnext_sdk import (
    Boolean,
    BranchTags,
    Credential,
    Credentials,
    DaemonError,
    DaemonUse,
    Findings,
    Input,
    Job,
    Plugin,
    Problem,
    Publishes,
    Reads,
    Reference,
    References,
    Registry,
    RegistryClient,
    RegistryError,
    RegistryLoginInputs,
    RequiredIf,
    RequiredTogether,
    Secret,
    ToolError,
    Words,
)
from gocdnext_sdk.inputs.image_signature import ImageSignatureInputs
from gocdnext_sdk.oci.source import Source, Transport, layout_digest
from gocdnext_sdk.tools.cosign import KMS
from gocdnext_sdk.tools.regctl import CONFIG_VARIABLE, Host, Regctl, configuration, layout

SOURCE_HOST = Registry("source.invalid")
"""Regctl's second name for a target's registry, where the source is read there with a login of its own."""

TAG_PATTERN = re.compile(r"(?:[\w.*?-]|\[!?[\w.-]+\])+", re.ASCII)
"""What can fit a tag, as fnmatch reads it."""


@dataclass(frozen=True)
class Logins:
    """Who reads the source, and who writes the targets; each login for its host only."""

    source: Credentials
    targets: Credentials


class DockerPushInputs(ImageSignatureInputs, RegistryLoginInputs):
    """The `with:` map."""

    action: Literal["push", "delete-tag"] = Input(
        "push",
        description="`push` publishes `source` under the tags. `delete-tag` removes them, and no other tag "
        "on their digest; with a digest in `source`, only while they still point to it.",
    )
    source: Source | None = Input(
        None,
        description="The image: a reference (of the daemon if the job has one with that image, else of its "
        "registry), `docker://REF`, `docker-daemon:REF`, or workspace files: `oci:FOLDER[:NAME]`, "
        "`oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`, or a path such as `./dist/app.tar`.",
    )
    target: References = Input(
        description="Where to publish, one or several, e.g. `ghcr.io/org/app`. A tag in it is published "
        "beside `tags`."
    )
    tags: BranchTags = Input(
        "latest",
        description="Tags, one a line or with commas or blanks between; a slash (of a branch name) becomes a "
        "dash. The default does not count for a target that has a tag, nor for `delete-tag`.",
    )
    pull: Boolean = Input(
        "false", description="Take a plain reference from its registry, even if the daemon has such an image."
    )
    source_username: str | None = Input(
        None,
        description="User name at the source's registry, sent nowhere else. Without it, `username` is used "
        "if the source is at the same registry as the target.",
    )
    source_password: Secret | None = Input(
        None, description="Password or token for `source-username`. Give it through the job's `secrets:`."
    )
    docker_config: Secret | None = Input(
        None,
        description="Further logins, as the text of a Docker config.json: for targets at several registries.",
        examples=['{"auths": {}}'],
        login=True,
    )
    immutable_tags: Words = Input(
        "",
        description="Patterns, such as `v*.*.*`, of tags that are created but never moved to another digest. "
        "The same digest is success. `delete-tag` refuses them.",
    )

    constraints = (
        RequiredIf("source", "action", "push"),
        RequiredTogether("source-username", "source-password"),
    )

    @property
    def targets(self) -> tuple[Reference, ...]:
        """Every tag that is published or deleted, in the order given."""
        given = "tags" in self.model_fields_set
        return tuple(
            dict.fromkeys(
                target.with_tag(tag)
                for target in self.target
                for tag in (target.tag, *(self.tags if given or not target.tag else ()))
                if tag
            )
        )

    @property
    def repositories(self) -> tuple[Reference, ...]:
        """The targets without tags, each once."""
        return tuple(dict.fromkeys(replace(target, tag=None) for target in self.target))

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registries of the targets, each once."""
        return tuple(dict.fromkeys(target.registry for target in self.target))

    def logins(self, environ: Mapping[str, str]) -> Logins:
        """Return the logins of the job; without any, those of the user's own Docker configuration."""
        further = Credentials.parse(self.docker_config) if self.docker_config else Credentials()
        given = Credentials((*further, *self.credentials(self.registries[0])))
        targets = given or Credentials.ambient(environ)
        reference = self.source.reference if self.source else None
        if reference is None or self.source_username is None or self.source_password is None:
            return Logins(targets, targets)
        own = Credential(reference.registry, self.source_username, self.source_password)
        return Logins(Credentials((*targets, own)), targets)

    def check(self, environ: Mapping[str, str]) -> Iterable[Problem]:
        """Check what two inputs must agree on."""
        yield from super().check(environ)
        for target in self.target:
            if target.digest:
                yield Problem("target", f'"{target}" has a digest', "give the repository, and tags")
        untagged = any(target.tag is None for target in self.target)
        if self.action == "delete-tag" and untagged and "tags" not in self.model_fields_set:
            yield Problem("tags", "is missing or empty, and action: delete-tag needs it", "name the tags")
        yield from self._check_immutable_tags()
        yield from self._check_logins()
        if self.source is not None and self.action == "push":
            yield from self._check_source(self.source, environ)

    def _check_immutable_tags(self) -> Iterator[Problem]:
        for pattern in self.immutable_tags:
            if not TAG_PATTERN.fullmatch(pattern):
                what = f'"{pattern}" fits no tag'
                yield Problem("immutable-tags", what, 'write it as "v*.*.*" or "[0-9]*"')
        if self.action == "delete-tag":
            for tag in dict.fromkeys(str(target.tag) for target in self.targets):
                if pattern := fitting(self.immutable_tags, tag):
                    what = f'"{tag}" is not to be deleted: immutable-tags has "{pattern}"'
                    yield Problem("tags", what, "take the tag or the pattern out")

    def _check_logins(self) -> Iterator[Problem]:
        if self.docker_config is not None:
            try:
                Credentials.parse(self.docker_config)
            except ValueError as error:
                yield Problem.of("docker-config", error)
        if self.username is None:
            return
        hosts = ", ".join(map(str, self.registries))
        if self.registry is None and len(self.registries) > 1:
            yield Problem(
                "registry",
                f"is missing, and the targets are at {hosts}: one login cannot be for all of them",
                "say which one `username` is for, and give the others in `docker-config`",
            )
        source = self.source.reference if self.source else None
        if self.registry not in (None, *self.registries, source and source.registry):
            yield Problem("registry", f'no image is at "{self.registry}"', f"the target's is {hosts}")

    def _check_source(self, source: Source, environ: Mapping[str, str]) -> Iterator[Problem]:
        path = Path(source.path or "")
        if source.transport is Transport.FILES and not path.exists():
            yield Problem("source", f'there is no "{source.path}" in the workspace')
        elif source.transport is Transport.FILES and not (path.is_dir() or path.is_file()):
            yield Problem("source", f'"{source.path}" is neither a folder nor a file')
        unclear = source.transport is Transport.ANY and not (self.pull or source.names_registry)
        if self.demands_signature and (unclear or source.transport in (Transport.DAEMON, Transport.FILES)):
            yield Problem("source", f'"{source}" carries no signature', "only an image in a registry does")
        elif unclear and not has_daemon(environ):
            yield Problem(
                "source",
                f'"{source}" names no registry, and the job has no daemon',
                f"write `docker: true` on the job, or `docker://{source}` for the image on Docker Hub",
            )


@dataclass(frozen=True)
class Content:
    """What is published.

    Args:
        location: where regctl finds it, with its digest.
        digest: of its index or manifest.
        origin: where it comes from, with its digest, for people.
        reference: the same in a registry, if it is in one.
    """

    location: str
    digest: str
    origin: str
    reference: Reference | None = None


@dataclass(frozen=True)
class Registries:
    """How the job gets at both ends.

    Args:
        logins: who it is there.
        source: reads the source's registry.
        targets: reads those of the targets, and sets tags.
        regctl: knows all of them.
    """

    logins: Logins
    source: RegistryClient
    targets: RegistryClient
    regctl: Regctl

    def missing(self, target: Reference, belonging: frozenset[str]) -> frozenset[str]:
        """Return what a target lacks although the image itself is there.

        Args:
            target: the image there.
            belonging: what belongs to it beside its own children, as regctl names it.
        """
        attached = belonging and belonging - self.regctl.attached(str(target))
        return attached.union(self.targets.absent(target))

    @classmethod
    def of(cls, inputs: DockerPushInputs, job: Job) -> Self:
        """Return those of a job, its logins masked."""
        logins = inputs.logins(job.environ)
        for login in (*logins.source, *logins.targets):
            job.mask(login.password)
            job.mask(login.basic)
        config = job.secret_file(configuration(regctl_hosts(inputs, logins)), "regctl.json")
        regctl = Regctl(job.tool("regctl", env={CONFIG_VARIABLE: config}))
        return cls(logins, job.registry(logins.source), job.registry(logins.targets), regctl)


class DockerPush(Plugin[DockerPushInputs]):
    """Publish an image that exists already: from the daemon, from files, or from one registry to others.

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
        "SOURCE": "The source, with its digest.",
        "TARGET": "The first target with its first tag.",
        "PREVIOUS": "Every tag of every target with the digest it pointed to before, empty for a new one: "
        "`ghcr.io/org/app:v1=sha256:…,ghcr.io/org/app:latest=`.",
    }

    publishes = Publishes("target", tags="tags", when={"action": "push"})
    reads = (Reads("source", without_daemon=True), Reads("source", when={"pull": "true"}))
    daemon = DaemonUse("maybe")
    variables = ("DOCKER_", *(prefix for each in KMS.values() for prefix in each))

    def run(self, inputs: DockerPushInputs, job: Job) -> Mapping[str, str]:
        """Copy content, then move tags; or delete tags."""
        registries = Registries.of(inputs, job)
        first = inputs.targets[0]
        tags = ",".join(str(target.tag) for target in inputs.targets if target.name == first.name)
        if inputs.action == "delete-tag":
            self._delete_tags(inputs, job, registries)
            return {"IMAGE": first.name, "TAGS": tags}
        with self._content(inputs, job, registries) as content:
            if inputs.demands_signature and content.reference is not None:
                inputs.verify_signature(job, content.reference, registries.logins.source)
            if inputs.immutable_tags:
                current = find_tags(registries.targets, inputs.targets)
                refuse_moves(inputs.immutable_tags, current, content.digest)
            self._copy(inputs, content, job, registries)
        self._move_tags(inputs, content.digest, job, registries.targets)
        job.say(f"published {content.digest} as {', '.join(map(str, inputs.targets))}")
        return {
            "IMAGE": first.name,
            "DIGEST": content.digest,
            "REFERENCE": str(first.with_digest(content.digest)),
            "TAGS": tags,
            "PROMOTED_DIGEST": content.digest,
            "SOURCE": content.origin,
            "TARGET": str(first),
        }

    @contextmanager
    def _content(self, inputs: DockerPushInputs, job: Job, registries: Registries) -> Iterator[Content]:
        """Find the source and its digest; what is in no registry is a layout on disk while the block runs."""
        source = inputs.source
        if source is None:
            raise AssertionError("a constraint demands it")
        reference = source.reference
        if reference is not None and not is_in_daemon(inputs, source, reference, job):
            digest = reference.digest or registries.source.resolve(reference).digest
            pinned = reference.with_digest(digest)
            if reference.digest is None:
                job.say(f"{source} is {digest}")
            location = regctl_name(pinned, inputs, registries.logins)
            yield Content(str(location), digest, str(pinned), pinned)
            return

        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="gocdnext-") as scratch:
            folder, regctl = Path(scratch) / "layout", registries.regctl
            if reference is None:
                digest = from_files(job.workspace / (source.path or ""), source.name, folder, job, regctl)
            else:
                digest = from_daemon(reference, folder, job, regctl)
            job.say(f"{source} is {digest}")
            yield Content(f"{layout(folder)}@{digest}", digest, f"{source}@{digest}")

    def _copy(self, inputs: DockerPushInputs, content: Content, job: Job, registries: Registries) -> None:
        """Copy everything to all targets, without a tag, and read it back.

        Raises:
            RegistryError: a target does not have all of it.
        """
        regctl, there = registries.regctl, registries.targets
        targets = [repository.with_digest(content.digest) for repository in inputs.repositories]
        if content.reference in targets:
            targets.remove(content.reference)
            if absent := there.absent(content.reference):
                raise RegistryError(f"{content.reference} names what is not there: {', '.join(absent)}")
        if not targets:
            return
        with ExitStack() as copies:
            for target in targets:
                copies.enter_context(regctl.copying(content.location, target))
            # Meanwhile, what a copy would also run into is said in plainer words and ends all of them.
            if content.reference is not None:
                registries.source.resolve(content.reference)
            find_tags(there, inputs.targets)
            belonging = regctl.attached(content.location)
        for target in targets:
            if registries.missing(target, belonging):
                # Regctl passes over what is there without a look at what that names: a platform that was
                # deleted since; or, where there is no referrers API and a copy was killed, a signature that
                # the index of referrers does not name.
                regctl.mend(content.location, target)
                if missing := registries.missing(target, belonging):
                    raise RegistryError(f"{target}: did not arrive: {', '.join(sorted(missing))}")
            more = f", {len(belonging)} signatures and attestations with it" if belonging else ""
            job.say(f"{target} is complete{more}")

    def _move_tags(self, inputs: DockerPushInputs, digest: str, job: Job, registry: RegistryClient) -> None:
        """Let the tags point to the digest.

        Raises:
            Findings: an immutable one would move; none has been moved then.
            RegistryError: one is refused, or points elsewhere afterwards.
        """
        previous = find_tags(registry, inputs.targets)  # again: the copy may have taken minutes
        refuse_moves(inputs.immutable_tags, previous, digest)
        job.output(PREVIOUS=describe(previous))
        moved: list[str] = []
        for target, before in previous.items():
            if before == digest:
                job.say(f"{target} is there already")
                continue
            try:
                registry.tag(target.with_digest(digest), str(target.tag))
            except RegistryError as error:
                raise RegistryError(f"{error}; moved before that: {', '.join(moved) or 'no tag'}") from None
            moved.append(str(target))
            job.say(f"{target}: {before or 'new'} -> {digest}")
        for target, now in find_tags(registry, inputs.targets, assumed=digest).items():
            if now != digest:
                raise RegistryError(f"{target} is {now or 'gone'} now; did another job move it too?")

    def _delete_tags(self, inputs: DockerPushInputs, job: Job, registries: Registries) -> None:
        """Delete the tags. One that is gone already, or points elsewhere by now, is success.

        Raises:
            RegistryError: the registry cannot, or does not let this user.
        """
        expected = inputs.source.reference.digest if inputs.source and inputs.source.reference else None
        previous = find_tags(registries.targets, inputs.targets, assumed=expected or "its digest")
        job.output(PREVIOUS=describe(previous))
        for target, before in previous.items():
            if before is None:
                job.say(f"{target} is not there")
            elif expected not in (None, before):
                job.say(f"{target} is left alone: it is {before} by now")
            else:
                deleted = registries.regctl.delete_tag(target)
                after = registries.targets.find(target)
                if not deleted or after is not None:
                    raise RegistryError(not_deleted(target, before, after.digest if after else None))
                job.say(f"deleted {target}, which was {before}")


def has_daemon(environ: Mapping[str, str]) -> bool:
    """Tell whether the job was given a Docker daemon, as `docker: true` does (docs/contract.md §7.4)."""
    return bool(environ.get("DOCKER_HOST"))


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
    if job.daemon().has_image(str(reference)):
        return True
    if source.names_registry:
        job.say(f"{reference} is not in the daemon: taking it from {reference.registry}")
        return False
    advice = f"`docker://{source}` is the one on Docker Hub"
    raise DaemonError(f'there is no image "{source}" in the daemon; was it built there? {advice}')


def from_daemon(reference: Reference, folder: Path, job: Job, regctl: Regctl) -> str:
    """Put the daemon's image into a layout in `folder` and return its digest.

    All platforms are kept if the daemon has them, which only the containerd image store can.

    Raises:
        DaemonError: it cannot be had.
        ToolError: the daemon has a part of it only.
    """
    daemon = job.daemon()
    archive = folder.with_suffix(".tar")
    with archive.open("wb") as stream:
        stream.writelines(daemon.save(str(reference)))
    try:
        digest = from_files(archive, None, folder, job, regctl)
    except ToolError as error:
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
    """Make a layout or an archive available as a layout in `folder` and return the image's digest."""
    if path.is_dir():
        folder.symlink_to(path)  # regctl knows fewer characters in a path than a workspace may have
        return layout_digest(folder, name)
    regctl.load(path, name, folder)
    return job.digest(path.name, lambda: layout_digest(folder, "image"))


def regctl_hosts(inputs: DockerPushInputs, logins: Logins) -> dict[str, Host]:
    """Return the registries of the job, by the names that regctl knows them by."""
    hosts = {each.host: Host(each, logins.targets.get(each)) for each in inputs.registries}
    reference = inputs.source.reference if inputs.source else None
    if reference is not None:
        name = regctl_name(reference, inputs, logins).registry.host
        hosts[name] = Host(reference.registry, logins.source.get(reference.registry))
    return hosts


def regctl_name(source: Reference, inputs: DockerPushInputs, logins: Logins) -> Reference:
    """Return the source as regctl knows it: one registry with two logins has two names."""
    registry = source.registry
    if registry in inputs.registries and logins.source.get(registry) != logins.targets.get(registry):
        return replace(source, registry=SOURCE_HOST)
    return source


def find_tags(
    registry: RegistryClient, targets: Iterable[Reference], *, assumed: str | None = None
) -> dict[Reference, str | None]:
    """Return the digest each tag points to now; None for one that does not exist.

    Args:
        registry: where to look.
        targets: the tags.
        assumed: what a plan, which asks no registry, takes for the answer.
    """
    found = ((target, registry.find(target, assumed=assumed)) for target in targets)
    return {target: descriptor.digest if descriptor else None for target, descriptor in found}


def fitting(patterns: Iterable[str], tag: str) -> str | None:
    """Return the pattern that a tag fits."""
    return next((each for each in patterns if fnmatchcase(tag, each)), None)


def refuse_moves(patterns: Iterable[str], current: Mapping[Reference, str | None], digest: str) -> None:
    """Check that no immutable tag would move.

    Args:
        patterns: of immutable tags.
        current: where the tags point.
        digest: where they are to point.

    Raises:
        Findings: one would; nothing has been moved.
    """
    for target, now in current.items():
        pattern = fitting(patterns, str(target.tag))
        if pattern is not None and now not in (None, digest):
            raise Findings(
                f'{target} is {now} and must not become {digest}: immutable-tags has "{pattern}"; no tag was '
                "moved. Publish under a new tag, or take the pattern out"
            )


def describe(previous: Mapping[Reference, str | None]) -> str:
    """Return where tags pointed, as one line for the outputs."""
    return ",".join(f"{target}={digest or ''}" for target, digest in previous.items())


def not_deleted(target: Reference, before: str, after: str | None) -> str:
    """Say why a tag could not be deleted, and what to do by hand."""
    registry = target.registry
    by_hand = f"delete it in the web page of {registry}"
    if registry.host == "ghcr.io":
        package = target.repository.partition("/")[2].replace("/", "%2F")
        by_hand += f", or with `gh api -X DELETE /user/packages/container/{package}/versions/ID`"
    if after == before:
        return f"{registry} did not let {target} be deleted; may this user delete? If it may: {by_hand}"
    now = "an empty manifest" if after else "nothing"
    return f"{registry} cannot delete tags: {target} was {before} and points to {now} now; {by_hand}"


if __name__ == "__main__":
    DockerPush.main()
