"""What is scanned, how Trivy is started for it, and what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gocdnext_sdk import InputMismatch, Job, Problem, Secret, Tool, ToolError, doing
from gocdnext_sdk.oci.platforms import choose, matches
from gocdnext_sdk.workspace import read_text

from .inputs import CACHE, FILES, PACKAGES, SEVERITIES, TrivyInputs, query_values, without_login

NOT_BOUND = ("TRIVY_USERNAME", "TRIVY_PASSWORD", "TRIVY_REGISTRY_TOKEN")
"""Logins that Trivy sends to every registry it contacts, those of its databases too."""

GIT_TOKENS = {"github.com": "GITHUB_TOKEN", "gitlab.com": "GITLAB_TOKEN"}
"""The job's variable that holds the token of a git host, and goes to no other."""

NOTHING: Mapping[str, str] = MappingProxyType({})

Report = dict[str, Any]
"""Trivy's JSON, schema version 2."""


@dataclass(frozen=True)
class Subject:
    """One thing to scan.

    Args:
        name: the display name; the same for all platforms of an image.
        argv: its arguments for Trivy.
        platform: of an image.
        digest: of one image of an index; what else tells it from the others there may be alike.
    """

    name: str
    argv: tuple[str, ...]
    platform: str = ""
    digest: str = ""


def find_subjects(inputs: TrivyInputs, job: Job) -> list[Subject]:
    """Return what is scanned: of an image in a registry every platform, by digest."""
    if inputs.archive:
        return [Subject(inputs.archive, ("--input", inputs.archive))]
    if inputs.image is None:
        target, _ = without_login(inputs.target or ".")
        return [Subject(target, (target,))]
    image = inputs.image
    job.output(IMAGE=image.name)
    if inputs.image_source == "docker":
        return [Subject(str(image), ("--image-src", "docker", str(image)))]

    registry = job.registry(inputs.all_logins(), inputs.insecure_registries)
    found = registry.resolve(image)
    name = str(image.with_digest(found.digest))
    if image.digest is None:
        job.say(f"{image} is {found.digest}")
    job.output(DIGEST=found.digest, REFERENCE=name)
    if tag := image.tag or ("" if image.digest else "latest"):
        job.output(TAGS=tag)
    if not found.is_index:
        return [Subject(name, ("--image-src", "remote", name))]
    try:
        children = choose(inputs.platforms, registry.platforms(image.with_digest(found.digest)))
    except ValueError as error:
        problem = Problem.of("platforms", error)
        raise InputMismatch(problem.key, problem.what, problem.advice) from None
    if not children:
        raise ToolError(f"nothing to scan: {name} is an index without images")
    if inputs.is_of_one_image and len(children) > 1:
        names = ", ".join(f"{child.platform or 'no platform'} ({child.digest})" for child in children)
        what = f"format: {inputs.format} describes one image, and here are several: {names}"
        raise InputMismatch("platforms", what, "choose one of these platforms, or give a digest as `target`")
    return [
        Subject(
            name,
            ("--image-src", "remote", str(image.with_digest(child.digest))),
            child.platform or "",
            child.digest,
        )
        for child in children
    ]


def prepare(inputs: TrivyInputs, job: Job) -> Tool:
    """Return Trivy with the logins it needs, each of which goes to its own host only."""
    for name in NOT_BOUND:
        if name in job.environ:
            job.warn(f"{name} is ignored, since trivy would send it to every registry; pass it as `password`")
    inherit = [name for name in job.environ if name.startswith("TRIVY_") and name not in NOT_BOUND]
    if inputs.image_source == "docker":
        inherit += ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"]
    env: dict[str, str | Secret] = {}
    if logins := inputs.all_logins():
        env.update(job.docker_config(logins))
    else:
        inherit.append("DOCKER_CONFIG")
    for note in honoured_files(inputs, job.workspace):
        job.say(note)
    for note in ignored_ignorefiles(inputs, job.workspace):
        job.warn(note)
    for value in query_values(inputs.target or ""):
        job.mask(value)
    if inputs.scan_type == "repo":
        env.update(git_login(inputs, job.environ))
    elif inputs.username and not inputs.image:
        job.warn("`username` and `password` are ignored: they are for the registry of an image")
    return job.tool("trivy", env=env, inherit=inherit)


