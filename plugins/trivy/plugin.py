"""Scan images, file trees, repositories and configuration with Trivy."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator

from gocdnext_sdk import (
    Boolean,
    Credential,
    Credentials,
    DaemonUse,
    Error,
    Findings,
    Gates,
    Input,
    InputMismatch,
    Invalid,
    Items,
    Job,
    Plugin,
    Problem,
    Reads,
    Reference,
    References,
    RegistryLoginInputs,
    RequiredIf,
    RequiredTogether,
    Secret,
    Tool,
    ToolError,
    Words,
    WorkspacePath,
    one_of,
)
from gocdnext_sdk.oci.platforms import choose, is_platform

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")

PACKAGES = frozenset({"image", "fs", "repo", "rootfs", "sbom"})
"""The scan types that look for packages, and so for vulnerabilities."""

FILES = frozenset({"image", "fs", "repo", "rootfs", "config"})
"""The scan types that read files."""

IMAGE = frozenset({"image"})

ONLY_FOR = {
    **dict.fromkeys(("archive", "image_source", "platforms"), IMAGE),
    **dict.fromkeys(("scanners", "pkg_types", "vex"), PACKAGES),
    **dict.fromkeys(("skip_dirs", "skip_files"), FILES),
}
"""The inputs that other scan types would ignore, which must not happen silently."""

NOT_BOUND = ("TRIVY_USERNAME", "TRIVY_PASSWORD", "TRIVY_REGISTRY_TOKEN")
"""Logins that Trivy sends to every registry it contacts, those of its databases too."""

GIT_TOKENS = {"github.com": "GITHUB_TOKEN", "gitlab.com": "GITLAB_TOKEN"}
"""The job's variable that holds the token of a git host, and goes to no other."""

Report = dict[str, Any]
"""Trivy's JSON, schema version 2."""

Counts = Counter[str]
"""How many findings there are of each severity."""


def _duration(text: str) -> str:
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+", text):
        raise Invalid(f'"{text}" is not a duration', 'write it as "10m" or "1h30m"')
    return text


