"""GP2xx: secrets, declared and used, and what must not be near them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gocdnext_sdk.contract import refs
from gocdnext_sdk.errors import closest
from gocdnext_sdk.host.lint.rule import Severity, rule
from gocdnext_sdk.host.lint.view import Use, View, is_known
from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.pipeline.builtins import ALWAYS, SOMETIMES
from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark
from gocdnext_sdk.host.pipeline.model import Job, Pipeline, Plugin, Script
from gocdnext_sdk.secret import looks_secret

# Which secrets are keys to sign with is another question than `looks_secret`.
_SIGNING_KEY: Final = re.compile(r"(COSIGN|SIGNING|PRIVATE)_?(PRIVATE_?)?KEY|_PEM$")

_READ_BY_NAME: Final = (
    *("AWS_", "AZURE_", "ARM_", "GOOGLE_", "GCP_", "VAULT_", "KUBE", "ACTIONS_", "SIGSTORE_", "PLUGIN_"),
    *("GITHUB_TOKEN", "GITLAB_TOKEN", "DOCKER_", "HTTP_", "HTTPS_"),
)
"""Beginnings of names that many tools look up in their environment themselves; a plugin states its own."""


@rule("GP201", Severity.ERROR)
def undeclared_secret(view: View) -> Iterator[Diagnostic]:
    """A secret that is used and not declared.

    A job sees only the secrets its own `secrets:` lists; those of another job do not count. The platform
    fails the job when it hands it out.
    """
    for use in view.uses:
        if use.job is not None and use.job.profile:
            continue  # a runner profile may bring it
        known = view.names(use.job).union(use.secrets)
        for key, value in use.plugin.inputs.items():
            spec = use.spec(key)
            for name in dict.fromkeys(refs.references(value.text)):
                if name in known or not is_secret_name(view, name, secret_input=bool(spec and spec.secret)):
                    continue
                what = f"{use.where} uses the secret {name}, which it does not declare"
                close = closest(name, use.secrets, similarity=0.8)
                advice = f"did you mean {close}?" if close else f"add {name} to its `secrets:`"
                yield Diagnostic(value.mark, what, advice)


def is_secret_name(view: View, name: str, *, secret_input: bool = False) -> bool:
    """Tell whether a name that is not known is most likely a secret's."""
    declared = {secret for job in view.pipeline.jobs for secret in job.secrets}
    looks = secret_input or looks_secret(name)
    return refs.is_name(name) and (name in declared or looks)


@rule("GP202", Severity.WARNING)
def idle_secret(view: View) -> Iterator[Diagnostic]:
    """A secret that is declared and not used.

    Every secret a job declares is in its environment, where everything the job starts can read it. Nothing
    in this job mentions this one, and the plugin has no use for it by its name: remove it. Names that tools
    look up themselves, such as `AWS_…`, are not reported, nor is anything of a plugin whose manifest declares
    no facts (`x-…`): its tool may read any variable.
    """
    for use in view.known_uses:
        job = use.job
        if job is None or use.facts == Facts():
            continue
        texts = [value.text for value in (*use.plugin.inputs.values(), *view.variables(job).values())]
        used = {word for text in texts for word in re.findall(r"\w+", text)}
        read_by_name = (*_READ_BY_NAME, *use.facts.variables)
        for name in job.secrets:
            if name not in used and not name.startswith(read_by_name):
                mark = job.at(f"secrets.{name}")
                yield Diagnostic(
                    mark, f"{use.where} declares the secret {name} and does not use it", "remove it"
                )


@rule("GP203", Severity.ERROR)
def secret_in_file(view: View) -> Iterator[Diagnostic]:
    """A secret whose value is in the file.

    Whoever can read the repository has it, and no log hides it. Put it into the project's secrets, declare
    it, and refer to it; and change it, since it is out. A public key is no secret; the address of a webhook
    is one, since whoever knows it can post.
    """
    yield from _webhooks(view)
    for use in view.known_uses:
        for key, value in use.plugin.inputs.items():
            spec = use.spec(key)
            text = view.expand(use.job, value.text)
            if spec is None or not spec.secret or not text.strip() or not is_known(text):
                continue
            if "PUBLIC KEY-----" not in text:
                name = f"{use.name}_{spec.name}".upper().replace("-", "_")
                what = f"`{key}` of {use.where} is a secret, and its value is in the file"
                yield Diagnostic(value.mark, what, f"write `{key}: ${{{{ {name} }}}}` and declare {name}")


_WEBHOOK = re.compile(
    r"""(?xi)https://(
        hooks\.slack\.com/(services|workflows|triggers)/\w
      | (\w+\.)?discord(app)?\.com/api/webhooks/\d
      | [\w.-]+\.webhook\.office\.com/webhookb2/\w | outlook\.office(365)?\.com/webhook/\w
      | chat\.googleapis\.com/v1/spaces/[^\s?]+\?\S*\bkey=
      | api\.telegram\.org/bot\d+:
    )"""
)
"""Addresses that services give to those who may post, and to nobody else."""


def _webhooks(view: View) -> Iterator[Diagnostic]:
    told: set[Mark] = set()
    for what, text, mark, advice in _texts(view):
        if _WEBHOOK.search(text) and mark not in told:
            told.add(mark)
            yield Diagnostic(mark, f"{what} holds the address of a webhook, which is a secret", advice)