def honoured_files(inputs: TrivyInputs, workspace: Path) -> Iterator[str]:
    """Yield what to say of files that Trivy finds by itself: whoever can change them decides what counts."""
    configuration = inputs.config or "trivy.yaml"
    for name, given, what in (
        (configuration, inputs.config, "Trivy's own configuration, which may leave findings out"),
        (".trivyignore", inputs.ignorefile, "which accepts findings"),
        ("trivy-secret.yaml", None, "which says what a secret is"),
    ):
        if not given and (workspace / name).exists():
            yield f"{name} of the checkout is used, {what}"


def ignored_ignorefiles(inputs: TrivyInputs, workspace: Path) -> Iterator[str]:
    """Yield what to say of files that are plainly meant and that Trivy passes over without a word."""
    if inputs.ignorefile:
        return
    for name in (".trivyignore.yaml", ".trivyignore.yml"):
        if (workspace / name).is_file():
            yield f"{name} is not used: write `ignorefile: {name}`"
    try:
        text = read_text(workspace / ".trivyignore")
    except (OSError, UnicodeDecodeError):
        return
    if re.search(r"(?m)^(vulnerabilities|misconfigurations|secrets|licenses):", text):
        yield ".trivyignore holds YAML, which Trivy reads from .yaml files: rename it, write `ignorefile`"


def without_logins(job: Job) -> Tool:
    """Return Trivy as it writes reports: a template, maybe of the checkout, can print its environment."""
    secret = (*NOT_BOUND, "TRIVY_TOKEN", "TRIVY_REDIS_KEY")
    inherit = [name for name in job.environ if name.startswith("TRIVY_") and name not in secret]
    return job.tool("trivy", inherit=inherit)


def git_login(inputs: TrivyInputs, environ: Mapping[str, str]) -> dict[str, Secret]:
    """Return the variable with the token that Trivy sends to the repository's host, whichever it is.

    The user name is Trivy's own; git hosts look at the token only.
    """
    url, token = without_login(inputs.target or "")
    host = re.sub(r"(?i)^https?://", "", url).partition("/")[0].lower()
    ambient = environ.get(GIT_TOKENS.get(host, ""))
    token = inputs.password or token or (Secret(ambient) if ambient else None)
    return {"GITHUB_TOKEN": token} if token else {}


def scan(inputs: TrivyInputs, job: Job, trivy: Tool, subjects: Iterable[Subject]) -> dict[Subject, Report]:
    """Scan each subject once.

    Raises:
        ToolError: a scan failed, so that nothing is known about findings.
    """
    cache = inputs.cache_dir or job.environ.get("TRIVY_CACHE_DIR") or CACHE
    reports: dict[Subject, Report] = {}
    if inputs.scans_insecurely and inputs.looks_up and not (inputs.skip_db_update or inputs.offline):
        # Before the scan, in which plain http is allowed to every host.
        databases = _each("--db-repository", inputs.db_repository)
        with doing(f"nothing was scanned{after_download(inputs)}"):
            trivy.run("image", "--download-db-only", "--cache-dir", cache, "--no-progress", *databases)
        inputs = inputs.model_copy(update={"skip_db_update": True})
    for subject in subjects:
        with doing(f"the scan of {subject.name}{after_download(inputs)} has no result"):
            report = read_report(trivy.capture(*scan_command(inputs, subject, cache, job.environ)).stdout)
        platform = subject.platform or platform_of(report)
        if platform and not any(each == "all" or matches(platform, each) for each in inputs.platforms):
            raise ToolError(f"no result: {subject.name} is for {platform}, which `platforms` does not name")
        reports[replace(subject, platform=platform)] = report
        # One database for all platforms, even if a newer one appears meanwhile.
        inputs = inputs.model_copy(update={"skip_db_update": True})
    if inputs.looks_up and (date := database_date(job.workspace / cache)):
        job.say(f"vulnerability database of {date}")
    return reports


def after_download(inputs: TrivyInputs) -> str:
    """Return where the vulnerability database comes from, if a call looks there first, for its errors."""
    if not inputs.looks_up or inputs.skip_db_update or inputs.offline:
        return ""
    names = [*map(str, inputs.db_repository), *map(str, inputs.java_db_repository)]
    return f" with the database of {', '.join(names) or 'the Trivy project'}"