class TrivyInputs(RegistryLoginInputs):
    """What to scan, what to look for, and where the report goes."""

    scan_type: Literal["image", "fs", "repo", "config", "rootfs", "sbom"] = Input(
        "fs",
        description="What to scan: an image, a file tree (fs), a git repository (repo), configuration files "
        "(config), an unpacked root file system (rootfs) or an SBOM file (sbom).",
    )
    target: str | None = Input(
        None,
        description="What to point the scan at: an image reference, a path, or the URL of a repository. "
        'Required, except that fs and config take the workspace (".").',
    )
    archive: WorkspacePath | None = Input(
        None,
        description="Image archive, as `docker save` and kaniko write it, to scan instead of `target`.",
    )
    image_source: Literal["registry", "docker"] = Input(
        "registry",
        description='Where the image is. "docker": in the daemon of a job with `docker: true`.',
    )
    platforms: Words = Input(
        "all",
        description='Platforms of a multi-platform image to scan, e.g. "linux/amd64". "all": all it has.',
    )
    severity: Annotated[Words, one_of(*SEVERITIES)] = Input(
        "HIGH,CRITICAL", description="Severities that count: one finding of these fails the job."
    )
    report_severity: Annotated[Words, one_of(*SEVERITIES)] = Input(
        "", description="Severities that the report shows beside those that count."
    )
    exit_code: int = Input(
        "1",
        description='Exit code when something of `severity` is found. "0": advisory, the job goes on.',
        ge=0,
        le=255,
    )
    ignore_unfixed: Boolean = Input("true", description="Leave out vulnerabilities that have no fix yet.")
    scanners: Annotated[Words, one_of("vuln", "misconfig", "secret", "license")] = Input(
        "", description="What to look for: vuln, misconfig, secret, license. If empty: vuln and secret."
    )
    pkg_types: Annotated[Words, one_of("os", "library")] = Input(
        "", description="Packages to look at: os, library. If empty: both."
    )
    skip_dirs: Items = Input("", description="Directories to leave out, as paths or globs.")
    skip_files: Items = Input("", description="Files to leave out, as paths or globs.")
    ignorefile: WorkspacePath | None = Input(
        None, description="File of accepted findings. If empty: `.trivyignore`, where there is one."
    )
    vex: Items = Input(
        "", description='VEX documents to honour: paths, "oci" (attested to the image) or "repo".'
    )
    config: WorkspacePath | None = Input(
        None,
        description="Trivy's own configuration file, for what has no input here. If empty: `trivy.yaml`, "
        "where there is one.",
    )
    format: Literal[
        "table", "json", "sarif", "template", "cyclonedx", "spdx", "spdx-json", "github", "cosign-vuln"
    ] = Input("table", description="Format of the report.")
    template: str | None = Input(
        None, description='Template of `format: template`: "@path/to/file.tpl", or its text.'
    )
    output: WorkspacePath | None = Input(
        None,
        description="Path of the report in the workspace; the log then shows the table. If empty, the report "
        "goes to the log.",
    )
    timeout: Annotated[str, AfterValidator(_duration)] = Input(
        "5m", description='Time for one scan, e.g. "15m".'
    )
    skip_db_update: Boolean = Input(
        "false",
        description="Use the cached vulnerability database as it is, without asking for a newer one.",
    )
    offline: Boolean = Input(
        "false", description="Contact nothing but the image's registry: no database, no look-ups."
    )
    db_repository: References = Input(
        "",
        description="Where the vulnerability database comes from, first choice first, e.g. "
        '"registry.example.com/mirror/trivy-db:2". If empty: Trivy\'s public ones.',
    )
    java_db_repository: References = Input("", description="As `db-repository`, for the index of Java.")
    db_username: str | None = Input(
        None,
        description="User name at the registry of the first `db-repository`. It is sent to that one only.",
    )
    db_password: Secret | None = Input(None, description="Password or token for `db-username`.")
    cache_dir: str | None = Input(
        None,
        description="Folder of the databases. If empty: the job's TRIVY_CACHE_DIR, else `.cache/trivy`.",
    )

    constraints = (
        RequiredIf("target", "scan-type", "repo", "rootfs", "sbom"),
        RequiredIf("template", "format", "template"),
        RequiredTogether("db-username", "db-password"),
    )

    @property
    def image(self) -> Reference | None:
        """The image to scan, where it has a name."""
        return Reference.parse(self.target) if self.scan_type == "image" and self.target else None

    @property
    def is_of_one_image(self) -> bool:
        """Whether the report describes one image and has no place for a platform."""
        return self.format in ("cyclonedx", "spdx", "spdx-json", "github", "cosign-vuln")

    def logins(self) -> Credentials:
        """Return the registry logins, each bound to its host."""
        logins = list(self.credentials(self.image.registry)) if self.image else []
        if self.db_username and self.db_password and self.db_repository:
            logins.append(Credential(self.db_repository[0].registry, self.db_username, self.db_password))
        return Credentials(logins)

    def check(self, environ: Mapping[str, str]) -> Iterator[Problem]:
        """Check the target, and that nothing given would be ignored."""
        problems = list(self._check_target())
        yield from problems
        for name, scan_types in ONLY_FOR.items():
            if name in self.model_fields_set and self.scan_type not in scan_types:
                what = f"means nothing to scan-type: {self.scan_type}"
                yield Problem(name.replace("_", "-"), what, "leave it out")
        if self.scan_type == "sbom" and not {"vuln", "license"}.issuperset(self.scanners):
            yield Problem("scanners", "an SBOM can be scanned for vuln and license only")
        if self.image_source == "docker" and "DOCKER_HOST" not in environ:
            yield Problem("image-source", "the job has no Docker daemon", "add `docker: true` to the job")
        for name in ("archive", "ignorefile", "config"):
            if (path := getattr(self, name)) and not Path(path).is_file():
                yield Problem(name, f'there is no file "{path}" in the workspace')
        if self.output and Path(self.output).is_dir():
            yield Problem("output", f'"{self.output}" is a folder', "give the path of a file")
        if self.template and self.format != "template":
            yield Problem("template", f"means nothing to format: {self.format}", "write format: template")
        if self.template and self.template.startswith("@"):
            path = self.template.removeprefix("@")
            if not (path.endswith(".tpl") and Path(path).is_file()):
                yield Problem("template", f'there is no template "{path}"', "give the path of a .tpl file")
        if self.db_username and not self.db_repository:
            yield Problem("db-repository", "is missing, and `db-username` needs it", "name the database")
        elif self.db_username and not problems and self.image:
            yield from self._check_one_login(self.credentials(self.image.registry))

    def _check_one_login(self, logins: Credentials) -> Iterator[Problem]:
        registry = self.db_repository[0].registry
        if logins.get(registry):
            what = f"{registry} has a login already, by `username`"
            yield Problem("db-username", what, "leave it out; the one login serves both")

    def _check_target(self) -> Iterator[Problem]:
        target, _ = without_login(self.target or "")
        if self.scan_type == "image":
            if bool(target) == bool(self.archive):
                yield Problem("target", "is needed, or `archive`, and not both", "give one image")
            elif target:
                try:
                    Reference.parse(target)
                except ValueError as error:
                    yield Problem.of("target", error)
        elif self.scan_type != "repo" and "://" in target:
            yield Problem("target", "is a URL", "a repository is scanned with scan-type: repo")
        elif target.startswith("-") or (self.scan_type != "repo" and not Path(target or ".").exists()):
            # A reference that came from a needed job is masked in the message, so always tell of images.
            what = f'there is no "{target}" in the workspace'
            yield Problem("target", what, "an image is scanned with scan-type: image")


