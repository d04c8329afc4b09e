"""The `with:` map of trivy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import unquote

from pydantic import WithJsonSchema

from gocdnext_sdk import (
    Always,
    Boolean,
    Credential,
    Credentials,
    Duration,
    Input,
    Invalid,
    Items,
    OnlyWith,
    Pairs,
    Problem,
    Reference,
    References,
    Registry,
    RegistryLoginInputs,
    RequiredIf,
    RequiredTogether,
    Secret,
    Words,
    WorkspacePath,
    in_workspace,
    one_of,
    quoted,
)
from gocdnext_sdk.inputs.registry_login import Password, UserName
from gocdnext_sdk.oci.source import Source
from gocdnext_sdk.workspace import exists, is_file, is_in_workspace

from .configuration import CONFIGURATION, overruled, text_of
from .globs import Globs
from .judging import JudgingInputs
from .reporting import ReportInputs

if TYPE_CHECKING:
    from gocdnext_sdk.tools.dockerfile_images import Base

PACKAGES = ("image", "dockerfile", "fs", "repo", "rootfs", "sbom")
"""The scan types that look for packages, and so for vulnerabilities."""

FILES = ("image", "dockerfile", "fs", "repo", "rootfs", "config")
"""The scan types that read files."""

IMAGES = ("image", "dockerfile")
"""The scan types whose layers are worth keeping: another image may have them too."""

CACHE = ".cache/trivy"
"""Where the databases are if nothing else is said; the platform keeps it from job to job."""

_NO_SECRET = re.compile(r"([A-Za-z+]+://)?([\w.-]+@)?[^@?#]*")
"""A repository by an address with nothing secret in it: a user at most, as `git@` is for SSH."""

_DATABASES = ("db-repository", "java-db-repository", "db-username", "db-password")

_VEX = ("repo", "repository", "oci", "sbom-ref")
"""What is no path of a VEX document. Source: Trivy 0.74 `pkg/vex/vex.go`, `NewSource`."""

_FOR = {
    frozenset({"vuln"}): ("skip-db-update", "db-repository", "db-username", "vex", "grace"),
    frozenset({"vuln", "license"}): ("java-db-repository", "pkg-types"),
}
"""What counts only where one of some scanners runs."""


ImageFiles = Annotated[Source, in_workspace(Source.parse_files), WithJsonSchema({"type": "string"})]
"""An image in files: a path, with or without `oci:` and the like before it."""


class TrivyInputs(JudgingInputs, ReportInputs, RegistryLoginInputs):
    """What to scan, what to look for, and where the report goes."""

    scan_type: Literal["image", "dockerfile", "fs", "repo", "config", "rootfs", "sbom"] = Input(
        "fs",
        description="What to scan: an image, the base images of a Dockerfile (dockerfile), a file tree (fs), "
        "a git repository (repo), configuration files (config), an unpacked root file system (rootfs) or an "
        "SBOM file (sbom).",
    )
    target: str | None = Input(
        None,
        description="What to point the scan at: an image reference, a path, or the URL of a repository. "
        'Required, except that fs and config take the workspace ("."), and dockerfile "Dockerfile".',
    )
    archive: ImageFiles | None = Input(
        None,
        description="An image in files, to scan instead of `target`: a directory (OCI image layout) or an "
        "archive, as the `output` of buildx and kaniko and `docker save` write them. If there are several "
        "images in it, with a colon and the name or the digest of one: `dist/app:v1`.",
    )
    image_source: Literal["registry", "docker"] = Input(
        "registry",
        description='Where the image is. "docker": in the daemon of a job with `docker: true`.',
    )
    platforms: Words = Input(
        "all",
        description='Platforms of a multi-platform image to scan, e.g. "linux/amd64". "all": all it has.',
    )
    build_args: Pairs = Input(
        "",
        description="With `scan-type: dockerfile`: the build arguments that its FROM lines use, one "
        "`KEY=VALUE` a line; a bare `KEY` takes the job's variable.",
    )
    scanners: Annotated[Words, one_of("vuln", "misconfig", "secret", "license")] = Input(
        "", description="What to look for: vuln, misconfig, secret, license. If empty: vuln and secret."
    )
    pkg_types: Annotated[Words, one_of("os", "library")] = Input(
        "", description="Packages to look at: os, library. If empty: both."
    )
    skip_dirs: Globs = Input("", description="Directories to leave out, as paths or globs.")
    skip_files: Globs = Input("", description="Files to leave out, as paths or globs.")
    vex: Items = Input(
        "",
        description='VEX documents to honour: paths, "oci" (attested to the image), "repo", or '
        '"sbom-ref" (those that the scanned SBOM names).',
    )
    config: WorkspacePath | None = Input(
        None,
        description="Trivy's own configuration file, for what has no input here. If empty: `trivy.yaml`, "
        "where there is one.",
    )
    timeout: Duration | None = Input(
        None,
        description='Time that the whole job may take, e.g. "15m". Trivy gets it for each scan, and gives '
        "5 minutes to one otherwise.",
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
    db_username: UserName | None = Input(
        None,
        description="User name at the registry of the first `db-repository`. It is sent to that one only.",
    )
    db_password: Password | None = Input(None, description="Password or token for `db-username`.")
    cache_dir: str | None = Input(
        None,
        description="Directory of the databases, and of what is known of layers. If empty: the job's "
        "TRIVY_CACHE_DIR, else `.cache/trivy`.",
    )

    constraints = (
        RequiredIf("target", "scan-type", "repo", "rootfs", "sbom"),
        RequiredTogether("db-username", "db-password"),
        OnlyWith(("archive", "image-source", "attach"), "scan-type", "image"),
        OnlyWith("image-source", "archive", ""),
        OnlyWith("platforms", "scan-type", "image", "dockerfile"),
        OnlyWith("build-args", "scan-type", "dockerfile"),
        OnlyWith(("skip-dirs", "skip-files"), "scan-type", *FILES),
        OnlyWith(("scanners", "pkg-types", "vex", "ignore-unfixed", "grace"), "scan-type", *PACKAGES),
        OnlyWith(("skip-db-update", *_DATABASES), "scan-type", *PACKAGES),
        OnlyWith(_DATABASES, "offline", "false"),
        # What `offline` promises holds wherever nothing is asked anyway.
        Always("scan-type", "target", "config", "cache-dir", "offline"),
        Always("severity", "report-severity", "exit-code", "baseline", "ignorefile", "ignorefile-check"),
        Always("format", "template", "output", "reports"),
    )

    @property
    def image(self) -> Reference | None:
        """The image to scan, where it has a name."""
        return Reference.parse(self.target) if self.scan_type == "image" and self.target else None

    @property
    def looks_up(self) -> bool:
        """Whether the vulnerability database is used."""
        return self.scan_type in PACKAGES and "vuln" in (self.scanners or ("vuln",))

    @property
    def scans_insecurely(self) -> bool:
        """Whether the image's registry may speak plain http."""
        image = self.image if self.image_source == "registry" else None
        return image is not None and self.is_insecure(image.registry)

    def bases(self, environ: Mapping[str, str], workspace: Path) -> dict[Base, Reference]:
        """Return the base images of the Dockerfile that is scanned.

        Raises:
            Invalid: it cannot be read, or leaves open which image is meant.
        """
        from .dockerfile import DEFAULT, read_bases

        given = {key: environ.get(key) if value is None else value for key, value in self.build_args}
        arguments = {key: value for key, value in given.items() if value is not None}
        return read_bases(self.target or DEFAULT, arguments, workspace)

    @property
    def all_credentials(self) -> Credentials:
        """The credentials: of the images, and of the database; each for its own host."""
        home = self.image.registry if self.image else None
        if self.scan_type == "dockerfile":
            home = self.registry
        found = list(self.credentials(home) if home else self.further_credentials.for_hosts())
        if self.db_username and self.db_password and self.db_repository:
            found.append(Credential(self.db_repository[0].registry, self.db_username, self.db_password))
        return Credentials(found)

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        """Check the target, and that nothing given would be ignored."""
        problems = list(self._check_target(workspace))
        yield from problems
        if self.template:
            from gocdnext_sdk.inputs.public_texts import ARGUMENT, check_public
            from gocdnext_sdk.runtime.exposure import Exposure, secrets_of

            yield from check_public({"template": self.template}, Exposure(secrets_of(environ)), ARGUMENT)
        yield from self._check_scanners()
        if self.scan_type == "sbom" and not {"vuln", "license"}.issuperset(self.scanners):
            yield Problem("scanners", "an SBOM can be scanned for vuln and license only")
        if self.image_source == "docker" and "DOCKER_HOST" not in environ:
            yield Problem("image-source", "the job has no Docker daemon", "add `docker: true` to the job")
        if self.archive and not exists(workspace / str(self.archive.path)):
            yield Problem("archive", f"there is no {quoted(self.archive.path)} in the workspace")
        for name in ("ignorefile", "config"):
            if (path := getattr(self, name)) and not is_file(workspace / path):
                yield Problem(name, f"there is no file {quoted(path)} in the workspace")
        given = {key for key, value in (("scanners", self.scanners), ("pkg-types", self.pkg_types)) if value}
        yield from overruled(self.configured_by(environ), given, workspace)
        yield from self.check_reports(workspace)
        yield from self._check_ignorefile(environ, workspace)
        yield from self._check_baseline(workspace)
        if self.attach and (self.archive or self.image_source == "docker"):
            yield Problem("attach", "needs an image in a registry", "leave it out")
        if self.attach and not self.wanted:
            yield Problem("attach", "has nothing to attach", "name the reports in `reports`")
        yield from self._check_vex(workspace)
        yield from self._check_cache(environ, workspace)
        databases = self._read_beside(workspace)
        if self.scan_type == "dockerfile":
            yield from self._check_bases(environ, workspace, databases)
        elif not problems and self.image:
            yield from self.check_registry((self.image.registry, *databases))
            scanned = [self.image.registry] if self.image_source == "registry" else []
            yield from self.check_insecure_registries([*scanned, *self._baseline_registries(workspace)])
        elif not problems:
            yield from self.check_further(databases)
            yield from self.check_insecure_registries(())
        if self.db_username and not self.db_repository:
            yield Problem("db-repository", "is missing, and `db-username` needs it", "name the database")
        elif self.db_username and not problems and self.image:
            yield from self._check_one_login(self.credentials(self.image.registry))

    def _check_vex(self, workspace: Path) -> Iterator[Problem]:
        for source in self.vex:
            if source == "sbom-ref" and self.scan_type != "sbom":
                yield Problem("vex", f"{quoted(source)} is for scan-type: sbom", "leave it out")
            elif source == "sbom-ref" and self.offline:
                what = f"{quoted(source)} fetches what the SBOM names, and `offline` is set"
                yield Problem("vex", what, "give the paths of the documents")
            elif source not in _VEX and not is_in_workspace(source, workspace):
                yield Problem("vex", f"{quoted(source)} is outside the workspace", "give a path inside it")

    def _check_scanners(self) -> Iterator[Problem]:
        for scanners, keys in _FOR.items():
            if not self.scanners or not scanners.isdisjoint(self.scanners):
                continue
            for key in keys:
                if getattr(self, key.replace("-", "_")):
                    what = f"has no effect with scanners: {', '.join(self.scanners)}"
                    yield Problem(key, what, f"leave it out, or add {' or '.join(sorted(scanners))}")

    def image_registries(self, environ: Mapping[str, str], workspace: Path) -> tuple[Registry, ...]:
        """Return the registries of the image, or of the bases, of the databases and of the baseline."""
        images = list(self.bases(environ, workspace).values()) if self.scan_type == "dockerfile" else []
        images += [self.image] if self.image and self.image_source == "registry" else []
        return (*(each.registry for each in images), *self._read_beside(workspace))

    def uses_login(self, workspace: Path) -> bool:
        """Tell whether `username` is for a registry that is read: of an image, a database, a baseline."""
        if self.scan_type == "dockerfile" or (self.image and self.image_source == "registry"):
            return True
        own = self.registry or (self.image.registry if self.image else None)
        return self.image is not None and own in self._read_beside(workspace)

    def _read_beside(self, workspace: Path) -> list[Registry]:
        databases = [each.registry for each in (*self.db_repository, *self.java_db_repository)]
        return [*databases, *self._baseline_registries(workspace)]

    def configured_by(self, environ: Mapping[str, str]) -> str:
        """Return Trivy's own configuration file, which need not be there."""
        return self.config or environ.get("TRIVY_CONFIG") or CONFIGURATION

    def accepted_by(self, environ: Mapping[str, str], workspace: Path) -> str:
        """Return the ignore file that Trivy reads, which need not be there."""
        given = self.ignorefile or environ.get("TRIVY_IGNOREFILE")
        return given or text_of(self.configured_by(environ), "ignorefile", workspace) or ".trivyignore"

    def _check_ignorefile(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        from .ignores import read_entries

        try:
            read_entries(self.accepted_by(environ, workspace), workspace)
        except Invalid as error:
            yield Problem.of("ignorefile", error)

    def _baseline_registries(self, workspace: Path) -> list[Registry]:
        from .allowance import baseline_reference

        try:
            reference = baseline_reference(self, workspace)
        except ValueError:
            return []
        return [reference.registry] if reference else []

    def _check_baseline(self, workspace: Path) -> Iterator[Problem]:
        from .allowance import baseline_reference

        try:
            reference = baseline_reference(self, workspace)
        except ValueError as error:
            yield Problem.of("baseline", error)
            return
        if self.baseline and self.baseline.endswith(".json") and not is_file(workspace / self.baseline):
            yield Problem("baseline", f"there is no file {quoted(self.baseline)} in the workspace")
        if self.baseline and not is_in_workspace(self.baseline, workspace):
            yield Problem("baseline", f"{quoted(self.baseline)} is outside the workspace")
        if reference and self.scan_type != "image":
            what = f"an image is no baseline for scan-type: {self.scan_type}"
            yield Problem("baseline", what, "give the JSON report of an earlier scan")

    def _check_bases(
        self, environ: Mapping[str, str], workspace: Path, databases: Sequence[Registry]
    ) -> Iterator[Problem]:
        try:
            images = self.bases(environ, workspace).values()
        except Invalid as error:
            yield Problem.of("target", error)
            return
        if self.username and not self.registry:
            yield Problem("registry", "is required, since the bases may be in several", "name the login's")
        else:
            yield from self.check_registry((*(each.registry for each in images), *databases))
        if self.insecure_registries:
            yield Problem("insecure-registries", "has no effect with scan-type: dockerfile", "leave it out")

    def _check_cache(self, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
        """Check that the checkout does not bring the databases by which it is judged."""
        cache = Path(self.cache_dir or environ.get("TRIVY_CACHE_DIR") or CACHE)
        if not cache.is_absolute() and not is_in_workspace(cache, workspace):
            yield Problem(
                "cache-dir", "leads out of the workspace", "give an absolute path, or remove the link"
            )
        elif is_committed(cache, workspace):
            what = f"{quoted(cache)} is part of the repository, so that it says itself what is found in it"
            yield Problem("cache-dir", what, "remove it there, or name another directory")

    def _check_one_login(self, logins: Credentials) -> Iterator[Problem]:
        registry = self.db_repository[0].registry
        if logins.get(registry):
            what = f"{registry} has credentials already"
            yield Problem("db-username", what, "leave it out; the same credentials serve both")

    def _check_target(self, workspace: Path) -> Iterator[Problem]:
        target, token = without_login(self.target or "")
        if self.scan_type == "repo" and token and self.password:
            yield Problem("target", "has a token, and so has `password`, which wins", "keep one")
        if self.scan_type == "image" and token:
            yield Problem("target", "has credentials before the image", "give `username` and `password`")
        elif self.scan_type == "image":
            if target and self.archive:
                yield Problem("archive", 'cannot be combined with "target"', "keep one of the two")
            elif not target and not self.archive:
                yield Problem("target", "is required with scan-type: image", "give it, or `archive`")
            elif target:
                try:
                    Reference.parse(target)
                except ValueError as error:
                    yield Problem.of("target", error)
        elif self.scan_type == "dockerfile":
            if not is_in_workspace(target, workspace):
                yield Problem("target", "is outside the workspace", "give the path of a Dockerfile")
        elif self.scan_type != "repo" and "://" in target:
            yield Problem("target", "is a URL", "a repository is scanned with scan-type: repo")
        elif self.scan_type == "repo" and not exists(workspace / target) and not _NO_SECRET.fullmatch(target):
            what = "may hold a token, which any process on the host can read in Trivy's arguments"
            yield Problem("target", what, "leave out login, ? and #, and give the token as `password`")
        elif exists(workspace / target) and not is_in_workspace(target, workspace):
            yield Problem("target", f"{quoted(target)} is outside the workspace", "give a path inside it")
        elif target.startswith("-") or (
            not exists(workspace / target) and (self.scan_type != "repo" or target.startswith(("/", ".")))
        ):
            # A reference that came from a needed job is masked in the message, so always tell of images.
            what = f"there is no {quoted(target)} in the workspace"
            yield Problem("target", what, "an image is scanned with scan-type: image")


def is_committed(folder: Path, workspace: Path) -> bool:
    """Tell whether git has files in a folder of the checkout, by their paths in its index.

    Source: git's index-format, versions 2 and 3; version 4, which is had on demand only, cuts paths.
    """
    try:
        name = (workspace / folder).resolve().relative_to(workspace.resolve())
        index = (workspace / ".git" / "index").read_bytes()
    except (OSError, ValueError):
        return False
    return f"{name.as_posix()}/".encode(errors="surrogateescape") in index


def without_login(url: str) -> tuple[str, Secret | None]:
    """Return a URL without its `user:token@`, and the token."""
    match = re.match(r"(?i)(https?://)?([^/]+)@", url)
    if not match or not (match[1] or ":" in match[2]):
        return url, None
    token = match[2].partition(":")[2] or match[2]
    return (match[1] or "") + url[match.end() :], Secret(unquote(token))
