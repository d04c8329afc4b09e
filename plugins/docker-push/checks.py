"""What two inputs of docker-push must agree on: sources, targets and tags, logins, marks and their signer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gocdnext_sdk import Ci, PluginInputs, Problem, Secret, quoted
from gocdnext_sdk.inputs.image_metadata import check_literal
from gocdnext_sdk.inputs.image_signature import ImageSignatureInputs
from gocdnext_sdk.inputs.image_tags import TAG_PATTERN
from gocdnext_sdk.oci.platforms import check_platforms
from gocdnext_sdk.oci.source import Source, Transport
from gocdnext_sdk.tools.cosign import key_kind, kms_scheme
from gocdnext_sdk.tools.sigstore import Document, check_usable, lacking
from gocdnext_sdk.workspace import exists, is_directory, is_file, read_text

from .inputs import PUBLISHING, DockerPushInputs, has_daemon, promotion
from .marks import ImageMark
from .previous import names_receipts, parse_previous, parse_receipts
from .signing import AUDIENCE, TOKEN

ENTRY_LEVELS = ("index", "manifest-descriptor")
"""Where an annotation of a joined index can be: the manifests that it names are not changed."""

_SIGNER = ImageSignatureInputs.model_fields.keys() - PluginInputs.model_fields.keys()
"""What says who must have signed; a rollback looks at it where it reads a receipt."""


def problems(
    inputs: DockerPushInputs, environ: Mapping[str, str], workspace: Path, *, tags_are_known: bool
) -> Iterator[Problem]:
    """Yield what is wrong beyond a single input.

    Args:
        inputs: the job's.
        environ: the job's environment.
        workspace: the checkout.
        tags_are_known: whether the run's tags can be told; else it was said already why not.
    """
    if inputs.demands_signature:
        from gocdnext_sdk.tools.cosign import check_insecure

        yield from check_insecure(environ, inputs.insecure_registries)
    for target in inputs.target:
        if target.digest:
            yield Problem("target", f"{quoted(target)} has a digest", "give the repository, and tags")
    if tags_are_known and inputs.action in PUBLISHING:
        yield from inputs.check_existing(inputs.targets(Ci.of(environ, workspace)))
    yield from _check_all_tags(inputs)
    yield from _check_also(inputs, environ, workspace)
    if inputs.action == "delete-tag":
        yield from _check_deleted(inputs, Ci.of(environ, workspace) if tags_are_known else None)
    if inputs.action == "rollback":
        yield from _check_rollback(inputs)
    yield from _check_logins(inputs, environ, workspace)
    yield from _check_api(inputs)
    yield from check_platforms(inputs.platforms)
    yield from _check_annotations(inputs, environ)
    yield from _check_marks(inputs, environ, workspace)
    if inputs.action == "index":
        yield from _check_index(inputs)
    if inputs.action in PUBLISHING:
        key = "source" if inputs.source else "sources"
        for source in inputs.origins:
            yield from _check_source(inputs, key, source, environ, workspace)


def _check_api(inputs: DockerPushInputs) -> Iterator[Problem]:
    if inputs.action in PUBLISHING:
        if inputs.api_url and not _at_services(inputs):
            yield Problem("api-url", f"has no effect with action: {inputs.action}", "leave it out")
    elif inputs.delete_through == "gitlab" and not inputs.api_url:
        yield Problem("api-url", "is required", "GitLab and its registry have names of their own")
    if inputs.api_url and not re.match(r"https?://[^/@\s]+", inputs.api_url):
        yield Problem("api-url", "is not a URL", 'such as "https://gitlab.example.com"')


def _check_all_tags(inputs: DockerPushInputs) -> Iterator[Problem]:
    if inputs.existing and inputs.all_tags and not inputs.immutable_tags:
        yield Problem("immutable-tags", "is needed with `existing` and `all-tags`", "name some patterns")
    if inputs.all_tags and inputs.source and not inputs.source.reference:
        yield Problem("all-tags", "needs a source in a registry", "files have no tags")
    for pattern in inputs.all_tags:
        if not TAG_PATTERN.fullmatch(pattern):
            yield Problem("all-tags", f"{quoted(pattern)} matches no tag", 'write it as "v*"')


def _check_rollback(inputs: DockerPushInputs) -> Iterator[Problem]:
    if inputs.previous is None:
        return  # its constraint says so
    if not names_receipts(inputs.previous):
        for name in sorted(_SIGNER & inputs.model_fields_set):
            what = "has no effect with the text in `previous`, which nobody has signed"
            yield Problem(name.replace("_", "-"), what, "give a RECEIPT there")
    try:
        if names_receipts(inputs.previous):
            parse_receipts(inputs.previous)
        else:
            parse_previous(inputs.previous)
    except ValueError as error:
        yield Problem.of("previous", error)


def _at_services(inputs: DockerPushInputs) -> tuple[ImageMark, ...]:
    """Return the marks that a service keeps."""
    return tuple(each for each in (*inputs.mark, *inputs.require) if each.kind != "attestation")


def _check_annotations(inputs: DockerPushInputs, environ: Mapping[str, str]) -> Iterator[Problem]:
    if not inputs.annotations:
        return
    from gocdnext_sdk.inputs.public_texts import PULLED, check_public
    from gocdnext_sdk.runtime.exposure import Exposure, secrets_of

    texts = tuple(map(str, inputs.annotations))
    yield from check_literal("annotations", texts)
    yield from check_public({"annotations": texts}, Exposure(secrets_of(environ)), PULLED)


def _check_marks(inputs: DockerPushInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    if inputs.mark and not inputs.demands_signature:
        yield Problem("mark", "says that demands are met, and there are none", "give `verify-…`")
    if any(each.age for each in inputs.mark):
        yield Problem("mark", "has no age", "write attestation; `require` says how old it may be")
    registries = {*(each.registry for each in inputs.read_from if inputs.require), *inputs.registries}
    if inputs.api_url and _at_services(inputs) and len(registries) > 1:
        yield Problem("api-url", "is one, and the images are in several registries", "leave it out")
    attests = any(each.kind == "attestation" for each in inputs.mark)
    if attests or (inputs.receipt and inputs.can_sign(environ)):
        yield from _check_signer(inputs, environ, workspace)
        yield from _check_services(inputs)
    elif inputs.mark and not inputs.receipt:
        for key in ("key", "key-content", "signing-config"):
            if getattr(inputs, key.replace("-", "_")):
                what = f"has no effect with mark: {inputs.mark[0]}, which the service keeps unsigned"
                yield Problem(key, what, "leave it out")


def _check_signer(inputs: DockerPushInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    """Check that there is a private key, or a token that will do: the tags have moved when it signs."""
    if kms_scheme(inputs.key):
        return
    if not inputs.has_key:
        yield from _check_token(environ)
        return
    name = "key" if inputs.key else "key-content"
    try:
        text = inputs.key_content.reveal() if inputs.key_content else read_text(workspace / str(inputs.key))
        if key_kind(text) == "public":
            yield Problem(name, "is a public key; signing takes the private one")
    except (OSError, UnicodeDecodeError):
        yield Problem("key", f"there is no key file {quoted(inputs.key)} in the workspace")
    except ValueError as error:
        yield Problem.of(name, error)


def _check_services(inputs: DockerPushInputs) -> Iterator[Problem]:
    """Check that the services can sign."""
    services: Document | None = inputs.signing_config
    if services is None and inputs.tlog:
        return
    kinds = lacking(services or {}, keyless=not inputs.has_key, tlog=inputs.tlog)
    if "tsaUrls" in kinds:
        what = '"false" and keyless need a timestamp authority'
        yield Problem("tlog", what, "name one in `signing-config`, or give `key-content`")
    elif "rekorTlogUrls" in kinds:
        yield Problem("signing-config", "names no transparency log", 'add one, or write tlog: "false"')
    elif kinds:
        what = "names no certificate authority, and keyless signing needs one"
        yield Problem("signing-config", what, "add one, or give `key-content`")
    try:
        check_usable(services or {}, keyless=not inputs.has_key, tlog=inputs.tlog)
    except ValueError as error:
        yield Problem.of("signing-config", error)


def _check_token(environ: Mapping[str, str]) -> Iterator[Problem]:
    from gocdnext_sdk.contract.dialects import hands_out_tokens

    text = environ.get(TOKEN, "").strip()
    if not text:
        if not hands_out_tokens(environ):
            advice = f"add `id_tokens: {{{TOKEN}: {{aud: {AUDIENCE}}}}}` to the job, or give `key-content`"
            yield Problem("key", "is required to sign; the job has no identity token either", advice)
        return
    from gocdnext_sdk.tools.identity_token import IdentityToken

    try:
        problems = list(IdentityToken.decode(Secret(text)).problems(audience=AUDIENCE))
    except ValueError as error:
        problems = [(str(error), "")]
    for what, advice in problems:
        yield Problem("key", f"is not given, and the token {TOKEN} will not do: {what}", advice)


def _check_index(inputs: DockerPushInputs) -> Iterator[Problem]:
    if len(inputs.sources) == 1:
        yield Problem("sources", "has one image, with nothing to join it to", "action: push publishes it")
    if len(set(inputs.sources)) < len(inputs.sources):
        yield Problem("sources", "has an image twice", "name each once")
    for annotation in inputs.annotations:
        if not annotation.levels or any(each.name not in ENTRY_LEVELS for each in annotation.levels):
            what = f"{quoted(annotation)} would change a manifest, and so its digest"
            yield Problem("annotations", what, "write index: or manifest-descriptor:")


def _check_also(inputs: DockerPushInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    if inputs.action != "push":
        return
    for number, line in enumerate(inputs.also, start=1):
        try:
            each = inputs.model_copy(update={**promotion(line), "also": ()})
        except ValueError as error:
            yield Problem("also", f"item {number}: {error}", "write one SOURCE=TARGET per line")
            continue
        for problem in each.check(environ, workspace):
            if problem.key in ("source", "target", "tags", "registry"):
                yield Problem("also", f"item {number}: {problem.what}", problem.advice)
    if not inputs.all_tags:  # which those are, the registry knows
        with suppress(ValueError):
            yield from check_apart(inputs.together(), Ci.of(environ, workspace))


def check_apart(images: Iterable[DockerPushInputs], ci: Ci) -> Iterator[Problem]:
    """Check that no tag would get two of the images, of which the last one would win.

    Args:
        images: see `DockerPushInputs.together`.
        ci: the run.
    """
    tags = Counter(tag for each in images for tag in each.targets(ci))
    for tag in (tag for tag, count in tags.items() if count > 1):
        yield Problem("also", f"{tag} would be {tags[tag]} images", "give each a target of its own")


def _check_deleted(inputs: DockerPushInputs, ci: Ci | None) -> Iterator[Problem]:
    """Check what is to be deleted; without a run, whose tags then cannot be told."""
    untagged = any(target.tag is None for target in inputs.target)
    if untagged and "tags" not in inputs.model_fields_set:
        yield Problem("tags", "is required with action: delete-tag", "name the tags")
    if inputs.source and inputs.expected is None:
        what = "has no effect with action: delete-tag without a digest"
        yield Problem("source", what, "give what the tags are to point to, by digest")
    if ci is None:
        return
    for tag in {str(target.tag): target for target in inputs.targets(ci)}.values():
        if pattern := inputs.immutable(tag):
            what = f"{quoted(tag.tag)} is not to be deleted: immutable-tags has {quoted(pattern)}"
            yield Problem("tags", what, "remove the tag or the pattern")


def _check_logins(inputs: DockerPushInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    hosts = list(dict.fromkeys(str(each.registry) for each in inputs.read_from))
    remote = [each for each in inputs.origins if each.reference and each.transport is not Transport.DAEMON]
    if inputs.source_username is not None and inputs.origins and not remote:
        what = f"has no effect with {quoted(inputs.origins[0])}, which is in no registry"
        yield Problem("source-username", what, "leave it out")
    if inputs.source_username is not None and len(hosts) > 1:
        what = f"one login cannot be for {', '.join(hosts)}"
        yield Problem("source-username", what, "give the logins in `logins`")
    yield from inputs.check_whose(inputs.registries)
    yield from inputs.check_registry((*inputs.registries, *(each.registry for each in inputs.read_from)))
    with suppress(ValueError):  # `also` has its own check
        yield from inputs.check_insecure_registries(inputs.image_registries(environ, workspace))
        origins = [each for one in inputs.together() for each in one.origins]
        if inputs.pull and not any(each.transport is Transport.ANY for each in origins):
            what = f"has no effect with {quoted(origins[0] if origins else None)}"
            yield Problem("pull", what, "leave it out; it is for a plain reference")


def _check_source(
    inputs: DockerPushInputs, key: str, source: Source, environ: Mapping[str, str], workspace: Path
) -> Iterator[Problem]:
    path = workspace / (source.path or "")
    if source.transport is Transport.FILES and not exists(path):
        yield Problem(key, f"there is no {quoted(source.path)} in the workspace")
    elif source.transport is Transport.FILES and not (is_directory(path) or is_file(path)):
        yield Problem(key, f"{quoted(source.path)} is neither a directory nor a file")
    unclear = source.transport is Transport.ANY and not (inputs.pull or source.names_registry)
    if inputs.demands_signature and (unclear or source.transport in (Transport.DAEMON, Transport.FILES)):
        yield Problem(key, f"{quoted(source)} cannot have a signature", "only an image in a registry does")
    elif unclear and not has_daemon(environ):
        yield Problem(
            key,
            f"{quoted(source)} names no registry, and the job has no daemon",
            f"write `docker: true` on the job, or `docker://{source}` for the image on Docker Hub",
        )