class Trivy(Plugin[TrivyInputs]):
    """Scan images, file trees, git repositories and configuration with Trivy.

    It looks for known vulnerabilities, leaked secrets, misconfiguration and licences, and fails the job when
    something of `severity` is found. Every platform of a multi-platform image is scanned, by digest.
    """

    name = "gocdnext-plugin-trivy"
    category = "security"
    inputs = TrivyInputs
    outputs = {
        "IMAGE": "The image's name, without tag and digest.",
        "DIGEST": "The digest that was scanned: of the index, for a multi-platform image.",
        "REFERENCE": "IMAGE@DIGEST: what to sign.",
        "TAGS": "The tag in `target`.",
        "PLATFORMS": "The platforms that were scanned, with commas between.",
        "FINDINGS": "Number of findings that count: those of `severity`.",
        **{each: f"Number of {each.lower()} findings in the report." for each in SEVERITIES},
    }

    reads = (Reads("target", when={"scan-type": "image"}, unless={"image-source": "docker"}),)
    gates = Gates(unless={"exit-code": "0"})
    daemon = DaemonUse("always", when={"image-source": "docker"})
    variables = ("TRIVY_", "DOCKER_", *GIT_TOKENS.values())

    def run(self, inputs: TrivyInputs, job: Job) -> dict[str, str]:
        """Find out what to scan, scan each part of it once, report, judge."""
        subjects = find_subjects(inputs, job)
        trivy = prepare(inputs, job)
        reports = scan(inputs, job, trivy, subjects)
        publish(inputs, job, without_logins(job), reports)
        counts = {subject: count(report) for subject, report in reports.items()}
        job.output(**summarize(inputs, counts))
        judge(inputs, job, counts)
        return {}


@dataclass(frozen=True)
class Subject:
    """One thing to scan.

    Args:
        name: how people are told; the same for all platforms of an image.
        argv: how Trivy is told.
        platform: of an image.
    """

    name: str
    argv: tuple[str, ...]
    platform: str = ""


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

    registry = job.registry(inputs.logins())
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
        raise ToolError(f"no result: {name} is an index without images")
    if inputs.is_of_one_image and len(children) > 1:
        names = ", ".join(str(child.platform) for child in children)
        what = f"format: {inputs.format} describes one image, and here are several"
        raise InputMismatch("platforms", what, f"choose one of {names}")
    return [
        Subject(name, ("--image-src", "remote", str(image.with_digest(child.digest))), child.platform or "")
        for child in children
    ]


def prepare(inputs: TrivyInputs, job: Job) -> Tool:
    """Return Trivy with the logins it needs, each of which goes to its own host only."""
    for name in NOT_BOUND:
        if name in job.environ:
            job.warn(f"{name} is not used: trivy would send it to every registry; give it as `password`")
    inherit = [name for name in job.environ if name.startswith("TRIVY_") and name not in NOT_BOUND]
    if inputs.image_source == "docker":
        inherit += ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"]
    env: dict[str, str | Secret] = {}
    if logins := inputs.logins():
        env.update(job.docker_config(logins))
    else:
        inherit.append("DOCKER_CONFIG")
    if inputs.scan_type == "repo":
        env.update(git_login(inputs, job.environ))
    elif inputs.username and not inputs.image:
        job.warn("`username` and `password` are not used: they are for an image's registry")
    return job.tool("trivy", env=env, inherit=inherit)


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


