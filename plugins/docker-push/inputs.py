"""The `with:` map of docker-push."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import WithJsonSchema

from gocdnext_sdk import (
    Always,
    Boolean,
    Ci,
    Credential,
    Credentials,
    ImageTagInputs,
    Input,
    Invalid,
    Lines,
    MutuallyExclusive,
    OnlyWith,
    PluginInputs,
    Problem,
    Reference,
    References,
    Registry,
    RegistryLoginInputs,
    RequiredIf,
    RequiredTogether,
    TagRules,
    Words,
    in_workspace,
    quoted,
)
from gocdnext_sdk.inputs.image_metadata import Annotations, check_literal
from gocdnext_sdk.inputs.image_signature import ImageSignatureInputs
from gocdnext_sdk.inputs.image_tags import IMMUTABLE, TAG_PATTERN, TAGS
from gocdnext_sdk.inputs.parsers import parse_words
from gocdnext_sdk.inputs.registry_login import Password, UserName
from gocdnext_sdk.oci.platforms import check_platforms
from gocdnext_sdk.oci.source import Source, Transport
from gocdnext_sdk.workspace import exists, is_directory, is_file

from .demands import DemandInputs, Marks
from .marks import ImageMark
from .previous import names_receipts, parse_previous, parse_receipts
from .signing import SigningInputs

ENTRY_LEVELS = ("index", "manifest-descriptor")
"""Where an annotation of a joined index can be: the manifests that it names are not changed."""

_SIGNER = ImageSignatureInputs.model_fields.keys() - PluginInputs.model_fields.keys()
"""What says who must have signed; a rollback looks at it where it reads a receipt."""

PUBLISHING = ("push", "index")
"""The actions that publish an image."""

_VERIFY = ("verify-key", "verify-identity", "verify-identity-regexp", "verify-issuer", "verify-issuer-regexp")
_REQUIRE = ("require-attestation", "require-signature", "require")
_LEFT = ("mark", "receipt")


def _sources(text: str, workspace: Path | None) -> tuple[Source, ...]:
    return tuple(Source.parse(word, workspace or Path()) for word in parse_words(text))


def _are_files(text: str, workspace: Path) -> bool:
    """Tell whether a text names files that are there, whose path has blanks or commas."""
    try:
        source = Source.parse(text, workspace)
    except ValueError:
        return False
    return source.path is not None and exists(workspace / source.path)


def _one_source(text: str, workspace: Path | None) -> Source:
    words = text.replace(",", " ").split()
    if len(words) > 1 and not _are_files(text, workspace or Path()):
        raise Invalid(
            f"names {len(words)} images, and one is published",
            "`also` publishes further ones in the same job; `action: index` joins `sources` into one",
        )
    return Source.parse(text, workspace or Path())


Sources = Annotated[
    tuple[Source, ...], in_workspace(_sources), WithJsonSchema({"type": "string", "format": "words"})
]
"""Images wherever they are, with line breaks, commas or blanks between."""


@dataclass(frozen=True)
class BothCredentials:
    """Who reads the source, and who writes the targets; each login for its host only."""

    source: Credentials
    targets: Credentials


class DockerPushInputs(ImageTagInputs, DemandInputs, SigningInputs, RegistryLoginInputs):
    """The `with:` map."""

    action: Literal["push", "index", "delete-tag", "rollback"] = Input(
        "push",
        description="`push` publishes `source` under the tags. `index` joins `sources`, each built for a "
        "platform of its own, into one image for all of them. `delete-tag` removes tags, and no other tag "
        "on their digest; with a digest in `source`, only while they still point to it. `rollback` lets tags "
        "point where `previous` says.",
    )
    source: Annotated[Source, in_workspace(_one_source)] | None = Input(
        None,
        description="The image: a reference (of the daemon if the job has one with that image, else of its "
        "registry), `docker://REF`, `docker-daemon:REF`, or workspace files: `oci:DIRECTORY[:NAME]`, "
        "`oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`, or a path such as `./dist/app.tar`.",
    )
    sources: Sources = Input(
        "",
        description="With `action: index`: the images to join, two or more, written as `source` is; best the "
        "`REFERENCE` outputs of the jobs that built them.",
    )
    platforms: Words = Input(
        "",
        description="With `action: push`: the platforms to publish, if not all of the source, as an index of "
        "these. With `action: index`: those that the joined image must have, these and no others.",
    )
    annotations: Annotations = Input(
        "",
        description="With `action: index`: annotations of the joined index, one `index:KEY=VALUE` a line, or "
        "`manifest-descriptor:KEY=VALUE`, with `[os/arch]` for the entry of one platform.",
    )
    all_tags: Words = Input(
        "",
        description="Patterns, such as `v*` or `*`: the tags of the source's repository that fit and are on "
        "the same digest are published too.",
    )
    target: References = Input(
        description="Where to publish, one or several, e.g. `ghcr.io/org/app`. A tag in it is published "
        "beside `tags`."
    )
    tags: TagRules = Input(
        "latest",
        description=f"{TAGS} The default does not count for a target that has a tag, nor for `delete-tag`.",
    )
    pull: Boolean = Input(
        "false", description="Take a plain reference from its registry, even if the daemon has such an image."
    )
    source_username: UserName | None = Input(
        None,
        description="User name at the source's registry, sent nowhere else. Without it, `username` is used "
        "if the source is at the same registry as the target.",
    )
    source_password: Password | None = Input(
        None, description="Password or token for `source-username`. Give it through the job's `secrets:`."
    )
    also: Lines = Input(
        "",
        description="Further images to publish together with `source`, one SOURCE=TARGET per line, under the "
        "same tags and with the same demands. All are copied and verified before any tag moves; if one tag "
        "cannot move, those that have moved are put back.",
    )
    mark: Marks = Input(
        "",
        description="What to mark the published image with, since it has met all that is demanded: "
        "`attestation` (signed, at any registry), `harbor:LABEL`, `artifactory:NAME=VALUE`, one a line.",
    )
    receipt: Boolean = Input(
        "false",
        description="Attach a receipt to the published image: source, digests before and now, who, run. It "
        "is signed if there is a key, or a token to sign with.",
    )
    previous: str | None = Input(
        None,
        description="With `action: rollback`: the output `PREVIOUS` of a promotion, or its `RECEIPT`.",
    )
    delete_through: Literal["auto", "registry", "github", "docker-hub", "gitlab", "harbor", "quay"] = Input(
        "auto",
        description="Whose API deletes tags, with `action: delete-tag`, and with `rollback` those that were "
        "new. `auto`: GitHub's, Docker Hub's, GitLab's or Quay's where the registry is theirs, else the "
        "registry's.",
    )
    immutable_tags: Words = Input(
        "", description=f"{IMMUTABLE} The same digest is success. `delete-tag` refuses them."
    )

    constraints = (
        RequiredIf("source", "action", "push"),
        RequiredIf("sources", "action", "index"),
        RequiredIf("previous", "action", "rollback"),
        RequiredTogether("source-username", "source-password"),
        MutuallyExclusive("key", "key-content"),
        OnlyWith("source", "action", "push", "delete-tag"),
        OnlyWith(("sources", "annotations"), "action", "index"),
        OnlyWith(("also", "all-tags"), "action", "push"),
        OnlyWith(("platforms", "pull", "source-username", "source-password"), "action", *PUBLISHING),
        OnlyWith((*_LEFT, *_REQUIRE, "existing"), "action", *PUBLISHING),
        OnlyWith(("tags", "flavor", "immutable-tags"), "action", *PUBLISHING, "delete-tag"),
        OnlyWith("previous", "action", "rollback"),
        OnlyWith("delete-through", "action", "delete-tag", "rollback"),
        OnlyWith((*_VERIFY, "trusted-root", "tlog"), "action", *PUBLISHING, "rollback"),
        OnlyWith(("trusted-root", "tlog"), (*_VERIFY, *_REQUIRE, *_LEFT)),
        OnlyWith(("key", "key-content", "signing-config"), _LEFT),
        OnlyWith("key-password", ("key", "key-content")),
        Always("action", "target", "api-url"),
    )

    @property
    def needs_tag(self) -> bool:
        """Whether `tags` has to make one: a target may have one of its own."""
        return any(not target.tag for target in self.target)

    def targets(self, ci: Ci) -> tuple[Reference, ...]:
        """Return every tag that is published or deleted in a run, in the order given."""
        return self.tagged(self.target, ci)

    def together(self) -> tuple[Self, ...]:
        """Return the inputs of each image that is published: these, and one for each of `also`."""
        further = (_promotion(each) for each in self.also)
        return (self, *(self.model_copy(update={**each, "also": ()}) for each in further))

    @property
    def repositories(self) -> tuple[Reference, ...]:
        """The targets without tags, each once."""
        return tuple(dict.fromkeys(replace(target, tag=None) for target in self.target))

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registries of the targets, each once."""
        return tuple(dict.fromkeys(target.registry for target in self.target))

    def service(self, registry: Registry) -> str:
        """Return whose API deletes tags of a registry."""
        if self.delete_through != "auto":
            return self.delete_through
        from .apis import HOSTS

        return HOSTS.get(registry.host, "registry")

    def api_of(self, service: str, registry: Registry) -> str:
        """Return where the API of a service is."""
        from .apis import HOSTS, URLS

        is_theirs = HOSTS.get(registry.host) == service or service in ("github", "docker-hub")
        return (self.api_url or (URLS[service] if is_theirs else f"https://{registry.api_host}")).rstrip("/")

    @property
    def origins(self) -> tuple[Source, ...]:
        """What is published, or joined and published."""
        return self.sources if self.source is None else (self.source,)

    @property
    def read_from(self) -> tuple[Reference, ...]:
        """What of it a registry may have."""
        return tuple(each.reference for each in self.origins if each.reference)

    def both_credentials(self, environ: Mapping[str, str]) -> BothCredentials:
        """Return the logins of the job; without any, those of the user's own Docker configuration."""
        known = self.scoped_credentials(self.registries[0]) or Credentials.ambient(environ)
        targets = known.bound_to(self.repositories)
        if not self.read_from:
            return BothCredentials(targets, targets)
        source = known.bound_to(self.read_from)
        if self.source_username is not None and self.source_password is not None:
            user, password = self.source_username, self.source_password
            source = Credentials(Credential(each.registry, user, password) for each in self.read_from)
        return BothCredentials(Credentials((*targets, *source)), targets)

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check what two inputs must agree on."""
        wrong_tags = list(super().check(environ, workspace))
        yield from wrong_tags
        if self.demands_signature:
            from gocdnext_sdk.tools.cosign import check_insecure

            yield from check_insecure(environ, self.insecure_registries)
        for target in self.target:
            if target.digest:
                yield Problem("target", f"{quoted(target)} has a digest", "give the repository, and tags")
        untagged = any(target.tag is None for target in self.target)
        if self.action == "delete-tag" and untagged and "tags" not in self.model_fields_set:
            yield Problem("tags", "is required with action: delete-tag", "name the tags")
        if not wrong_tags and self.action in PUBLISHING:
            yield from self.check_existing(self.targets(Ci.of(environ, workspace)))
        if self.existing and self.all_tags and not self.immutable_tags:
            yield Problem("immutable-tags", "is needed with `existing` and `all-tags`", "name some patterns")
        yield from self._check_also(environ, workspace)
        if self.action == "delete-tag" and self.source and not _digest_of(self.source):
            what = "has no effect with action: delete-tag without a digest"
            yield Problem("source", what, "give what the tags are to point to, by digest")
        if self.action == "delete-tag" and not wrong_tags:
            yield from self._check_deleted(Ci.of(environ, workspace))
        yield from self._check_logins(environ, workspace)
        yield from self._check_selection()
        yield from check_literal("annotations", map(str, self.annotations))
        if self.annotations:
            from gocdnext_sdk.inputs.public_texts import PULLED, check_public
            from gocdnext_sdk.runtime.exposure import Exposure, secrets_of

            annotations = map(str, self.annotations)
            yield from check_public({"annotations": annotations}, Exposure(secrets_of(environ)), PULLED)
        yield from self._check_marks(environ, workspace)
        yield from self._check_index()
        if self.action in PUBLISHING:
            key = "source" if self.source else "sources"
            for source in self.origins:
                yield from self._check_source(key, source, environ, workspace)

    def _check_selection(self) -> Iterator[Problem]:
        if self.action == "rollback":
            yield from self._check_rollback()
        if self.action in PUBLISHING:
            if self.api_url and not self._services:
                yield Problem("api-url", f"has no effect with action: {self.action}", "leave it out")
        elif self.delete_through == "gitlab" and not self.api_url:
            yield Problem("api-url", "is required", "GitLab and its registry have names of their own")
        if self.api_url and not re.match(r"https?://[^/@\s]+", self.api_url):
            yield Problem("api-url", "is not a URL", 'such as "https://gitlab.example.com"')
        yield from check_platforms(self.platforms)
        if self.all_tags and self.source and not self.source.reference:
            yield Problem("all-tags", "needs a source in a registry", "files have no tags")
        for pattern in self.all_tags:
            if not TAG_PATTERN.fullmatch(pattern):
                yield Problem("all-tags", f"{quoted(pattern)} matches no tag", 'write it as "v*"')

    @property
    def _services(self) -> tuple[ImageMark, ...]:
        """The marks that a service keeps."""
        return tuple(each for each in (*self.mark, *self.require) if each.kind != "attestation")

    def _check_marks(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        if self.action == "rollback" and not names_receipts(self.previous or ""):
            for name in sorted(_SIGNER & self.model_fields_set):
                what = "has no effect with the text in `previous`, which nobody has signed"
                yield Problem(name.replace("_", "-"), what, "give a RECEIPT there")
        if self.mark and not self.demands_signature:
            yield Problem("mark", "says that demands are met, and there are none", "give `verify-…`")
        if any(each.age for each in self.mark):
            yield Problem("mark", "has no age", "write attestation; `require` says how old it may be")
        registries = {*(each.registry for each in self.read_from if self.require), *self.registries}
        if self.api_url and self._services and len(registries) > 1:
            yield Problem("api-url", "is one, and the images are in several registries", "leave it out")
        attests = any(each.kind == "attestation" for each in self.mark)
        if attests or (self.receipt and self.can_sign(environ)):
            yield from self.check_signing(environ, workspace)
            yield from self.check_services(tlog=self.tlog)
        elif self.mark and not self.receipt:
            for key in ("key", "key-content", "signing-config"):
                if getattr(self, key.replace("-", "_")):
                    what = f"has no effect with mark: {self.mark[0]}, which the service keeps unsigned"
                    yield Problem(key, what, "leave it out")

    def _check_rollback(self) -> Iterator[Problem]:
        if self.previous is None:
            return  # its constraint says so
        try:
            if names_receipts(self.previous):
                parse_receipts(self.previous)
            else:
                parse_previous(self.previous)
        except ValueError as error:
            yield Problem.of("previous", error)

    def _check_index(self) -> Iterator[Problem]:
        if self.action != "index":
            return
        if len(self.sources) == 1:
            yield Problem("sources", "has one image, with nothing to join it to", "action: push publishes it")
        if len(set(self.sources)) < len(self.sources):
            yield Problem("sources", "has an image twice", "name each once")
        for annotation in self.annotations:
            if not annotation.levels or any(each.name not in ENTRY_LEVELS for each in annotation.levels):
                what = f"{quoted(annotation)} would change a manifest, and so its digest"
                yield Problem("annotations", what, "write index: or manifest-descriptor:")

    def _check_also(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        if self.action != "push":
            return
        for number, line in enumerate(self.also, start=1):
            try:
                each = self.model_copy(update={**_promotion(line), "also": ()})
            except ValueError as error:
                yield Problem("also", f"item {number}: {error}", "write one SOURCE=TARGET per line")
                continue
            for problem in each.check(environ, workspace):
                if problem.key in ("source", "target", "tags", "registry"):
                    yield Problem("also", f"item {number}: {problem.what}", problem.advice)
        if not self.all_tags:  # which those are, the registry knows
            with suppress(ValueError):
                yield from check_apart(self.together(), Ci.of(environ, workspace))

    def _check_deleted(self, ci: Ci) -> Iterator[Problem]:
        for tag in {str(target.tag): target for target in self.targets(ci)}.values():
            if pattern := self.immutable(tag):
                what = f"{quoted(tag.tag)} is not to be deleted: immutable-tags has {quoted(pattern)}"
                yield Problem("tags", what, "remove the tag or the pattern")

    def _check_logins(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        hosts = list(dict.fromkeys(str(each.registry) for each in self.read_from))
        remote = [each for each in self.origins if each.reference and each.transport is not Transport.DAEMON]
        if self.source_username is not None and self.origins and not remote:
            what = f"has no effect with {quoted(self.origins[0])}, which is in no registry"
            yield Problem("source-username", what, "leave it out")
        if self.source_username is not None and len(hosts) > 1:
            what = f"one login cannot be for {', '.join(hosts)}"
            yield Problem("source-username", what, "give the logins in `logins`")
        yield from self.check_whose(self.registries)
        yield from self.check_registry((*self.registries, *(each.registry for each in self.read_from)))
        with suppress(ValueError):  # `also` has its own check
            yield from self.check_insecure_registries(self.image_registries(environ, workspace))
            origins = [each for one in self.together() for each in one.origins]
            if self.pull and not any(each.transport is Transport.ANY for each in origins):
                what = f"has no effect with {quoted(origins[0] if origins else None)}"
                yield Problem("pull", what, "leave it out; it is for a plain reference")

    def image_registries(self, environ: Mapping[str, str], workspace: Path) -> tuple[Registry, ...]:
        """Return the registries of the targets and the sources, those of `also` included."""
        return tuple(image.registry for each in self.together() for image in (*each.target, *each.read_from))

    def check_further(self, registries: Sequence[Registry]) -> Iterator[Problem]:
        """Check further logins by repository: two for one host are told apart by it."""
        given = Credentials.parse(self.docker_config) if self.docker_config else Credentials()
        yield from (
            each for each in super().check_further(registries) if each.key in ("logins", "registry-identity")
        )
        try:
            given.bound_to(self.repositories)
        except ValueError as error:
            yield Problem.of("docker-config", error)
            return
        for login in given.unused_for((*self.repositories, *self.read_from)):
            place = f"{login.registry}/{login.scope}" if login.scope else str(login.registry)
            yield Problem("docker-config", f"no image is at {quoted(place)}", "remove the credentials")
        for login in given:
            if login.registry_token and not (login.has_password or login.identity_token):
                what = f"{login.registry} has a registrytoken, which regctl cannot use"
                yield Problem("docker-config", what, "give a user name and a password, or an identitytoken")

    def _check_source(
        self, key: str, source: Source, environ: Mapping[str, str], workspace: Path
    ) -> Iterator[Problem]:
        path = workspace / (source.path or "")
        if source.transport is Transport.FILES and not exists(path):
            yield Problem(key, f"there is no {quoted(source.path)} in the workspace")
        elif source.transport is Transport.FILES and not (is_directory(path) or is_file(path)):
            yield Problem(key, f"{quoted(source.path)} is neither a directory nor a file")
        unclear = source.transport is Transport.ANY and not (self.pull or source.names_registry)
        if self.demands_signature and (unclear or source.transport in (Transport.DAEMON, Transport.FILES)):
            yield Problem(
                key, f"{quoted(source)} cannot have a signature", "only an image in a registry does"
            )
        elif unclear and not has_daemon(environ):
            yield Problem(
                key,
                f"{quoted(source)} names no registry, and the job has no daemon",
                f"write `docker: true` on the job, or `docker://{source}` for the image on Docker Hub",
            )


def check_apart(images: Iterable[DockerPushInputs], ci: Ci) -> Iterator[Problem]:
    """Check that no tag would get two of the images, of which the last one would win.

    Args:
        images: see `DockerPushInputs.together`.
        ci: the run.
    """
    tags = Counter(tag for each in images for tag in each.targets(ci))
    for tag in (tag for tag, count in tags.items() if count > 1):
        yield Problem("also", f"{tag} would be {tags[tag]} images", "give each a target of its own")


def _promotion(line: str) -> dict[str, Any]:
    """Read one line of `also`.

    Raises:
        ValueError: it is no SOURCE=TARGET.
    """
    source, _, target = line.rpartition("=")
    if not source:
        raise Invalid(f"{quoted(line)} has no target")
    return {"source": Source.parse(source), "target": (Reference.parse(target),)}


def _digest_of(source: Source) -> str | None:
    return source.reference.digest if source.reference else None


def has_daemon(environ: Mapping[str, str]) -> bool:
    """Tell whether the job was given a Docker daemon, as `docker: true` does (docs/contract.md §7.4)."""
    return bool(environ.get("DOCKER_HOST"))
