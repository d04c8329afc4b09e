"""GP4xx: images, from build to signature: what must come before what, and with which rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from gocdnext_sdk.host.lint import image_flow
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.view import Use, View
from gocdnext_sdk.host.pipeline.errors import Diagnostic
from gocdnext_sdk.oci.plain_http import is_loopback


@rule("GP401", Severity.ERROR)
def too_early(view: View) -> Iterator[Diagnostic]:
    """An image is scanned, signed or copied before the job that pushes it.

    Jobs of one stage run side by side unless `needs:` orders them. Without that, the job finds no image, or
    worse, that of the run before.
    """
    published = list(image_flow.published(view))
    for read in image_flow.read(view):
        pushers = [
            each.job.name for each in published if each.pushed and each.image.repository == _repository(read)
        ]
        others = [name for name in pushers if name != read.job.name]
        if others and not view.before(read.job).intersection(others):
            what = f"{read.use.where} takes the image that job `{others[0]}` pushes, and does not wait for it"
            yield Diagnostic(read.mark, what, f"add `needs: [{others[0]}]`")


@rule("GP402", Severity.ERROR)
def never_pushed(view: View) -> Iterator[Diagnostic]:
    """An image is scanned, signed or copied that no job pushes.

    The job that builds it has `push: "false"`, and each job has its own container: what is built there is
    gone when the next job starts. Scanners and cosign read from the registry. Push it, as a candidate
    without a tag (`push-by-digest: "true"`) if it must not be used before it is scanned.
    """
    published = list(image_flow.published(view))
    for read in image_flow.read(view):
        built = [
            each
            for each in published
            if each.job.name != read.job.name
            and (each.job.name == read.source or each.image.repository == _repository(read))
        ]
        if built and not any(each.pushed for each in built):
            what = f'{read.use.where} wants an image that job `{built[0].job.name}` builds with push: "false"'
            yield Diagnostic(read.mark, what, "push it; `push-by-digest` publishes it without a tag")


@rule("GP403", Severity.WARNING)
def other_tag(view: View) -> Iterator[Diagnostic]:
    """A tag is scanned, signed or copied that the build does not push.

    The repository is the one this pipeline pushes to, the tag is none of those it pushes: the job works on
    what an earlier run left there, and says that all is well.
    """
    published = [each for each in image_flow.published(view) if each.pushed]
    for read in image_flow.read(view):
        if read.image is None or read.image.digest:
            continue
        pushers = [
            each
            for each in published
            if each.image.repository == read.image.repository and each.job.name != read.job.name
        ]
        known = [each.tags for each in pushers if each.tags is not None]
        if len(known) < len(pushers):
            continue
        tags = frozenset().union(*known)
        tag = read.image.tag or "latest"
        if pushers and tag not in tags:
            shown = ", ".join(sorted(tags)) or "no tag, only a digest"
            what = f"{read.use.where} takes the tag {tag}, and job `{pushers[0].job.name}` pushes {shown}"
            yield Diagnostic(read.mark, what, "take what the job pushed, by its output REFERENCE")


@rule("GP404", Severity.WARNING)
def no_login(view: View) -> Iterator[Diagnostic]:
    """A registry is written to, or a private one read, without a login.

    Publishing, and signing too, wants a login at nearly every registry. A login does not reach other jobs:
    each has its own container. So a scanner needs the login of the job that pushed, unless the image is
    public. A runner profile or the registry itself may let the job in without one.
    """
    published = [each for each in image_flow.published(view) if each.pushed]
    private = {each.image.host: each.job.name for each in published if each.use.has_login}
    sources = {each.job.name: each.image.host for each in published}
    for each in published:
        if not each.use.has_login and not is_loopback(each.image.host):
            what = f"{each.use.where} pushes to {each.image.host} without a login"
            yield Diagnostic(each.use.mark, what, "give `username` and `password`")
    for read in image_flow.read(view):
        host = read.image.host if read.image else sources.get(read.source, "")
        if read.use.has_login or is_loopback(host) or read.use.publishes:  # reported above
            continue
        if read.use.signs:
            what = f"{read.use.where} pushes a signature to {host or 'a registry'} without a login"
        elif host in private:
            what = (
                f"{read.use.where} reads from {host} without the login that job `{private[host]}` has there"
            )
        else:
            continue
        yield Diagnostic(read.use.mark, what, "give `username` and `password`")


@rule("GP405", Severity.NOTE)
def built_for_nothing(view: View) -> Iterator[Diagnostic]:
    """Several platforms are built and not pushed.

    An image of several platforms can only be put together in a registry, so with `push: "false"` the result
    is thrown away: nothing can be loaded, scanned or signed. That is right to check a pull request, and
    nothing else. A pipeline that only pull requests start is not reported.
    """
    if view.pipeline.trigger.events == ("pull_request",):
        return
    for use in view.known_uses:
        fact = use.facts.publishes
        if fact is None or not (fact.push and use.is_false(fact.push)):
            continue
        platforms = use.text(fact.platforms)
        if len(image_flow.words(platforms)) > 1:
            what = f'{use.where} builds for {platforms} with {fact.push}: "false", and keeps nothing'
            yield Diagnostic(use.at(fact.push), what, "push it, or build for one platform")


@rule("GP406", Severity.WARNING)
def github_cache(view: View) -> Iterator[Diagnostic]:
    """A cache that only GitHub's runners have.

    `type=gha` needs a token and a service that gocdnext does not provide. The plugin leaves it out with a
    warning, and every build starts from nothing. `cache: registry` works everywhere.
    """
    for use in view.known_uses:
        if "ACTIONS_RUNTIME_TOKEN" in view.names(use.job):
            continue
        for key in use.facts.caches:
            entries = use.text(key).split("\n")
            if any("type=gha" in entry.strip().split(",") and "token=" not in entry for entry in entries):
                what = f"`{key}` of {use.where}: the GitHub Actions cache is never there"
                yield Diagnostic(use.at(key), what, "write `cache: registry`")


@rule("GP407", Severity.NOTE)
def tag_not_digest(view: View) -> Iterator[Diagnostic]:
    """A tag is scanned or signed where the digest is at hand.

    A tag can move between the build, the scan and the signature: what is signed need not be what was scanned.
    The build job's output REFERENCE names the content itself.
    """
    published = [each for each in image_flow.published(view) if each.pushed]
    for read in image_flow.read(view):
        if read.image is None or read.image.digest:
            continue
        for each in published:
            if each.image.repository == read.image.repository and each.job.name in view.before(read.job):
                name = each.job.name
                what = f"{read.use.where} takes a tag, which can move after job `{name}` pushed it"
                there, here = "outputs: {reference: REFERENCE}", f"${{{{ needs.{name}.outputs.reference }}}}"
                yield Diagnostic(read.mark, what, f"write `{there}` there and `{here}` here")
                break


@rule("GP408", Severity.ERROR)
def no_daemon(view: View) -> Iterator[Diagnostic]:
    """A plugin that needs a Docker daemon, on a job without one.

    buildx builds through the daemon, and trivy with `image-source: docker` scans what is there. A job has one
    only with `docker: true`, or through a variable DOCKER_HOST of its own. kaniko builds without a daemon.
    """
    for use in view.known_uses:
        job = use.job
        if job is None or job.docker or job.profile or _daemon(use) != "always":
            continue
        if "DOCKER_HOST" not in view.names(job):
            yield Diagnostic(use.mark, f"{use.where} has no Docker daemon", "add `docker: true` to the job")


@rule("GP409", Severity.WARNING)
def idle_daemon(view: View) -> Iterator[Diagnostic]:
    """A Docker daemon that the plugin does not use.

    `docker: true` is as good as root on the host, and the job carries a login. trivy and cosign talk to the
    registry, and kaniko builds without a daemon: remove it.
    """
    for use in view.known_uses:
        if use.job is not None and use.job.docker and _daemon(use) == "never":
            what = f"{use.where} has the Docker socket, and {use.name} does not use it"
            yield Diagnostic(use.job.at("docker"), what, "remove `docker: true`")


@rule("GP410", Severity.WARNING)
def no_identity(view: View) -> Iterator[Diagnostic]:
    """Keyless signing without an identity.

    Without a key cosign signs with a certificate, for which it needs the job's identity token. The platform
    issues one to jobs that declare it in `id_tokens:`; `cert-identity` does not stand in for it.
    """
    for use in view.known_uses:
        fact = next((each for each in use.signs if not use.can(each)), None)
        name = use.token_name(fact) if fact else ""
        if use.job is not None and fact and name:
            what = f"{use.where} signs keyless, and has no identity token"
            advice = f"add `id_tokens: {{{name}: {{aud: {use.text(fact.audience) or 'sigstore'}}}}}`"
            key = fact.key_content or fact.key
            yield Diagnostic(use.mark, what, f"{advice}, or give `{key}`" if key else advice)


@rule("GP411", Severity.WARNING)
def beside_its_check(view: View) -> Iterator[Diagnostic]:
    """An image is signed or copied beside the job that checks it.

    A scan that fails the job keeps later jobs from running. A signature or a promotion that does not wait for
    it happens whatever is found.
    """
    reads = list(image_flow.read(view))
    checks = [read for read in reads if read.use.gates]
    for read in reads:
        if not (read.use.signs or read.use.publishes):
            continue
        for check in checks:
            apart = read.job.name != check.job.name and read.job.name not in view.before(check.job)
            if read.image_of == check.image_of and apart and check.job.name not in view.before(read.job):
                what = f"{read.use.where} does not wait for job `{check.job.name}`, which checks the image"
                yield Diagnostic(read.mark, what, f"add `needs: [{check.job.name}]`")


@rule("GP412", Severity.WARNING)
def side_by_side(view: View) -> Iterator[Diagnostic]:
    """Two jobs sign or attest the same image side by side.

    Where a registry has no referrers API (ghcr.io and the reference implementation have none), the list of
    what is attached to an image is behind one tag. Each job reads that list, adds to it and writes it back:
    what the one wrote in between is lost. One after the other, nothing is.
    """
    signing = [
        (use.job, use.mark, image_flow.subjects(view, use))
        for use in view.known_uses
        if use.signs and use.job is not None
    ]
    for (other, _, theirs), (job, mark, subjects) in combinations(signing, 2):
        ordered = job.name in view.before(other) or other.name in view.before(job)
        if not ordered and subjects & theirs:
            what = f"job `{job.name}` writes to the image at the same time as job `{other.name}`"
            yield Diagnostic(mark, what, f"add `needs: [{other.name}]`")


@rule("GP413", Severity.WARNING)
def branch_as_tag(view: View) -> Iterator[Diagnostic]:
    """A tag that is the name of a branch, slashes and all.

    A tag cannot hold a slash, and many branches have one: on `feat/login` the job ends before it does
    anything. In `tags` a slash becomes a `-`, by `type=ref,event=branch` or `${CI_BRANCH}` alone. What scans
    or copies the image takes it by the output REFERENCE of the job that pushed it. A pipeline that only
    pushes to branches without a slash start is not reported.
    """
    trigger = view.pipeline.trigger
    plain = trigger.branches and not any(re.search(r"[/*?\[]", each) for each in trigger.branches)
    if plain and "pull_request" not in trigger.events:
        return
    for each in image_flow.published(view):
        fact = each.use.publishes
        if fact is not None and _BRANCH.search(each.image.tag):
            what = (
                f"`{fact.image}` of {each.use.where} takes a branch for a tag, and a tag cannot hold a slash"
            )
            spec = each.use.spec(fact.tags) if fact.tags else None
            has_rules = spec is not None and spec.format == "tag-rules"
            advice = f"leave it out, and write `{fact.tags}: type=ref,event=branch`"
            yield Diagnostic(each.use.at(fact.image), what, advice if has_rules else "take ${CI_COMMIT_SHA}")
    for read in image_flow.read(view):
        if read.image is not None and _BRANCH.search(read.image.tag):
            what = f"`{read.key}` of {read.use.where} takes a branch for a tag, and a tag cannot hold a slash"
            yield Diagnostic(read.mark, what, "take what was pushed, by the output REFERENCE of that job")


_BRANCH = re.compile(r"\$\{\{?\s*CI_(COMMIT_)?BRANCH\b")


def _repository(read: image_flow.Read) -> str | None:
    return read.image.repository if read.image else None


def _daemon(use: Use) -> str:
    """Return whether the plugin needs a daemon with these inputs: always, maybe or never; empty: unknown."""
    fact = use.facts.daemon
    if fact is None:
        return ""
    return fact.needed if use.holds(fact.when) else "never"
