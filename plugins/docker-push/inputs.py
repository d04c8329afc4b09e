"""The `with:` map of docker-push."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from gocdnext_sdk.inputs.image_metadata import Annotations
from gocdnext_sdk.inputs.image_tags import IMMUTABLE, TAGS
from gocdnext_sdk.inputs.parsers import parse_words
from gocdnext_sdk.inputs.registry_login import Password, UserName
from gocdnext_sdk.oci.source import Source
from gocdnext_sdk.workspace import exists

from .demands import DemandInputs, Marks
from .signing import SigningInputs

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
        further = (promotion(each) for each in self.also)
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
    def expected(self) -> str | None:
        """The digest that tags must point to if they are to be deleted; None: any."""
        return self.source.reference.digest if self.source and self.source.reference else None

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
        from .checks import problems

        shared = list(super().check(environ, workspace))
        yield from shared
        yield from problems(self, environ, workspace, tags_are_known=not shared)

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


def promotion(line: str) -> dict[str, Any]:
    """Read one line of `also`.

    Raises:
        ValueError: it is no SOURCE=TARGET.
    """
    source, _, target = line.rpartition("=")
    if not source:
        raise Invalid(f"{quoted(line)} has no target")
    return {"source": Source.parse(source), "target": (Reference.parse(target),)}


def has_daemon(environ: Mapping[str, str]) -> bool:
    """Tell whether the job was given a Docker daemon, as `docker: true` does (docs/contract.md §7.4)."""
    return bool(environ.get("DOCKER_HOST"))
