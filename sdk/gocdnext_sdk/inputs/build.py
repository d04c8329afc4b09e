"""One build of an image: what a builder is given, and what is said of it afterwards."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from gocdnext_sdk.errors import Findings, RegistryError, ToolError
from gocdnext_sdk.inputs.image_build import ImageBuildInputs
from gocdnext_sdk.inputs.image_metadata import SOURCE_DATE, source_date
from gocdnext_sdk.oci.platforms import matches
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.runtime.exposure import Exposure
from gocdnext_sdk.secret import Secret
from gocdnext_sdk.tools import dockerignore
from gocdnext_sdk.tools.buildkit.arguments import BuildArg

if TYPE_CHECKING:
    from gocdnext_sdk.oci.client import RegistryClient
    from gocdnext_sdk.runtime.job import Job

_SECRETS_OTHERWISE = "`secret-envs` gives a build a secret that it does not keep"

Inputs = TypeVar("Inputs", bound=ImageBuildInputs)
"""What its builder takes."""


@dataclass(frozen=True)
class Build(Generic[Inputs]):
    """One build of an image: what its builder is given, and what is said of it. Builders add their `command`.

    Args:
        inputs: the plugin's.
        job: what the build may touch.
    """

    inputs: Inputs
    job: Job

    @cached_property
    def arguments(self) -> tuple[BuildArg, ...]:
        """The build arguments."""
        return self.inputs.arguments(self.job.environ)

    @property
    def environ(self) -> dict[str, str | Secret]:
        """The builder's own variables: the date, the arguments it takes by name, and the build secrets."""
        by_name = {each.key: each.value for each in self.arguments if each.by_name}
        return {**self._date(), **by_name, **self.inputs.secret_environ(self.job.environ)}

    def _date(self) -> dict[str, str]:
        date = source_date(self.job.environ, self.job.ci)
        return {} if date is None else {SOURCE_DATE: str(date)}  # whatever the job's own looks like

    @cached_property
    def targets(self) -> tuple[Reference, ...]:
        """Every reference that is published, in the order given."""
        return self.inputs.targets(self.job.ci)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, `KEY=VALUE`."""
        return self.inputs.all_labels(self.job.environ, self.job.ci)

    @property
    def context(self) -> Path:
        """The folder that is built from, absolute, links followed."""
        return (self.job.workspace / self.inputs.context).resolve()

    @cached_property
    def dockerfile(self) -> Path:
        """The Dockerfile, with a `.dockerignore` beside it if the context's own would not do."""
        path = self.inputs.find_dockerfile(self.job.workspace)
        found = dockerignore.find(path, self.context)
        given = dockerignore.parse(dockerignore.read(found)) if found else ()
        patterns = self.ignored(given)
        if patterns == given:
            return path
        folder = self.job.scratch() / "build"
        try:
            return dockerignore.stage(path, patterns, folder)
        except OSError as error:  # a /dev/shm of a few kB
            raise ToolError(
                f"{folder.parent} does not take a copy of the Dockerfile: {error.strerror}",
                "give the job a larger /dev/shm",
            ) from None

    def ignored(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Return what stays out of the build.

        Args:
            patterns: of the `.dockerignore`.
        """
        written = self._written if self.inputs.output else ()
        ours = (each for path in written for each in dockerignore.alone(path, self.context))
        return (*patterns, *ours, *dockerignore.of_the_platform(self.job.environ, self.context))

    @property
    def _written(self) -> Iterator[Path]:
        """Where `output` and what comes before it is: in the context it would make each build another one."""
        yield from (self.staged, self.staged_archive)
        if self.inputs.output:
            yield self.job.workspace / self.inputs.output.path

    def subject(self, platforms: Sequence[str]) -> str:
        """Return what is built, as messages and plans call it: jobs for one platform each differ in that."""
        name = str(self.inputs.image[0])
        return f"{name} for {platforms[0]}" if len(platforms) == 1 else name

    @contextmanager
    def pushing(self) -> Iterator[None]:
        """Let a builder push in the block. If it fails at that, tell where the tags are: it sets one by one.

        Raises:
            ToolError: the builder's, with the tags.
        """
        try:
            yield
        except ToolError as error:
            from gocdnext_sdk.tools import push_failures

            if not push_failures.is_one(error):
                raise
            raise push_failures.explained(error, self.targets, self.registry) from None

    @cached_property
    def registry(self) -> RegistryClient:
        """A client with the logins of the build."""
        return self.job.registry(self.inputs.all_credentials, self.inputs.insecure_registries)

    @property
    def staged(self) -> Path:
        """The directory that a builder writes an OCI image layout to: on the file system of `output`."""
        return self.job.workspace / ".gocdnext-image"

    @property
    def staged_archive(self) -> Path:
        """The same for an archive, of builders that write one only."""
        return self.staged.with_suffix(".tar")

    @property
    def is_staged(self) -> bool:
        """Whether the builder writes to `staged` or `staged_archive`."""
        return self.inputs.output is not None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let a builder write to `staged` or `staged_archive` in the block; neither is there after it.

        Jobs that share a workspace, as parallel steps do elsewhere, do so one after the other: the image of
        one would get the tags of the other.
        """
        with ExitStack() as held:
            if self._is_free(held):
                self._remove_staged()  # what a killed job left would be built from, too
            if self.is_staged:
                held.callback(self._remove_staged)
            else:
                held.close()
            yield

    def _is_free(self, held: ExitStack) -> bool:
        """Lock the workspace until `held` closes; wait for that if this job stages.

        Returns:
            Whether no other job stages there; on file systems without locks, none is seen.
        """
        workspace = os.open(self.job.workspace, os.O_RDONLY)
        held.callback(os.close, workspace)
        try:
            fcntl.flock(workspace, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not self.is_staged:
                return False
            self.job.say("waiting for another job, which builds an image in this workspace")
            fcntl.flock(workspace, fcntl.LOCK_EX)
        except OSError:
            pass
        return True

    def _remove_staged(self) -> None:
        """Remove what is in the way of what is built, whatever the checkout has there; follow no link.

        Raises:
            ToolError: it cannot be removed.
        """
        for path in (self.staged, self.staged_archive):
            try:
                if stat.S_ISDIR(path.lstat().st_mode):
                    import shutil

                    shutil.rmtree(path)
                else:
                    path.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                what = f"{path.name} is in the way, and cannot be removed: {error.strerror}"
                raise ToolError(what, "remove it from the checkout") from None

    def written(self, read: Callable[[], Path]) -> dict[str, str]:
        """Put an image into `output`, say so, and return the outputs.

        Args:
            read: returns the layout that the builder has written.

        Raises:
            Findings: the image holds secrets of the job; nothing was written.
            ToolError: the builder has written no image.
            Error: `output` cannot be written.
        """
        inputs, output = self.inputs, self.inputs.output
        if output is None:
            raise ValueError("no `output` was asked for")
        from gocdnext_sdk.oci.layout import layout_digest
        from gocdnext_sdk.oci.layout_registry import LayoutRegistry

        def write() -> str:
            layout = read()
            found = self._secrets_in(layout_digest(layout, None), LayoutRegistry(layout).client())
            if found:
                what = f"the image holds secrets of the job, and is not written: {'; '.join(found)}"
                raise Findings(what, _SECRETS_OTHERWISE)
            return output.write(layout, inputs.names(self.job.ci), self.job.workspace)

        digest = self.job.digest(inputs.main.name, write)
        self.job.say(f"wrote {output}, which is {digest}; nothing was pushed")
        return inputs.named() | {"DIGEST": digest, "IMAGE_DIGEST": digest, "FILE": str(output)}

    def kept(self) -> dict[str, str] | None:
        """Take the image that immutable tags name already, if there is one; return the outputs then.

        Its other tags are set to it.

        Raises:
            Findings: one is there, and `existing` is not `keep`; nothing was built.
            RegistryError: it cannot be found out, or an image's repository does not have it.
        """
        inputs = self.inputs
        if not (inputs.is_pushed and (inputs.immutable_tags or inputs.existing)):
            return None
        found = {target: self.registry.find(target) for target in self.targets if inputs.immutable(target)}
        digest = inputs.keeps({target: now.digest if now else None for target, now in found.items()})
        if digest is None:
            return None
        self.job.say(f"{digest} is there already, and kept: nothing is built")
        for image in inputs.repositories:
            if self.registry.find(image.with_digest(digest)) is None:
                advice = "docker-push copies it there"
                raise RegistryError(f"{image.name} does not have {digest}, which is to be kept; {advice}")
        self.set_tags(digest)
        self._read_back(digest, self.targets)
        return inputs.published(digest, self.targets)

    def set_tags(self, digest: str) -> None:
        """Let every tag point to what all repositories have.

        Raises:
            Findings: an immutable one would move; none has been moved then.
            RegistryError: one is refused, with where the tags are. Those that moved are put back; one that is
                new stays, since few registries can delete a tag.
        """
        from gocdnext_sdk.oci.tags import set_tags

        set_tags(
            self.targets,
            digest,
            self.registry,
            self.job.say,
            lambda before: self.inputs.check_before_moving(before, digest),
            self.job.cleanup,
        )

    @cached_property
    def pushes_by_digest(self) -> bool:
        """Whether a builder that sets one tag after the other leaves that to us: all content goes first then.

        A single tag is set after its content by any builder, but not with another look at an immutable one.
        Where none of our logins fits, as with a cloud's identity that only the builder knows, it has to push
        by itself.

        Raises:
            RegistryError: a login of the job is refused; nothing was built.
        """
        if not self.inputs.is_pushed:
            return False
        if len(self.targets) < 2 and not any(map(self.inputs.immutable, self.targets)):
            return False
        try:
            for image in self.inputs.repositories:
                self.registry.check_push(image)
        except RegistryError as error:
            if self.inputs.all_credentials:
                raise
            self.job.warn(f"tags are set one by one, each with its content: {error}")
            return False
        return True

    def push_staged(self, tries: int) -> dict[str, str]:
        """Push what a builder wrote to `staged` to all repositories, then set the tags; return the outputs.

        A candidate gets no tags.

        Args:
            tries: how often a blob is sent.

        Raises:
            Findings: as `pushed`.
            RegistryError: a repository does not take the content or a tag, or as `pushed`.
            ToolError: the builder has written no image.
        """
        from gocdnext_sdk.oci.layout import layout_digest
        from gocdnext_sdk.oci.upload import push

        def upload() -> str:
            digest = layout_digest(self.staged, None)
            for image in self.inputs.repositories:
                push(self.staged, image.with_digest(digest), self.registry, tries=tries)
                self.job.say(f"{image.with_digest(digest)} is complete")
            return digest

        digest = self.job.digest(self.subject(self.inputs.platforms), upload)
        if self.inputs.push_by_digest:
            return self.pushed(digest, ())
        self.set_tags(digest)
        return self.pushed(digest, self.targets)

    def built(self) -> dict[str, str]:
        """Say that nothing was pushed, and what is not used for that reason; return the outputs."""
        if unused := self.inputs.unused:
            self.job.say(f'not used, since push is "false": {", ".join(unused)}')
        self.job.say(f"built {self.inputs.main.name}; nothing was pushed")
        return self.inputs.named()

    def pushed(self, digest: str, targets: Sequence[Reference]) -> dict[str, str]:
        """Say what was pushed, and return the outputs.

        Args:
            digest: of what was pushed.
            targets: the tags it was pushed under; none for a candidate.

        Raises:
            Findings: the image holds secrets of the job; it is there, and the outputs name it.
            RegistryError: it cannot be read back, or a tag or a platform is not as it was pushed.
        """
        inputs = self.inputs
        for image in inputs.repositories:  # first, so that it is told whatever comes of reading it back
            tags = [str(target.tag) for target in targets if target.name == image.name]
            names = f"the tags {', '.join(tags)}" if tags else "no tag"
            self.job.say(f"pushed {image.with_digest(digest)} with {names}")
        readable = self._read_back(digest, targets)
        published = inputs.published(digest, targets)
        found = self._secrets_in(digest, self.registry) if readable else ()
        if found:
            self.job.output(**published)  # nothing is deleted
            raise Findings(
                f"{inputs.main.with_digest(digest)} holds secrets of the job: {'; '.join(found)}",
                f"change them, and delete the image: who can pull it has them. {_SECRETS_OTHERWISE}",
            )
        return published

    def _secrets_in(self, digest: str, registry: RegistryClient) -> tuple[str, ...]:
        """Return which of the job's secrets an image holds, each with its place.

        Args:
            digest: of the image.
            registry: reads it.
        """
        secrets = self.inputs.secrets(self.job.environ, self.job.workspace)
        if not secrets:
            return ()
        from gocdnext_sdk.oci.published import TooLarge, said_by

        image = self.inputs.main.with_digest(digest)
        known = Exposure(secrets)
        found: dict[str, None] = {}
        for said in said_by(image, registry):
            if isinstance(said, TooLarge):
                self.job.warn(f"{said.where} of {image} was not searched for secrets: {said.size} bytes")
                continue
            for name in known.held_in(said.text):
                found[f"{name} in its {said.where}"] = None
        return tuple(found)

    def _read_back(self, digest: str, targets: Sequence[Reference]) -> bool:
        """Check that every tag is what was pushed, and that the platforms are in it.

        Returns:
            Whether it can be read; a builder may log in by itself, with a cloud's identity, where we cannot.

        Raises:
            RegistryError: one is not.
        """
        inputs = self.inputs
        several = inputs.repositories if len(inputs.platforms) > 1 else ()
        try:
            found = [(target, self.registry.find(target, assumed=digest)) for target in targets]
            right = all(now is not None and now.digest == digest for _, now in found)
            images = [image.with_digest(digest) for image in several] if right else []
            entries = {image: self.registry.platforms(image) for image in images}
        except RegistryError as error:
            if not inputs.all_credentials:
                self.job.warn(f"what was pushed is not read back: {error}")
                return False
            raise RegistryError(f"{digest} was pushed, and not read back: {error}") from None
        if not right:
            from gocdnext_sdk.oci.tags import places

            what = f"{digest} was pushed, and not every tag is it: {places(found)}"
            raise RegistryError(what, "did another job move one?")
        for image, each in entries.items():
            there = [entry.platform for entry in each]
            lacking = [
                wanted for wanted in inputs.platforms if not any(matches(p, wanted) for p in there if p)
            ]
            if there and lacking:
                raise RegistryError(f"{image} has no image for {', '.join(lacking)}")
        return True