def scan_command(
    inputs: TrivyInputs, subject: Subject, cache: str, environ: Mapping[str, str] = NOTHING
) -> list[str]:
    """Return the argv of the one scan, whose JSON everything else is made from."""
    shown = [each for each in SEVERITIES if each in {*inputs.severity, *inputs.report_severity}]
    argv = [inputs.scan_type, "--format", "json", "--severity", ",".join(shown)]
    # What counts is counted in the report: Trivy's exit code does not tell findings from failures.
    argv += ["--exit-code", "0", *(("--timeout", inputs.timeout) if inputs.timeout else ())]
    # A scan cache on disk is locked by one process at a time; only the databases are worth keeping.
    argv += ["--cache-dir", cache, "--cache-backend", "memory"]
    argv += ["--skip-version-check", "--disable-telemetry", *_settings(inputs)]
    argv += _unmoved(inputs, environ)
    if inputs.scan_type in PACKAGES:
        argv += ["--no-progress"]
        argv += ["--ignore-unfixed"] if inputs.ignore_unfixed else []
        argv += ["--skip-db-update"] if inputs.skip_db_update or inputs.offline else []
        argv += ["--skip-java-db-update", "--offline-scan"] if inputs.offline else []
        asks_nobody = inputs.offline or inputs.scans_insecurely
        argv += ["--skip-vex-repo-update"] if inputs.vex and asks_nobody else []
        argv += _each("--db-repository", inputs.db_repository)
        argv += _each("--java-db-repository", inputs.java_db_repository)
        argv += _each("--scanners", inputs.scanners)
        argv += _each("--pkg-types", inputs.pkg_types)
        argv += _each("--vex", inputs.vex)
    if inputs.scans_insecurely:
        # Trivy allows it to every host of a call, so the call asks no other.
        argv += ["--insecure", "--offline-scan", "--skip-java-db-update"]
    if inputs.scan_type in FILES:
        # The checks in the binary, so that one version of the plugin judges alike every day.
        argv += ["--skip-check-update"]
        argv += _each("--skip-dirs", inputs.skip_dirs)
        argv += _each("--skip-files", inputs.skip_files)
    return [*argv, *subject.argv]


def convert_command(inputs: TrivyInputs, report_format: str, path: str) -> list[str]:
    """Return the argv that turns the JSON at `path` into another format."""
    argv = ["convert", "--quiet", "--format", report_format, "--exit-code", "0", *_settings(inputs)]
    if report_format == "table":
        # They only name the columns of the summary.
        usual = {"config": "misconfig", "sbom": "vuln"}.get(inputs.scan_type, "vuln,secret")
        argv += ["--scanners", ",".join(inputs.scanners) or usual]
    if report_format == "template":
        argv += ["--template", inputs.template or ""]
    return [*argv, path]


def _unmoved(inputs: TrivyInputs, environ: Mapping[str, str]) -> list[str]:
    """Return what a `trivy.yaml` that the job does not name may not decide.

    That is which server is sent what was found, and makes the report; and whether TLS is checked where logins
    are sent.
    """
    if inputs.config:
        return []
    argv = [] if inputs.scan_type == "config" or environ.get("TRIVY_SERVER") else ["--server", ""]
    return argv + ([] if inputs.scans_insecurely or environ.get("TRIVY_INSECURE") else ["--insecure=false"])


def _settings(inputs: TrivyInputs) -> list[str]:
    """Return what scan and conversion have to agree on."""
    return [
        "--output",
        "",  # standard output, whatever trivy.yaml says
        *_each("--config", filter(None, [inputs.config])),
        *_each("--ignorefile", filter(None, [inputs.ignorefile])),
    ]


def _each(flag: str, values: Iterable[object]) -> list[str]:
    return [word for value in values for word in (flag, str(value))]


def read_report(text: bytes) -> Report:
    """Return the report in Trivy's output.

    Raises:
        ToolError: there is none, as when Trivy's own configuration asks for a compliance report.
    """
    try:
        report = json.loads(text)
    except ValueError:
        report = None
    if not isinstance(report, dict) or report.get("SchemaVersion") != 2:
        raise ToolError("trivy wrote no JSON report; what do trivy.yaml and the TRIVY_* variables ask of it?")
    return report


def platform_of(report: Report) -> str:
    """Return the platform of the scanned image; empty if it is none."""
    config = report.get("Metadata", {}).get("ImageConfig", {})
    return "/".join(config[key] for key in ("os", "architecture", "variant") if config.get(key))


def database_date(cache: Path) -> str:
    """Return when the cached vulnerability database was made; empty if there is none."""
    try:
        return str(json.loads((cache / "db" / "metadata.json").read_text())["UpdatedAt"])
    except (OSError, ValueError, KeyError):
        return ""