def without_login(url: str) -> tuple[str, Secret | None]:
    """Return a URL without its `user:token@`, and the token."""
    match = re.match(r"(?i)(https?://)?([^/]+)@", url)
    if not match or not (match[1] or ":" in match[2]):
        return url, None
    token = match[2].partition(":")[2] or match[2]
    return (match[1] or "") + url[match.end() :], Secret(unquote(token))


def scan(inputs: TrivyInputs, job: Job, trivy: Tool, subjects: Iterable[Subject]) -> dict[Subject, Report]:
    """Scan each subject once.

    Raises:
        ToolError: a scan failed, so that nothing is known about findings.
    """
    cache = inputs.cache_dir or job.environ.get("TRIVY_CACHE_DIR") or ".cache/trivy"
    reports: dict[Subject, Report] = {}
    for subject in subjects:
        try:
            report = read_report(trivy.capture(*plan_scan(inputs, subject, cache)).stdout)
        except ToolError as error:
            raise ToolError(f"no result, neither clean nor findings: {error}") from None
        platform = subject.platform or platform_of(report)
        if platform and not any(each == "all" or is_platform(platform, each) for each in inputs.platforms):
            raise ToolError(f"no result: {subject.name} is for {platform}, which `platforms` does not name")
        reports[replace(subject, platform=platform)] = report
        # One database for all platforms, even if a newer one appears meanwhile.
        inputs = inputs.model_copy(update={"skip_db_update": True})
    looks_up = inputs.scan_type in PACKAGES and "vuln" in (inputs.scanners or ("vuln",))
    if looks_up and (date := database_date(Path(cache))):
        job.say(f"vulnerability database of {date}")
    return reports


def plan_scan(inputs: TrivyInputs, subject: Subject, cache: str) -> list[str]:
    """Return the argv of the one scan, whose JSON everything else is made from."""
    shown = [each for each in SEVERITIES if each in {*inputs.severity, *inputs.report_severity}]
    argv = [inputs.scan_type, "--format", "json", "--severity", ",".join(shown)]
    # What counts is counted in the report: Trivy's exit code does not tell findings from failures.
    argv += ["--exit-code", "0", "--timeout", inputs.timeout]
    # A scan cache on disk is locked by one process at a time; only the databases are worth keeping.
    argv += ["--cache-dir", cache, "--cache-backend", "memory"]
    argv += ["--skip-version-check", "--disable-telemetry", *_settings(inputs)]
    if inputs.scan_type in PACKAGES:
        argv += ["--no-progress"]
        argv += ["--ignore-unfixed"] if inputs.ignore_unfixed else []
        argv += ["--skip-db-update"] if inputs.skip_db_update or inputs.offline else []
        argv += ["--skip-java-db-update", "--offline-scan"] if inputs.offline else []
        argv += ["--skip-vex-repo-update"] if inputs.offline and inputs.vex else []
        argv += _each("--db-repository", inputs.db_repository)
        argv += _each("--java-db-repository", inputs.java_db_repository)
        argv += _each("--scanners", inputs.scanners)
        argv += _each("--pkg-types", inputs.pkg_types)
        argv += _each("--vex", inputs.vex)
    if inputs.scan_type in FILES:
        # The checks in the binary, so that one version of the plugin judges alike every day.
        argv += ["--skip-check-update"]
        argv += _each("--skip-dirs", inputs.skip_dirs)
        argv += _each("--skip-files", inputs.skip_files)
    return [*argv, *subject.argv]


def plan_convert(inputs: TrivyInputs, report_format: str, path: str) -> list[str]:
    """Return the argv that turns the JSON at `path` into another format."""
    argv = ["convert", "--quiet", "--format", report_format, "--exit-code", "0", *_settings(inputs)]
    if report_format == "table":
        # They only name the columns of the summary.
        usual = {"config": "misconfig", "sbom": "vuln"}.get(inputs.scan_type, "vuln,secret")
        argv += ["--scanners", ",".join(inputs.scanners) or usual]
    if report_format == "template":
        argv += ["--template", inputs.template or ""]
    return [*argv, path]


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