def _texts(view: View) -> Iterator[tuple[str, str, Mark, str]]:
    """Yield what reaches a tool or a shell: what it is, its text, its place, what to do with a secret."""
    declare = "declare WEBHOOK_URL in the `secrets:` of the job that posts, and use it there"
    for name, value in view.pipeline.variables.items():
        yield f"variable {name}", value.text, value.mark, declare
    for use in view.uses:
        for key, value in use.plugin.inputs.items():
            advice = f"write `{key}: ${{{{ WEBHOOK_URL }}}}` and declare WEBHOOK_URL"
            yield f"`{key}` of {use.where}", value.text, value.mark, advice
    for job in view.pipeline.jobs:
        where = f"of job `{job.name}`"
        for name, value in job.variables.items():
            advice = f"write `{name}: ${{{{ WEBHOOK_URL }}}}` and declare WEBHOOK_URL"
            yield f"variable {name} {where}", value.text, value.mark, advice
        for number, line in enumerate(job.action.lines if isinstance(job.action, Script) else ()):
            advice = 'write "$WEBHOOK_URL" and declare WEBHOOK_URL in `secrets:`'
            yield f"`script:` {where}", line, job.at(f"script.{number}"), advice
        for name, values in job.matrix.items():
            yield f"matrix dimension {name} {where}", "\n".join(values), job.at("parallel"), declare
    for service in view.pipeline.services:
        for name, text in service.env.items():
            yield f"variable {name} of service `{service.name}`", text, service.mark, "leave it to the jobs"


@rule("GP204", Severity.ERROR)
def key_text_as_path(view: View) -> Iterator[Diagnostic]:
    """The text of a key where its path belongs.

    The `key:` of cosign names a file in the workspace, or a key in a KMS. The text of a key goes into
    `key-content:`, which reaches cosign in memory and never in a file.
    """
    for use in view.known_uses:
        for key, content in dict.fromkeys((each.key, each.key_content) for each in use.facts.signs):
            if key not in use.given:
                continue
            value = use.given[key]
            names = [*refs.references(value.text), *refs.soft_references(value.text)]
            secret = any(name in use.secrets and _SIGNING_KEY.search(name) for name in names)
            if secret or "-----BEGIN" in value.text:
                what = f"`{key}` of {use.where} holds the text of a key, and takes a path or a KMS URI"
                advice = f"write `{content}:`" if content else "give its path"
                yield Diagnostic(value.mark, what, advice)


@rule("GP205", Severity.ERROR)
def socket_beside_key(view: View) -> Iterator[Diagnostic]:
    """The Docker socket on a job that carries a signing key.

    `docker: true` gives the job the daemon of the host, which is as good as root there; whatever gets hold of
    the job then has the key that everybody trusts, and whatever shares the daemon can read it out of the job.
    Signing talks to the registry and needs no daemon: build in one job, sign in another.
    """
    uses = {use.job.name: use for use in view.uses if use.job is not None}
    for job in view.pipeline.jobs:
        if job.docker and (carried := _signing_key(job, uses.get(job.name))):
            what = f"job `{job.name}` has the Docker socket and the signing key {carried}"
            yield Diagnostic(
                job.at("docker"), what, "build in one job and sign in another, without `docker: true`"
            )


def _signing_key(job: Job, use: Use | None) -> str | None:
    if use is not None:
        for fact in use.signs:
            for key in (fact.key_content, fact.identity, fact.key):
                if key in use.given:
                    return f"of `{key}`"
    named = next((name for name in job.secrets if _SIGNING_KEY.search(name)), None)
    return named or ("of its id_token" if "SIGSTORE_ID_TOKEN" in job.id_tokens else None)


@rule("GP206", Severity.ERROR)
def secret_in_variables(view: View) -> Iterator[Diagnostic]:
    """A variable that refers to a secret some job does not declare.

    The pipeline's variables are resolved for every job, with that job's secrets: a single job that does not
    declare the secret cannot start. Set the variable on the jobs that need it, or refer to the secret in
    `with:`.
    """
    for name, value in view.pipeline.variables.items():
        for body in dict.fromkeys(refs.references(value.text)):
            if not is_secret_name(view, body) or body in ALWAYS or body in SOMETIMES:
                continue
            if lacking := _lacking(view.pipeline, name, body):
                what = (
                    f"variable {name} refers to the secret {body}, which job `{lacking[0]}` does not declare"
                )
                yield Diagnostic(value.mark, what, "set the variable on the jobs that declare the secret")


@rule("GP207", Severity.ERROR)
def secret_that_is_published(view: View) -> Iterator[Diagnostic]:
    """A secret in what stays in an image.

    The history of an image and its provenance keep build arguments, its configuration keeps labels: whoever
    can pull the image can read them. A build gets a secret by `secret-envs`, and mounts it for one step:
    `RUN --mount=type=secret,id=ID`.
    """
    for use in view.known_uses:
        for key in use.facts.keeps:
            if key not in use.given:
                continue
            value = use.given[key]
            for name in dict.fromkeys(_named_in(use, key, value.text)):
                if name in use.secrets or is_secret_name(view, name):
                    what = f"`{key}` of {use.where} holds the secret {name}, and the image keeps it"
                    yield Diagnostic(value.mark, what, "give it by `secret-envs`, and mount it in a step")


def _named_in(use: Use, key: str, text: str) -> Iterator[str]:
    """Yield the variables that a text refers to; one of pairs also by the bare name of one, as `KEY`."""
    yield from refs.references(text)
    yield from refs.soft_references(text)
    spec = use.spec(key)
    if spec is not None and spec.format == "pairs":
        yield from (line.strip() for line in text.splitlines() if "=" not in line)


def _lacking(pipeline: Pipeline, variable: str, secret: str) -> list[str]:
    return [
        job.name
        for job in pipeline.jobs
        if isinstance(job.action, Plugin | Script)
        and variable not in job.variables
        and secret not in job.secrets
    ]
