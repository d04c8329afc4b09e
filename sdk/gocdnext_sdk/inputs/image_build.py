"""The inputs of all that builds an image from a Dockerfile, whichever builder does it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import WithJsonSchema

from gocdnext_sdk.errors import Invalid, Problem, closest, quoted
from gocdnext_sdk.inputs.constraints import Always, Constraint, OnlyWith, RequiredTogether
from gocdnext_sdk.inputs.image_metadata import Annotations, check_literal, check_once, labels
from gocdnext_sdk.inputs.image_tags import TAGS, ImageTagInputs, TagRules
from gocdnext_sdk.inputs.model import Input, traits, with_key
from gocdnext_sdk.inputs.public_texts import ARGUMENT, PULLED, check_public
from gocdnext_sdk.inputs.registry_login import Password, RegistryLoginInputs, UserName
from gocdnext_sdk.inputs.secret_contents import read_secret, secret_words
from gocdnext_sdk.inputs.types import (
    Boolean,
    Lines,
    Pairs,
    Platforms,
    References,
    WorkspacePath,
    from_text,
    in_workspace,
)
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.destination import Destination, Form
from gocdnext_sdk.oci.mirror import Mirror
from gocdnext_sdk.oci.platforms import check_platforms
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.runtime.ci import Ci
from gocdnext_sdk.runtime.exposure import Exposure, secrets_of
from gocdnext_sdk.secret import Secret
from gocdnext_sdk.tools import dockerfile
from gocdnext_sdk.tools.buildkit.arguments import STEERS_BUILDX, BuildArg, build_arguments
from gocdnext_sdk.tools.dockerfile import Dockerfile
from gocdnext_sdk.tools.dockerfile_images import Images, images, is_ours
from gocdnext_sdk.workspace import is_directory, is_file, is_in_workspace, read_text

if TYPE_CHECKING:
    from gocdnext_sdk.runtime.job import Job

BUILD_OUTPUTS = {
    "IMAGE": "The image's name, without a tag; the first one's, if there are several.",
    "IMAGES": "The names of all images, with commas between.",
    "DIGEST": "Digest of the index (of the manifest, for one platform) that was pushed or written.",
    "IMAGE_DIGEST": "As DIGEST, under the name that upstream's documentation uses.",
    "REFERENCE": "IMAGE@DIGEST: what to scan and to sign; when something was pushed.",
    "TAGS": "The tags of `IMAGE` that were pushed, with commas between.",
    "FILE": "With `output`: what was written, such as `oci:dist/app`, for docker-push's `source` and trivy's "
    "`archive`.",
}
"""What every image builder tells."""

ImageFiles = Annotated[Destination, in_workspace(Destination.parse), WithJsonSchema({"type": "string"})]
"""Where an image goes instead of a registry: a directory, or an archive."""


MirrorPlace = Annotated[Mirror, from_text(Mirror.parse), WithJsonSchema({"type": "string"})]
"""A pull-through mirror: a host with a path, or its URL."""


class ImageBuildInputs(ImageTagInputs, RegistryLoginInputs):
    """The inputs all image builders share."""

    image: References = Input(
        description='The image to publish, e.g. "ghcr.io/org/app", or several names for it, one per line. A '
        "tag in one is published beside `tags`, there only."
    )
    tags: TagRules = Input("", description=f"{TAGS} `latest` if neither this nor `image` has one.")
    dockerfile: WorkspacePath = Input(
        "Dockerfile",
        description="Path of the Dockerfile: looked up in `context` first, then in the workspace.",
    )
    context: WorkspacePath = Input(
        ".", description="Directory of the build context, relative to the workspace."
    )
    platforms: Platforms = Input("", description="Platforms to build for. The runner's own if not given.")
    build_args: Pairs = Input(
        "",
        description="Build arguments, one KEY=VALUE per line; commas, blanks and quotes belong to the value. "
        "A bare KEY takes its value from the job's environment.",
    )
    target: str | None = Input(None, description="The stage to build. The last one if not given.")
    labels: Lines = Input(
        "", description="Image labels, one KEY=VALUE per line. They win over those of `auto-labels`."
    )
    auto_labels: Boolean = Input(
        "true",
        description="Label the image with what is known of the run: `org.opencontainers.image.` `source`, "
        "`revision`, `version`, `created` (the date of the commit), `title` and `url`.",
    )
    annotations: Annotations = Input(
        "",
        description="Annotations, one KEY=VALUE per line, with the level before a colon: `manifest:` (the "
        "default), `index:`, `manifest-descriptor:`, several with commas, `manifest[linux/amd64]:` for one "
        "platform.",
    )
    reproducible: Boolean = Input(
        "false",
        description="Leave out times and whatever else differs, so that equal content has one digest.",
    )
    secret_envs: Pairs = Input(
        "",
        description="Build secrets, one ID=VARIABLE per line: the job's variable is mounted under that id.",
    )
    secret_files: Pairs = Input(
        "", description="Build secrets, one ID=PATH per line: the file is mounted under that id."
    )
    push: Boolean = Input(
        "true", description='"false" builds only: nothing is written to a registry, caches included.'
    )
    push_by_digest: Boolean = Input(
        "false",
        description="Publish a candidate: push content without any tag, so that it can be scanned and signed "
        "by `REFERENCE` before docker-push gives it its tags.",
    )
    output: ImageFiles | None = Input(
        None,
        description="Write the image to the workspace instead of pushing it: `dist/app` is a directory (OCI "
        "image layout), `dist/app.tar` an archive of one, `docker-archive:dist/app.tar` one that every "
        "`docker load` takes. Name it, or a directory above it, in the job's `artifacts`.",
    )
    mirror: MirrorPlace | None = Input(
        None,
        description='Pull-through mirror of docker.io for base images, e.g. "mirror.gcr.io" or '
        '"registry.example.com/dockerhub". Docker Hub is the fallback.',
    )
    mirror_username: UserName | None = Input(None, description="User name at the mirror.")
    mirror_password: Password | None = Input(None, description="Password or token at the mirror.")

    constraints: ClassVar[tuple[Constraint, ...]] = (
        RequiredTogether("mirror-username", "mirror-password"),
        OnlyWith(("mirror-username", "mirror-password"), "mirror"),
        Always("image", "dockerfile", "context", "platforms", "build-args", "target", "secret-envs"),
        Always("secret-files", "labels", "auto-labels", "annotations", "reproducible"),
        Always("push", "push-by-digest", "output", "mirror"),
    )

    about_the_push: ClassVar[tuple[str, ...]] = ("immutable-tags", "existing", "annotations")
    """What says how to publish, and has no effect where nothing is: one pipeline serves pull requests too."""

    built_by: ClassVar[str] = "buildx"
    """What messages call the tool that builds."""

    steers: ClassVar[re.Pattern[str]] = STEERS_BUILDX
    """Matches the variables that change what that tool itself does."""

    @property
    def needs_tag(self) -> bool:
        """Whether `tags` has to make one: `image` may have one, and what is not pushed needs none."""
        return self.is_pushed and not self.push_by_digest and self.has_untagged

    @property
    def is_pushed(self) -> bool:
        """Whether the image goes to a registry. Caches do too, without it, unless `push` is false."""
        return self.push and self.output is None

    @property
    def unused(self) -> tuple[str, ...]:
        """The inputs about the push that are given; where nothing is pushed, they are not used."""
        values = {key: getattr(self, key.replace("-", "_")) for key in self.about_the_push}
        return tuple(key for key, value in values.items() if value not in (None, (), "", "false"))

    @property
    def tags_note(self) -> str | None:
        """What to say of tags that a candidate does not get, None if there are none."""
        given = [key for key in ("tags", "flavor") if getattr(self, key)]
        given += [f"the tag {image.tag}" for image in self.image if image.tag]
        if not (self.push_by_digest and given):
            return None
        return f"not used for the push, since push-by-digest sets no tags: {', '.join(given)}"

    @property
    def has_untagged(self) -> bool:
        """Whether an image has no tag of its own."""
        return any(not image.tag for image in self.image)

    @property
    def main(self) -> Reference:
        """The first image without its tag: what the outputs name."""
        return self.repositories[0]

    @property
    def repositories(self) -> tuple[Reference, ...]:
        """The images without tags, each once."""
        return tuple(dict.fromkeys(replace(image, tag=None) for image in self.image))

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registries of the images, each once."""
        return tuple(dict.fromkeys(image.registry for image in self.image))

    def targets(self, ci: Ci) -> tuple[Reference, ...]:
        """Return every reference that is published in a run, in the order given."""
        return self.tagged(self.image, ci)

    def names(self, ci: Ci) -> tuple[Reference, ...]:
        """Return what the image is called in a run, where something names it: there is no `latest` then."""
        return self.targets(ci) if self.tags or not self.has_untagged else ()

    def all_labels(self, environ: Mapping[str, str], ci: Ci) -> tuple[str, ...]:
        """Return the labels of the image, those of the run included."""
        if not self.auto_labels:
            return self.labels
        names = self.names(ci)
        version = names[0].tag if names else None
        title = self.main.repository.rpartition("/")[2]
        return tuple(labels(self.labels, ci, version, title, environ))

    def published(self, digest: str, targets: Iterable[Reference]) -> dict[str, str]:
        """Return the `BUILD_OUTPUTS` of what was pushed.

        Args:
            digest: of what was pushed.
            targets: the tags it was pushed under.
        """
        return self.named() | {
            "DIGEST": digest,
            "IMAGE_DIGEST": digest,
            "REFERENCE": str(self.main.with_digest(digest)),
            "TAGS": ",".join(str(target.tag) for target in targets if target.name == self.main.name),
        }

    def named(self) -> dict[str, str]:
        """Return the outputs of what was built and not pushed."""
        names = ",".join(image.name for image in self.repositories)
        return {"IMAGE": self.main.name, "IMAGES": names, "TAGS": ""}

    def arguments(self, environ: Mapping[str, str]) -> tuple[BuildArg, ...]:
        """Return the build arguments, and how the builder gets each.

        Args:
            environ: the job's.
        """
        mounted = {variable or id_ for id_, variable in self.secret_envs}
        return tuple(build_arguments(self.build_args, environ, mounted, self.steers))

    def find_dockerfile(self, workspace: Path) -> Path:
        """Return the Dockerfile's path: in the context if it is there, else in the workspace.

        Both upstream manifests say "relative to the context", one upstream script took the workspace.
        """
        in_context = workspace / self.context / self.dockerfile
        return in_context if is_file(in_context) else workspace / self.dockerfile

    def parsed_dockerfile(self, workspace: Path) -> Dockerfile | None:
        """Return the Dockerfile; None if it cannot be read, of which the builder says more."""
        try:
            return dockerfile.parse(read_text(self.find_dockerfile(workspace)))
        except (OSError, ValueError):
            return None

    def secrets(self, environ: Mapping[str, str], workspace: Path) -> dict[str, str]:
        """Return what must not be in the image, by name: secrets of the job, of its inputs and of the build.

        A configuration made for tools, with its names of hosts, is none; the logins in it are.
        """
        found = {
            f"the password for {login.registry}": secret.reveal()
            for login in self.all_credentials
            for secret in login.secrets
        }
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Secret) and not traits(field).login:
                found[with_key(name)] = value.reveal()
        found |= {name: secret.reveal() for name, secret in self.secret_environ(environ).items()}
        for id_, path in self.secret_files:
            if words := secret_words(read_secret(path or id_, workspace)):
                found[f"the secret file {id_}"] = "\n".join(words)
        return found | secrets_of(environ)

    def prepared(self, job: Job) -> Self:
        """Return the inputs with their logins; the build's secret files are masked from now on."""
        for id_, path in self.secret_files:
            text = read_secret(path or id_, job.workspace)
            for each in (text, *secret_words(text)):
                job.mask(each)
        return super().prepared(job)

    def secret_environ(self, environ: Mapping[str, str]) -> dict[str, Secret]:
        """Return the variables that `secret-envs` names, for the builder's environment."""
        names = (variable or id_ for id_, variable in self.secret_envs)
        return {name: Secret(environ[name]) for name in names if name in environ}

    @property
    def all_credentials(self) -> Credentials:
        """The logins: of the images, of what they are made from, and of the mirror; each for its own host."""
        found = list(self.credentials(self.main.registry))
        if self.mirror_username and self.mirror_password and self.mirror:
            found.append(Credential(self.mirror.registry, self.mirror_username, self.mirror_password))
        return Credentials(found)

    @property
    def references(self) -> Iterable[Reference]:
        """The images that other inputs name: caches, contexts. Builders add theirs."""
        return ()

    def dockerfile_images(self, environ: Mapping[str, str], workspace: Path) -> Images:
        """Return where the images of the Dockerfile are; nothing is known of one that cannot be read."""
        parsed = self.parsed_dockerfile(workspace)
        if parsed is None:
            return Images(frozenset(), all_known=False)
        return images(parsed, self._values(environ))

    def _values(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {each.key: each.value for each in self.arguments(environ)}

    def _check_candidate(self) -> Iterator[Problem]:
        if not self.push_by_digest:
            return
        if not self.push:
            yield Problem("push-by-digest", 'needs push: "true"')
        if self.output:
            yield Problem("push-by-digest", "does not go with `output`", "leave one out")
        if self.existing or self.immutable_tags:
            what = "is about tags, and push-by-digest sets none"
            yield Problem("existing" if self.existing else "immutable-tags", what, "docker-push has it too")

    def _check_login(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        yield from self.check_whose(self.registries)
        found = self.dockerfile_images(environ, workspace)
        if not found.all_known:
            return  # `login_note` tells
        registries = self.image_registries(environ, workspace)
        yield from self.check_registry(registries)
        yield from self.check_insecure_registries(registries)

    def image_registries(self, environ: Mapping[str, str], workspace: Path) -> tuple[Registry, ...]:
        """Return the registries of what is built, of what other inputs name, and of the Dockerfile."""
        mirror = (self.mirror.registry,) if self.mirror else ()
        others = (each.registry for each in self.references)
        found = self.dockerfile_images(environ, workspace).registries
        return (*self.registries, *mirror, *others, *sorted(found, key=str))

    def login_note(self, environ: Mapping[str, str], workspace: Path) -> str | None:
        """Return what to say of a login that may fit no image, None if it fits one."""
        known = {*self.registries, *(each.registry for each in self.references)}
        found = self.dockerfile_images(environ, workspace)
        if (
            found.all_known
            or {each.registry for each in self.credentials(self.main.registry)} <= known | found.registries
        ):
            return None
        return "a login may fit no image: a base image is in a variable whose value is not known"

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check what is built, for what, where it goes, and what secrets and logins it gets."""
        yield from super().check(environ, workspace)
        if any(image.digest for image in self.image):
            yield Problem(
                "image", "has a digest, which is known only after the build", "give the name, and tags"
            )
        yield from check_platforms(self.platforms)
        yield from self._check_candidate()
        yield from self._check_output(workspace)
        yield from self._check_existing(environ, workspace)
        if not is_directory(workspace / self.context):
            yield Problem("context", f"{quoted(self.context)} is not a directory in the workspace")
        elif not is_file(self.find_dockerfile(workspace)):
            yield Problem(
                "dockerfile",
                f"{quoted(self.dockerfile)} is neither in the context {quoted(self.context)} "
                "nor in the workspace",
            )
        elif not is_in_workspace(self.find_dockerfile(workspace), workspace):
            yield Problem(
                "dockerfile",
                f"{quoted(self.dockerfile)} in {quoted(self.context)} is a link out of the workspace",
            )
        for number, label in enumerate(self.labels, start=1):
            if "=" not in label:
                yield Problem("labels", f"item {number} has no value", "write one KEY=VALUE per line")
        yield from check_once("labels", (label.partition("=")[0] for label in self.labels))
        yield from check_once("annotations", (str(each).partition("=")[0] for each in self.annotations))
        yield from check_literal("labels", self.labels)
        yield from check_literal("annotations", map(str, self.annotations))
        yield from self._check_secrets(environ, workspace)
        known = Exposure(self.secrets(environ, workspace))
        yield from self._check_words(known)
        problems = list(self._check_arguments(environ, known))
        yield from problems
        if not problems:
            yield from self._check_target(environ, workspace)
            yield from self._check_login(environ, workspace)

    def _check_target(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        """Check that the stage is there, if Docker's frontend reads the Dockerfile."""
        parsed = self.parsed_dockerfile(workspace) if self.target else None
        if parsed is None or self.target is None or not is_ours(parsed, self._values(environ)):
            return
        names = [each for each in parsed.stages if each]
        if self.target.lower() not in (*names, *map(str, range(len(parsed.stages)))):
            close = closest(self.target.lower(), names)
            meant = f"did you mean {quoted(close)}?" if close else "name one of the Dockerfile"
            yield Problem("target", f"there is no stage {quoted(self.target)}", meant)

    def _check_existing(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        with suppress(Invalid):  # the tags' own check says what is wrong
            yield from self.check_existing(self.names(Ci.of(environ, workspace)))
        if self.output:
            for key, given in (("existing", self.existing), ("immutable-tags", self.immutable_tags)):
                if given:
                    yield Problem(key, "is about tags in a registry, and `output` sets none", "leave one out")

    def _check_output(self, workspace: Path) -> Iterator[Problem]:
        if self.output is None:
            return
        if self.push and "push" in self.model_fields_set:
            what = "is for a registry, and `output` writes files instead"
            yield Problem("push", what, "leave one out; docker-push publishes files")
        if obstacle := self.output.obstacle(workspace):
            yield Problem("output", obstacle, "give a path where nothing else is")
        if self.output.form is Form.SAVED and len(self.platforms) > 1:
            what = f"a docker archive holds one platform, and {', '.join(self.platforms)} are built"
            yield Problem("output", what, "write `oci-archive:` instead, or build one")

    def _check_secrets(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        for number, (id_, variable) in enumerate(self.secret_envs, start=1):
            if (variable or id_) not in environ:
                what = f"the variable of item {number} is not in the job's environment"
                yield Problem("secret-envs", what, "write one ID=VARIABLE per line, the variable's name only")
        for number, (_, path) in enumerate(self.secret_files, start=1):
            if path is None or not is_file(workspace / path):
                what = f"the file of item {number} is not in the workspace"
                yield Problem("secret-files", what, "write one ID=PATH per line")
            elif not is_in_workspace(path, workspace):
                # What is checked out may link to /proc/1/environ, which has all of the job's secrets.
                yield Problem(
                    "secret-files",
                    f"the file of item {number} is outside the workspace",
                    "give a path inside the checkout",
                )

    def _check_arguments(self, environ: Mapping[str, str], known: Exposure) -> Iterator[Problem]:
        arguments = self.arguments(environ)
        words = [word for each in arguments for word in (each.value, f"{each.key}={each.value}")]
        exposed = {index // 2 for index in known.given_away(words)}
        for number, ((key, value), argument) in enumerate(zip(self.build_args, arguments, strict=True), 1):
            if value is None and key not in environ:
                # Not quoted: it may be a line of a secret of several lines.
                what = f"item {number} has no value and is not in the job's environment"
                yield Problem("build-args", what, "write KEY=VALUE on one line")
            elif argument.is_exposed:
                yield Problem(
                    "build-args",
                    f"{quoted(key)} also configures {self.built_by}: its secret would be on a command line",
                    "use `secret-envs`, or another name; a proxy can be a variable of the job",
                )
            elif number - 1 in exposed:
                yield Problem(
                    "build-args",
                    f"item {number} holds a secret of the job, or a part of one; an image's history keeps it",
                    "give it by `secret-envs`, and mount it: RUN --mount=type=secret,id=ID",
                )

    def words(self) -> dict[str, Iterable[str] | str | None]:
        """Return what people write freely and the builder gets as arguments, by key."""
        return {"labels": self.labels, "annotations": map(str, self.annotations)}

    def _check_words(self, known: Exposure) -> Iterator[Problem]:
        words = self.words()
        yield from check_public({key: words.pop(key) for key in ("labels", "annotations")}, known, PULLED)
        yield from check_public(words, known, ARGUMENT)