def publish(inputs: TrivyInputs, job: Job, trivy: Tool, reports: Mapping[Subject, Report]) -> None:
    """Write the report where it is wanted. When that is a file, the log shows the table."""

    def render(report_format: str) -> str:
        if report_format == "json":
            return json.dumps(merge(reports), indent=2) + "\n"
        if report_format == "template":
            return convert(report_format, merge(reports))
        texts = {subject: convert(report_format, report) for subject, report in reports.items()}
        return merge_sarif(texts) if report_format == "sarif" else join(texts)

    def convert(report_format: str, report: Report) -> str:
        path = job.secret_file(json.dumps(report), "report.json")
        return trivy.capture(*plan_convert(inputs, report_format, path)).stdout.decode(errors="replace")

    text = render(inputs.format)
    if not inputs.output:
        print(text)
        return
    print(text if inputs.format == "table" else render("table"))
    path = job.workspace / inputs.output
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise Error(f"with.output: {inputs.output} cannot be written: {error.strerror}") from None
    job.say(f"report: {inputs.output} ({inputs.format})")


def merge(reports: Mapping[Subject, Report]) -> Report:
    """Return one report of all platforms, each of whose results says of which one it is."""
    (name, first), *others = ((subject.name, report) for subject, report in reports.items())
    if not others:
        return first
    results = [
        result | {"Target": f"{subject.platform}: {result['Target']}"}
        for subject, report in reports.items()
        for result in report.get("Results") or ()
    ]
    shared = {key: value for key, value in first.items() if key not in ("ArtifactID", "Metadata")}
    return shared | {"ArtifactName": name, "Metadata": {"RepoDigests": [name]}, "Results": results}


def merge_sarif(texts: Mapping[Subject, str]) -> str:
    """Return one SARIF log with a run for each platform, named as its category (SARIF 2.1.0, 3.17.3)."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    logs = {subject.platform: json.loads(text) for subject, text in texts.items()}
    runs = [
        run | {"automationDetails": {"id": f"trivy/{platform}/"}}
        for platform, log in logs.items()
        for run in log["runs"]
    ]
    return json.dumps(next(iter(logs.values())) | {"runs": runs}, indent=2) + "\n"


def join(texts: Mapping[Subject, str]) -> str:
    """Return the texts one below the other, each under its platform."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"{subject.platform}\n{text}" for subject, text in texts.items())


def count(report: Report) -> Counts:
    """Return how many findings of each severity there are."""
    return Counter(
        finding.get("Severity") or "UNKNOWN"
        for result in report.get("Results") or ()
        for kind in ("Vulnerabilities", "Misconfigurations", "Secrets", "Licenses")
        for finding in result.get(kind) or ()
        if kind != "Misconfigurations" or finding.get("Status") == "FAIL"
    )


def summarize(inputs: TrivyInputs, counts: Mapping[Subject, Counts]) -> dict[str, str]:
    """Return the outputs that tell what was found."""
    total = sum(counts.values(), Counter[str]())
    outputs = {each: str(total[each]) for each in SEVERITIES}
    outputs["FINDINGS"] = str(sum(total[each] for each in inputs.severity))
    if platforms := ",".join(filter(None, (subject.platform for subject in counts))):
        outputs["PLATFORMS"] = platforms
    return outputs


def judge(inputs: TrivyInputs, job: Job, counts: Mapping[Subject, Counts]) -> None:
    """Say in the last line whether it is clean, and end the job if it is not.

    Raises:
        Findings: something of `severity` was found, and `exit-code` is not 0.
    """
    relevant = {
        subject: Counter({each: found[each] for each in inputs.severity}) for subject, found in counts.items()
    }
    total = sum(relevant.values(), Counter[str]())
    name = next(iter(counts)).name
    platforms = {subject.platform: found for subject, found in relevant.items() if subject.platform}
    if not total:
        where = f"{name} ({', '.join(platforms)})" if platforms else name
        job.say(f"clean: nothing {' or '.join(inputs.severity)} in {where}")
        return
    details = "; ".join(f"{platform}: {describe(found)}" for platform, found in platforms.items())
    message = f"findings: {describe(total)} in {f'{name} ({details})' if platforms else name}"
    if inputs.exit_code:
        raise Findings(message, exit_code=inputs.exit_code)
    job.say(f"{message}; advisory, as `exit-code` is 0")


def describe(counts: Counts) -> str:
    """Return counts in words, as "2 CRITICAL, 1 HIGH"."""
    return ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each]) or "none"


if __name__ == "__main__":
    Trivy.main()
