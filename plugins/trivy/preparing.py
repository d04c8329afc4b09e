"""Trivy with the logins it needs, and what it finds in the checkout by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gocdnext_sdk import Job, Secret, Tool

from .configuration import CONFIGURATION
from .inputs import TrivyInputs, without_login

NOT_BOUND = ("TRIVY_USERNAME", "TRIVY_PASSWORD", "TRIVY_REGISTRY_TOKEN")
"""Logins that Trivy sends to every registry it contacts, those of its databases too."""

OVERRULED = {
    f"TRIVY_{key.upper().replace('-', '_')}": key
    for key in ("severity", "ignore-unfixed", "exit-code", "format", "output")
} | {"TRIVY_INPUT": "archive", "TRIVY_IMAGE_SRC": "image-source"}
"""Variables that Trivy reads, by the inputs that win over them, be it with their default."""

CONVERTS = (
    *("TRIVY_CACHE_DIR", "TRIVY_CONFIG", "TRIVY_DEBUG", "TRIVY_QUIET", "TRIVY_TIMEOUT"),
    *("TRIVY_IGNOREFILE", "TRIVY_IGNORE_POLICY", "TRIVY_SEVERITY", "TRIVY_SCANNERS", "TRIVY_SHOW_SUPPRESSED"),
    *("TRIVY_COMPLIANCE", "TRIVY_DEPENDENCY_TREE", "TRIVY_LIST_ALL_PKGS", "TRIVY_REPORT", "TRIVY_TABLE_MODE"),
)
"""The job's variables that say how a report is made: `trivy convert --help`, without what nobody may set."""

GIT_TOKENS = {"github.com": "GITHUB_TOKEN", "gitlab.com": "GITLAB_TOKEN"}
"""The job's variable that holds the token of a git host, and goes to no other."""


def prepare(inputs: TrivyInputs, job: Job) -> Tool:
    """Return Trivy with the logins it needs, each of which goes to its own host only."""
    for name in NOT_BOUND:
        if name in job.environ:
            job.warn(f"{name} is ignored, since trivy would send it to every registry; pass it as `password`")
    for name, key in OVERRULED.items():
        if name in job.environ:
            job.warn(f"{name} has no effect: write `{key}`")
    inherit = [name for name in job.environ if name.startswith("TRIVY_") and name not in NOT_BOUND]
    if inputs.image_source == "docker":
        inherit += ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"]
    env: dict[str, str | Secret] = {}
    if credentials := inputs.all_credentials:
        env.update(job.docker_config(credentials))
    else:
        inherit.append("DOCKER_CONFIG")
    for note in honoured_files(inputs, job.environ, job.workspace):
        job.say(note)
    for note in ignored_ignorefiles(inputs, job.environ, job.workspace):
        job.warn(note)
    for value in secret_headers(job.environ):
        job.mask(value)
    if inputs.scan_type == "repo":
        env.update(git_login(inputs, job.environ))
    elif inputs.username and not inputs.uses_login(job.workspace):
        job.warn("`username` and `password` are not used: they are for the registry of an image")
    return job.tool("trivy", env=env, inherit=inherit)


def honoured_files(inputs: TrivyInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[str]:
    """Yield what to say of files that the job does not name: whoever can change them decides what counts."""
    accepted = inputs.accepted_by(environ, workspace)
    for name, given, variable, what in (
        (CONFIGURATION, inputs.config, "CONFIG", "Trivy's own configuration, which may leave findings out"),
        (accepted, inputs.ignorefile, "IGNOREFILE", "which accepts findings"),
        ("trivy-secret.yaml", None, "SECRET_CONFIG", "which says what a secret is"),
    ):
        if not given and not environ.get(f"TRIVY_{variable}") and (workspace / name).exists():
            yield f"{name} of the checkout is used, {what}"


def ignored_ignorefiles(inputs: TrivyInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[str]:
    """Yield what to say of files that are plainly meant and that Trivy passes over without a word."""
    if inputs.accepted_by(environ, workspace) != ".trivyignore":
        return
    for name in (".trivyignore.yaml", ".trivyignore.yml"):
        if (workspace / name).is_file():
            yield f"{name} is not used: write `ignorefile: {name}`"


def without_secrets(job: Job) -> Tool:
    """Return Trivy as it writes reports: a template, maybe of the checkout, can print its environment.

    It needs no network for that, and so no proxy, whose address may hold a password.
    """
    trivy = job.tool("trivy", inherit=CONVERTS)
    environ = {name: value for name, value in trivy.environ.items() if not name.lower().endswith("_proxy")}
    return replace(trivy, environ=environ)


def secret_headers(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is secret in the headers for a Trivy server, such as `Authorization:Bearer …,X-A:…`."""
    for header in environ.get("TRIVY_CUSTOM_HEADERS", "").split(","):
        value = header.partition(":")[2].strip()
        yield from (value, value.rpartition(" ")[2])


def git_login(inputs: TrivyInputs, environ: Mapping[str, str]) -> dict[str, Secret]:
    """Return the variable with the token that Trivy sends to the repository's host, whichever it is.

    The user name is Trivy's own; git hosts look at the token only.
    """
    url, token = without_login(inputs.target or "")
    host = re.sub(r"(?i)^https?://", "", url).partition("/")[0].lower()
    ambient = environ.get(GIT_TOKENS.get(host, ""))
    token = inputs.password or token or (Secret(ambient) if ambient else None)
    return {"GITHUB_TOKEN": token} if token else {}
